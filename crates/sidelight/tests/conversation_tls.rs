//! What both sides of an interception agree on: versions, key exchange, sessions, client certificates.

use std::process::Command;
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ServerConfig, SupportedProtocolVersion};
use sidelight_testkit::process::{Running, free_port, run};
use sidelight_testkit::talk::{Line, Proxy, Service};
use sidelight_testkit::{Identity, Issuer, Leaf, pki};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const NAME: &str = "origin.localhost";
type Versions<'v> = &'v [&'static SupportedProtocolVersion];

/// Whether clients must show a certificate of this root, or may.
enum Asks<'r> {
    Nobody,
    Everybody(&'r Issuer),
    Optionally(&'r Issuer),
}

fn server(identity: &Identity, versions: Versions<'_>, asks: &Asks<'_>) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(pki::provider()).with_protocol_versions(versions).unwrap();
    let verifier = |root: &Issuer| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), pki::provider())
    };
    let config = match asks {
        Asks::Nobody => config.with_no_client_auth(),
        Asks::Everybody(root) => config.with_client_cert_verifier(verifier(root).build().unwrap()),
        Asks::Optionally(root) => {
            config.with_client_cert_verifier(verifier(root).allow_unauthenticated().build().unwrap())
        }
    };
    let mut config = config.with_single_cert(identity.chain.clone(), identity.key()).unwrap();
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    Arc::new(config)
}

fn client(roots: &str, versions: Versions<'_>, identity: Option<&Identity>) -> Arc<ClientConfig> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(CertificateDer::pem_slice_iter(roots.as_bytes()).map(Result::unwrap));
    let config = ClientConfig::builder_with_provider(pki::provider()).with_protocol_versions(versions).unwrap();
    let config = config.with_root_certificates(store);
    Arc::new(match identity {
        Some(identity) => config.with_client_auth_cert(identity.chain.clone(), identity.key()).unwrap(),
        None => config.with_no_client_auth(),
    })
}

/// A service that answers one line, and gives the number of certificates that its client showed.
fn service(tls: Arc<ServerConfig>) -> Service<Option<usize>> {
    Service::start(move |line| {
        let mut line = line.try_serve_tls(&tls).ok()?;
        let mut heard = [0; 6];
        std::io::Read::read_exact(&mut line, &mut heard).ok()?;
        line.say("answer");
        line.half_close();
        Some(line.server().peer_certificates().map_or(0, <[_]>::len))
    })
}

/// One exchange with the service; the connection's record, and the client's end.
fn exchange(proxy: &Proxy, service: &Service<Option<usize>>, config: &Arc<ClientConfig>) -> (serde_json::Value, Line) {
    let tunnel = proxy.tunnel(&format!("{NAME}:{}", service.address.port()));
    let from = tunnel.local();
    let mut line = tunnel.tls(NAME, config);
    line.say("asking");
    line.hear("answer");
    line.half_close();
    line.hear_end();
    (proxy.record_of(from), line)
}

#[test]
fn each_side_speaks_the_version_that_it_can() {
    let root = Issuer::root("TLS Root");
    let identity = root.issue(&Leaf::named(&[NAME]));
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    for (of_client, of_server, versions) in [
        (&[&TLS12][..], &[&TLS12, &TLS13][..], ("TLS 1.2", "TLS 1.3")),
        (&[&TLS13, &TLS12], &[&TLS13], ("TLS 1.3", "TLS 1.3")),
        (&[&TLS13, &TLS12], &[&TLS12], ("TLS 1.3", "TLS 1.2")),
        (&[&TLS12], &[&TLS13], ("TLS 1.2", "TLS 1.3")),
    ] {
        let service = service(server(&identity, of_server, &Asks::Nobody));
        let (record, _) = exchange(&proxy, &service, &client(proxy.ca(), of_client, None));
        let seen = [&record["client_tls"]["version"], &record["server_tls"]["version"]];
        assert_eq!(seen, [versions.0, versions.1], "{record}");
        if versions == ("TLS 1.3", "TLS 1.3") {
            assert_eq!(record["client_tls"]["group"], "X25519MLKEM768", "{record}");
            assert_eq!(record["server_tls"]["group"], "X25519MLKEM768", "{record}");
        }
    }
}

#[test]
fn sessions_are_resumed_on_both_sides() {
    let root = Issuer::root("TLS Root");
    let identity = root.issue(&Leaf::named(&[NAME]));
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    for version in [&TLS12, &TLS13] {
        let service = service(server(&identity, &[version], &Asks::Nobody));
        let config = client(proxy.ca(), &[version], None);
        let (first, _) = exchange(&proxy, &service, &config);
        assert_eq!([&first["client_tls"]["resumed"], &first["server_tls"]["resumed"]], [false, false]);
        let (second, line) = exchange(&proxy, &service, &config);
        assert_eq!(line.client().handshake_kind(), Some(HandshakeKind::Resumed));
        assert_eq!([&second["client_tls"]["resumed"], &second["server_tls"]["resumed"]], [true, true], "{second}");
        assert_eq!(second["server_tls"]["verified"], true);
        assert_eq!(second["server_tls"]["chain_sha256"], first["server_tls"]["chain_sha256"]);
    }
}

/// How many certificates the client of the first finished conversation showed; connections that came to nothing before it do not count.
fn shown(service: &Service<Option<usize>>) -> usize {
    std::iter::repeat_with(|| service.over()).flatten().next().expect("a finished conversation")
}

