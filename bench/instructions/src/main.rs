//! The parts of sidelight that do no I/O. In: the name of a part, and how often. Out: nothing; whoever counts instructions subtracts a run of
//! none from a run of some.

mod conversations;
mod relaying;
mod trust;

use std::hint::black_box;
use std::process::ExitCode;

use sidelight_wire::tls::{fingerprint, scan};

/// A part: prepares, then does it so often.
type Part = fn(u32);

const PARTS: &[(&str, Part)] = &[
    ("hello", hello),
    ("http1", conversations::http1),
    ("http2", conversations::http2),
    ("filter", conversations::filter),
    ("path", trust::path),
    ("forge", trust::forge),
    ("relay", relaying::plain),
    ("relay-tls", relaying::tls),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for (name, _) in PARTS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let count = arguments.next().and_then(|count| count.parse().ok());
    let part = PARTS.iter().find(|(known, _)| *known == name);
    let (Some((_, part)), Some(count)) = (part, count) else {
        eprintln!("usage: sidelight-instructions [PART COUNT]");
        return ExitCode::from(2);
    };
    part(count);
    ExitCode::SUCCESS
}

/// A ClientHello is read and fingerprinted.
fn hello(count: u32) {
    let config = rustls::ClientConfig::builder_with_provider(sidelight_engine::tls::provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has both versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("registry.test").expect("a name");
    let mut client = rustls::ClientConnection::new(config.into(), name).expect("a client");
    let mut said = Vec::new();
    client.write_tls(&mut said).expect("into memory");
    for _ in 0..count {
        let sidelight_wire::tls::Scan::Hello(hello) = scan(black_box(&said)) else { panic!("no hello") };
        black_box(fingerprint::hello(&hello));
    }
}
