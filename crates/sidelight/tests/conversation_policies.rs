//! What is opened, what is left alone, and what clients are shown of services that cannot be trusted.

use std::sync::Arc;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use sidelight_testkit::talk::{Proxy, Service};
use sidelight_testkit::{Identity, Issuer, Leaf, pki};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const NAME: &str = "origin.localhost";

/// A service that echoes five bytes over TLS, and gives what came of each client.
fn echo(tls: Arc<rustls::ServerConfig>) -> Service<bool> {
    Service::start(move |line| {
        let Ok(mut line) = line.try_serve_tls(&tls) else { return false };
        let mut heard = [0; 5];
        let asked = std::io::Read::read_exact(&mut line, &mut heard).is_ok();
        if asked {
            line.say(heard);
            line.half_close();
        }
        asked
    })
}

fn to(service: &Service<bool>) -> String {
    format!("{NAME}:{}", service.address.port())
}

/// Says hello to the service as this client; the leaf that it was shown, or the error.
fn greet(proxy: &Proxy, to: &str, client: &Arc<rustls::ClientConfig>) -> Result<Vec<u8>, String> {
    let name = to.rsplit_once(':').map_or(to, |(name, _)| name);
    let mut line = proxy.tunnel(to).try_tls(name, client).map_err(|error| error.to_string())?;
    line.say("hello");
    line.hear("hello");
    line.half_close();
    line.hear_end();
    Ok(line.leaf().to_vec())
}

/// A client that takes any certificate, as `curl -k` does.
fn careless() -> Arc<rustls::ClientConfig> {
    #[derive(Debug)]
    struct Anything(Arc<rustls::crypto::CryptoProvider>);
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};
    impl ServerCertVerifier for Anything {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
        }
        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
    let config =
        rustls::ClientConfig::builder_with_provider(pki::provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(Anything(pki::provider())));
    Arc::new(config.with_no_client_auth())
}

/// Each fault: the identity that has it, its cause, what rustls says of the copy.
fn faults(root: &Issuer) -> Vec<(&'static str, Identity, &'static str, &'static str)> {
    let good = || Leaf::named(&[NAME]);
    let below = root.intermediate("Intermediate");
    vec![
        ("expired", below.issue(&good().expired()), "cert_expired", "expired"),
        ("not yet valid", below.issue(&good().not_yet_valid()), "cert_not_yet_valid", "not valid yet"),
        ("wrong name", below.issue(&Leaf::named(&["other.test"])), "hostname_mismatch", "not valid for name"),
        ("self-signed", good().self_signed(), "self_signed_leaf", "UnknownIssuer"),
        ("unknown root", Issuer::root("Nobody").issue(&good()), "root_not_trusted", "UnknownIssuer"),
        (
            "incomplete",
            below.issue(&good().issuer_at("http://ca.test/i.crt").without_chain()),
            "missing_intermediate",
            "UnknownIssuer",
        ),
        (
            "for clients",
            below.issue(&good().for_clients()),
            "leaf_not_for_server",
            "extendedKeyUsage|InvalidPurpose|extended key usage|not allow",
        ),
        ("revoked", root.issue(&good().serial(4711)), "revoked", "UnknownIssuer"),
    ]
}

