//! Which of several servers a Rust program on rustls-native-certs trusts. In: ports with commas; the environment says where the roots are.
//! Out: one line: 1 (trusted) or 0 for each port. A program of its own, because the roots are read from the environment.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error, RootCertStore};

fn main() {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        eprintln!("{error}");
    }
    roots.add_parsable_certificates(native.certs);
    let config = ClientConfig::builder_with_provider(sidelight_testkit::pki::provider())
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let ports = std::env::args().nth(1).expect("ports");
    let line: String = ports.split(',').map(|port| if trusts(&config, port) { '1' } else { '0' }).collect();
    println!("{line}");
}

fn trusts(config: &Arc<ClientConfig>, port: &str) -> bool {
    let mut socket = TcpStream::connect(format!("127.0.0.1:{port}")).expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut connection = ClientConnection::new(Arc::clone(config), name).expect("a connection");
    while connection.is_handshaking() {
        match connection.complete_io(&mut socket) {
            Ok(_) => {}
            Err(error) => {
                let verdict = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                assert!(matches!(verdict, Some(Error::InvalidCertificate(_))), "{error}");
                return false;
            }
        }
    }
    true
}