#[test]
fn a_demanded_client_certificate_is_left_to_the_client_or_shown_by_us() {
    let root = Issuer::root("TLS Root");
    let identity = root.issue(&Leaf::named(&[NAME]));
    let person = root.issue(&Leaf::named(&["person.test"]).for_clients());
    for version in [&TLS12, &TLS13] {
        // Without a word from the user: untouched, because only the client can answer.
        let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
        for asks in [Asks::Everybody(&root), Asks::Optionally(&root)] {
            let demanding = service(server(&identity, &[version], &asks));
            for _ in 0..3 {
                let (record, _) = exchange(&proxy, &demanding, &client(root.pem(), &[version], Some(&person)));
                assert_eq!(record["fate"], "relayed", "{record}");
                assert_eq!(shown(&demanding), 1, "the client showed its own");
            }
        }
        let finding = proxy.sidelight.finding("client_cert_required");
        assert!(finding["fix"][0]["how"].as_str().unwrap().contains("--upstream-cert 'origin.localhost=client.pem'"));

        // With the certificate: opened.
        let (chain, key) = person.write_to(proxy.file("ca").as_path(), "person");
        let with_host = |path: &std::path::Path| format!("*.localhost={}", path.display());
        let options =
            ["--upstream-cert", "*.localhost=none", "--upstream-cert", "other.test=none"].map(str::to_owned).to_vec();
        let cert = ["--upstream-cert".to_owned(), with_host(&chain), "--upstream-key".to_owned(), with_host(&key)];
        for (options, asks, wanted) in
            [(cert.to_vec(), Asks::Everybody(&root), 1), (options, Asks::Optionally(&root), 0)]
        {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &options);
            let demanding = service(server(&identity, &[version], &asks));
            let (record, _) = exchange(&proxy, &demanding, &client(proxy.ca(), &[version], None));
            assert_eq!(record["fate"], "decrypted", "{record}");
            assert_eq!(shown(&demanding), wanted);
        }
    }
}

/// openssl(1) as a server on a port of its own.
fn openssl_server(folder: &std::path::Path, identity: &Identity, options: &[&str]) -> (u16, Running) {
    let (chain, key) = identity.write_to(folder, "server");
    let port = free_port();
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-rev", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
        .arg(chain)
        .arg("-key")
        .arg(key);
    let mut running = Running::start(command.args(options), &folder.join("s_server.log"));
    running.until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (port, running)
}

/// openssl(1) as a client through the proxy; what it printed.
fn openssl_client(proxy: &Proxy, port: u16, options: &str) -> String {
    let line = format!(
        "(echo hello; sleep 1) | openssl s_client -proxy {} -connect localhost:{port} -servername {NAME} -verify_return_error {options} 2>&1",
        proxy.sidelight.address("explicit")
    );
    run(Command::new("sh").args(["-c", &line]).current_dir(proxy.file(""))).text()
}

#[test]
fn what_only_speaks_old_tls_is_relayed_untouched() {
    const OLD: &[&str] = &["-tls1", "-cipher", "ALL:@SECLEVEL=0"];
    let root = Issuer::root("TLS Root");
    let identity = root.issue(&Leaf::named(&[NAME]).rsa());
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    let folder = tempfile::TempDir::new().unwrap();
    let (port, _server) = openssl_server(folder.path(), &identity, OLD);
    let said = openssl_client(&proxy, port, "-CAfile root.pem -tls1 -cipher ALL:@SECLEVEL=0");
    assert!(said.contains("olleh") && said.contains("TLSv1"), "{said}");
    let record = proxy.sidelight.wait_for("it", "connection", |line| line["fate"] == "relayed");
    assert!(record["because"].as_str().unwrap().contains("TLS 1.0 at the most"), "{record}");

    // A client that could do better than the service.
    let said = openssl_client(&proxy, port, "-CAfile root.pem -cipher ALL:@SECLEVEL=0");
    assert!(said.contains("olleh") && said.contains("TLSv1"), "{said}");
    proxy.sidelight.finding("protocol_too_old");
    proxy.sidelight.wait_for("it", "connection", |line| {
        line["because"].as_str().is_some_and(|words| words.contains("protocol_version"))
    });

    // An old client of a service that speaks everything: it would have worked, so it works.
    let both = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    let folder = tempfile::TempDir::new().unwrap();
    let (port, _server) = openssl_server(folder.path(), &identity, &["-cipher", "ALL:@SECLEVEL=0"]);
    for options in ["-tls1 -cipher ALL:@SECLEVEL=0", "-tls1_2 -cipher AES128-SHA:@SECLEVEL=0"] {
        let said = openssl_client(&both, port, &format!("-CAfile root.pem {options}"));
        assert!(said.contains("olleh"), "{options}: {said}\n{}", both.sidelight.said());
    }
    for options in
        ["", "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "-tls1_2 -sigalgs RSA+SHA256", "-sigalgs RSA-PSS+SHA256"]
    {
        let said = openssl_client(&both, port, &format!("-CAfile ca/ca.pem {options}"));
        assert!(said.contains("olleh") && said.contains("issuer=O = sidelight"), "{options}: {said}");
    }
}

#[test]
fn openssl_resumes_its_session_with_us() {
    let root = Issuer::root("TLS Root");
    let identity = root.issue(&Leaf::named(&[NAME]));
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    let folder = tempfile::TempDir::new().unwrap();
    let (port, _server) = openssl_server(folder.path(), &identity, &[]);
    for version in ["-tls1_2", "-tls1_3"] {
        let first = openssl_client(&proxy, port, &format!("-CAfile ca/ca.pem {version} -sess_out session"));
        assert!(first.contains("New, TLS") && first.contains("olleh"), "{first}");
        let second = openssl_client(&proxy, port, &format!("-CAfile ca/ca.pem {version} -sess_in session"));
        assert!(second.contains("Reused, TLS") && second.contains("olleh"), "{second}");
    }
}