#[test]
fn each_fault_is_mirrored_refused_or_hidden_as_told() {
    let root = Issuer::root("Policy Root");
    let folder = tempfile::TempDir::new().unwrap();
    let list = folder.path().join("list.pem");
    std::fs::write(&list, root.crl(&[4711])).unwrap();
    assert!(CertificateRevocationListDer::from_pem_file(&list).is_ok());
    let crl = ["--crl", list.to_str().unwrap()];
    let started = |more: &[&str]| Proxy::trusting(PROGRAM, &root, &["explicit"], &[&crl, more].concat());
    let (mirror, refuse) = (started(&[]), started(&["--on-untrusted", "refuse"]));
    let (warn, hidden) = (started(&["--on-untrusted", "warn"]), started(&["--insecure-upstream", "*.localhost"]));
    for (fault, identity, cause, words) in faults(&root) {
        let service = echo(identity.server_config(&[]));
        let of_this = |proxy: &Proxy| {
            let target = to(&service);
            proxy
                .sidelight
                .wait_for(fault, "finding", |line| line["cause"] == cause && line["target"] == target.as_str())
        };
        let error = greet(&mirror, &to(&service), &mirror.client(&[])).expect_err(fault);
        assert!(words.split('|').any(|words| error.contains(words)), "{fault}: {error}");
        assert!(!service.over(), "{fault}: nothing was asked of the service");
        let finding = of_this(&mirror);
        assert!(finding["fix"].to_string().contains("--insecure-upstream"), "{finding}");
        // Whoever does not care gets through, and through again when the session with the service is resumed.
        for _ in 0..2 {
            let leaf = greet(&mirror, &to(&service), &careless()).expect(fault);
            assert_ne!(leaf, identity.chain[0].as_ref(), "{fault}");
            assert!(service.over());
        }
        let error = greet(&mirror, &to(&service), &mirror.client(&[])).expect_err("a resumed session changes nothing");
        assert!(words.split('|').any(|words| error.contains(words)), "{fault}: {error}");
        assert!(!service.over());

        let error = greet(&refuse, &to(&service), &refuse.client(&[])).expect_err(fault);
        assert!(error.contains("AccessDenied"), "{fault}: {error}");
        assert!(!service.over());
        of_this(&refuse);
        greet(&warn, &to(&service), &warn.client(&[])).expect(fault);
        assert!(service.over());
        of_this(&warn);
        greet(&hidden, &to(&service), &hidden.client(&[])).expect(fault);
        assert!(service.over());
    }
    assert!(hidden.sidelight.of_type("finding").is_empty());
}

#[test]
fn a_stapled_revocation_counts_also_when_the_session_is_resumed() {
    let folder = tempfile::TempDir::new().unwrap();
    let script = "set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=Stapler -days 30
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=origin.localhost
printf 'subjectAltName=DNS:origin.localhost\\nextendedKeyUsage=serverAuth\\nbasicConstraints=CA:FALSE\\n' > ext
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 0x1267 -days 20 -extfile ext -out leaf.pem
printf 'R\\t400101000000Z\\t260101000000Z\\t1267\\tunknown\\t/CN=origin.localhost\\n' > index
openssl ocsp -index index -CA ca.pem -rsigner ca.pem -rkey ca.key -issuer ca.pem -cert leaf.pem -respout staple.der -ndays 7";
    let mut shell = std::process::Command::new("sh");
    sidelight_testkit::process::run(shell.args(["-c", script]).current_dir(folder.path())).success();
    let read = |name: &str| folder.path().join(name);
    let chain = vec![rustls::pki_types::CertificateDer::from_pem_file(read("leaf.pem")).unwrap()];
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(read("leaf.key")).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(pki::provider()).with_safe_default_protocol_versions().unwrap();
    let staple = std::fs::read(read("staple.der")).unwrap();
    let config = config.with_no_client_auth().with_single_cert_with_ocsp(chain, key, staple).unwrap();
    let service = echo(Arc::new(config));
    let roots = read("ca.pem");
    let proxy = Proxy::start(PROGRAM, &["explicit"], &["--roots", roots.to_str().unwrap()]);
    for round in 0..3 {
        // The careless client finishes the handshake and reads on, so that the service's tickets come in.
        greet(&proxy, &to(&service), &careless()).unwrap();
        let error = greet(&proxy, &to(&service), &proxy.client(&[])).expect_err("a refusal");
        assert!(error.contains("UnknownIssuer"), "{round}: {error}");
    }
    let finding = proxy.sidelight.finding("revoked");
    assert!(finding["evidence"][0]["what"] == "stapled OCSP response", "{finding}");
}

#[test]
fn only_and_pass_choose_by_name_range_and_port() {
    let root = Issuer::root("Policy Root");
    let identity = root.issue(&Leaf::named(&["a.localhost", "b.localhost", "127.0.0.1"]));
    let (one, two) = (echo(identity.server_config(&[])), echo(identity.server_config(&[])));
    let (port, other) = (one.address.port(), two.address.port());
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        (&["--pass", "b.*"], &["a.localhost:1", "127.0.0.1:1"], &["b.localhost:1", "B.localhost:2"]),
        (&["--pass", "127.0.0.0/8"], &["a.localhost:1"], &["127.0.0.1:1"]),
        (&["--pass", ":PORT2"], &["a.localhost:1"], &["a.localhost:2", "127.0.0.1:2"]),
        (&["--only", "a.localhost:PORT1"], &["a.localhost:1"], &["a.localhost:2", "b.localhost:1"]),
        (&["--only", "*.localhost", "--pass", "a.localhost"], &["b.localhost:1"], &["a.localhost:1", "127.0.0.1:1"]),
    ];
    let with_ports = |text: &str| {
        let text = text.replace("PORT1", &port.to_string()).replace("PORT2", &other.to_string());
        match text.strip_suffix(":1") {
            Some(name) => format!("{name}:{port}"),
            None => text.strip_suffix(":2").map_or(text.clone(), |name| format!("{name}:{other}")),
        }
    };
    for (options, opened, passed) in cases {
        let options: Vec<String> = options.iter().map(|option| with_ports(option)).collect();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &options);
        let direct = pki::client_config(root.pem(), &[]);
        for to in *opened {
            greet(&proxy, &with_ports(to), &proxy.client(&[])).unwrap_or_else(|e| panic!("{options:?}, {to}: {e}"));
        }
        for to in *passed {
            let leaf = greet(&proxy, &with_ports(to), &direct).unwrap_or_else(|e| panic!("{options:?}, {to}: {e}"));
            assert_eq!(leaf, identity.chain[0].as_ref(), "{options:?}, {to}: the service's own certificate");
            let target = with_ports(to).to_lowercase();
            let record = proxy.sidelight.wait_for(to, "connection", |line| line["target"] == target.as_str());
            assert_eq!(record["fate"], "relayed", "{record}");
            assert!(record["because"].as_str().unwrap().contains(options[0]) || options.len() == 4, "{record}");
        }
    }
}

#[test]
fn a_client_that_refuses_is_left_alone_for_a_while_and_only_it() {
    let root = Issuer::root("Policy Root");
    let names = ["a.localhost", "b.localhost"];
    let identity = root.issue(&Leaf::named(&names));
    let service = echo(identity.server_config(&[]));
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    let direct = pki::client_config(root.pem(), &[]);
    let at = |name: &str| format!("{name}:{}", service.address.port());
    let error = greet(&proxy, &at("a.localhost"), &direct).expect_err("our certificate is not theirs");
    assert!(error.contains("UnknownIssuer"), "{error}");
    // A client that comes again before its alert was read is not known yet.
    let finding = proxy.sidelight.finding("tls_intercepted");
    let leaf = greet(&proxy, &at("a.localhost"), &direct).expect("relayed this time");
    assert_eq!(leaf, identity.chain[0].as_ref());
    greet(&proxy, &at("b.localhost"), &proxy.client(&[])).expect("another host is still opened");
    assert!(finding["summary"].as_str().unwrap().contains("unknown_ca"), "{finding}");
    assert!(finding["warnings"][0].as_str().unwrap().contains("10 min"), "{finding}");
    let ledger = proxy.sidelight.stop();
    assert_eq!((&ledger["relayed"], &ledger["decrypted"]), (&1.into(), &1.into()), "{ledger}");

    let never = Proxy::trusting(PROGRAM, &root, &["explicit"], &["--fail-open-for", "0"]);
    for _ in 0..2 {
        greet(&never, &at("a.localhost"), &direct).expect_err("never left alone");
    }
}

#[test]
fn a_spare_connection_that_is_closed_unused_refuses_nothing() {
    let root = Issuer::root("Policy Root");
    let identity = root.issue(&Leaf::named(&[NAME]));
    let service = echo(identity.server_config(&[]));
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    let (client, place) = (proxy.client(&[]), to(&service));
    greet(&proxy, &place, &client).expect("it asks, so it takes our certificate");
    let spare = proxy.tunnel(&place).try_tls(NAME, &client).expect("a handshake");
    let local = spare.local();
    drop(spare);
    assert_eq!(proxy.record_of(local)["fate"], "decrypted");
    let leaf = greet(&proxy, &place, &client).expect("opened as before");
    assert_ne!(leaf, identity.chain[0].as_ref());
    assert_eq!(proxy.sidelight.stop()["relayed"], 0);
}
