//! Every cause code has an endpoint that provokes it, and is named by `diagnose` with its party, evidence and fix.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustls::pki_types::CertificateDer;
use sidelight_model::finding::Cause;
use sidelight_testkit::process::free_port;
use sidelight_wire::{der, pem};

use crate::certificates::{
    Made, authority, by_openssl, client, constrained, issuer_at, leaf, leaf_for, list_at, must_staple,
    unknown_critical, valid, with_path_length,
};
use crate::endpoints::{
    Shown, alert, config, full, hold, http, mutual, openssl, reset, says, serve, take_hello, tls, tls_if,
};
use crate::{diagnose, named};

/// An endpoint, with what must live while it is asked.
struct Endpoint {
    target: String,
    options: Vec<String>,
    _alive: Vec<Box<dyn Send>>,
}

impl Endpoint {
    fn at(address: SocketAddr) -> Self {
        Self { target: named(address), options: Vec::new(), _alive: Vec::new() }
    }

    fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(ToString::to_string));
        self
    }

    fn keeping(mut self, thing: impl Send + 'static) -> Self {
        self._alive.push(Box::new(thing));
        self
    }
}

/// What most endpoints have in common: a root, an intermediate, a leaf.
struct Pki {
    folder: PathBuf,
    root: Made,
    intermediate: Made,
    leaf: Made,
}

impl Pki {
    fn new(folder: &Path) -> Self {
        let root = Made::itself(authority("Acme Root"));
        let intermediate = root.issue(authority("Acme Issuing CA"));
        let leaf = intermediate.issue(leaf());
        let made = Self { folder: folder.to_owned(), root, intermediate, leaf };
        made.write("root.pem", &made.root.pem);
        made
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.folder.join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn roots(&self) -> String {
        self.folder.join("root.pem").to_str().unwrap().to_owned()
    }

    fn shown(&self) -> Shown {
        Shown::new(&[&self.leaf.der, &self.intermediate.der], self.leaf.key())
    }

    /// A server with a leaf of the intermediate.
    fn leaf_with(&self, params: rcgen::CertificateParams) -> Endpoint {
        let leaf = self.intermediate.issue(params);
        Endpoint::at(tls(config(&Shown::new(&[&leaf.der, &self.intermediate.der], leaf.key()), None, &[])))
    }

    /// A server with a leaf below this authority, which is below the root.
    fn below(&self, authority: &Made) -> Endpoint {
        let leaf = authority.issue(leaf());
        Endpoint::at(tls(config(&Shown::new(&[&leaf.der, &authority.der], leaf.key()), None, &[])))
    }

    /// A server with a leaf below another root, which is given by `--roots` as `name`.
    fn own_root(&self, name: &str, root: &Made, trusted: &Made) -> Endpoint {
        let leaf = root.issue(leaf());
        let roots = self.write(name, &trusted.pem);
        Endpoint::at(tls(config(&Shown::new(&[&leaf.der], leaf.key()), None, &[]))).with(&["--roots", &roots])
    }

    /// A server that demands client certificates of the authority `Clients`; the client shows `identity`.
    fn mutual(&self, clients: &Made, identity: Option<(&str, &Made, &str)>) -> Endpoint {
        let endpoint = Endpoint::at(tls(mutual(&self.shown(), &clients.der)));
        match identity {
            None => endpoint,
            Some((name, cert, key)) => {
                let (cert, key) =
                    (self.write(&format!("{name}.pem"), &cert.pem), self.write(&format!("{name}.key"), key));
                endpoint.with(&["--cert", &cert, "--key", &key])
            }
        }
    }
}

/// The endpoint that provokes a cause.
fn provoke(cause: Cause, pki: &Pki) -> Endpoint {
    match cause {
        Cause::Ok => Endpoint::at(tls(config(&pki.shown(), None, &["h2", "http/1.1"]))),
        Cause::DnsFailure
        | Cause::ConnectionRefused
        | Cause::ConnectTimeout
        | Cause::ConnectionReset
        | Cause::ConnectionClosed
        | Cause::HandshakeTimeout
        | Cause::HandshakeStalledMidway
        | Cause::SniFiltered
        | Cause::LargeClientHelloDropped
        | Cause::VersionIntolerant => on_the_way(cause, pki),
        Cause::ProxyUnreachable | Cause::ProxyAuthRequired | Cause::ProxyDenied | Cause::TlsIntercepted => {
            by_a_proxy(cause, pki)
        }
        Cause::PlainHttp
        | Cause::StarttlsNeeded
        | Cause::NotTls
        | Cause::ProtocolTooOld
        | Cause::CipherMismatch
        | Cause::WeakDh
        | Cause::AlpnMismatch
        | Cause::SniNeeded
        | Cause::SniUnrecognized
        | Cause::ServerInternalAlert
        | Cause::BadCertificateEncoding
        | Cause::ServerKeyMismatch
        | Cause::ChainTooLarge => in_the_handshake(cause, pki),
        Cause::ClientCertRequired
        | Cause::ClientCertUntrusted
        | Cause::ClientCertExpired
        | Cause::ClientCertWrongUsage
        | Cause::ClientKeyMismatch => by_the_client(cause, pki),
        _ => in_the_chain(cause, pki),
    }
}

fn on_the_way(cause: Cause, pki: &Pki) -> Endpoint {
    let ordinary = || config(&pki.shown(), None, &[]);
    match cause {
        Cause::DnsFailure => Endpoint {
            target: "nowhere.invalid:443".to_owned(),
            options: vec!["--timeout".to_owned(), "2s".to_owned()],
            _alive: Vec::new(),
        },
        Cause::ConnectionRefused => Endpoint::at(SocketAddr::from(([127, 0, 0, 1], free_port()))),
        Cause::ConnectTimeout => {
            let (address, listener, waiting) = full();
            let mut endpoint = Endpoint::at(address).with(&["--timeout", "700ms"]).keeping((listener, waiting));
            // `localhost` is ::1 too, where nobody listens: a refusal there would be the answer.
            endpoint.target = address.to_string();
            endpoint
        }
        Cause::ConnectionReset => Endpoint::at(serve(|mut tcp| {
            let _ = take_hello(&mut tcp);
            reset(&tcp);
        })),
        Cause::ConnectionClosed => Endpoint::at(serve(|mut tcp| drop(take_hello(&mut tcp)))).with(&["--timeout", "2s"]),
        Cause::HandshakeTimeout => Endpoint::at(serve(hold)).with(&["--timeout", "700ms"]),
        Cause::HandshakeStalledMidway => Endpoint::at(serve(|mut tcp| {
            let _ = take_hello(&mut tcp);
            let hello = [&[3, 3][..], &[7; 32], &[0, 0xc0, 0x2f, 0]].concat();
            let message = [&[2, 0, 0, u8::try_from(hello.len()).unwrap()][..], &hello].concat();
            let record = [&[22, 3, 3, 0, u8::try_from(message.len()).unwrap()][..], &message].concat();
            let _ = tcp.write_all(&record);
            hold(tcp);
        }))
        .with(&["--timeout", "700ms"]),
        Cause::SniFiltered => Endpoint::at(tls_if(
            ordinary(),
            |hello, _| hello.sni.as_deref() != Some("localhost"),
            |mut tcp| {
                let _ = take_hello(&mut tcp);
                reset(&tcp);
            },
        )),
        Cause::LargeClientHelloDropped => {
            Endpoint::at(tls_if(ordinary(), |_, size| size < 1200, hold)).with(&["--timeout", "1s"])
        }
        _ => Endpoint::at(tls_if(
            ordinary(),
            |hello, _| hello.highest_version() < 0x0304,
            |mut tcp| drop(take_hello(&mut tcp)),
        )),
    }
}

fn by_a_proxy(cause: Cause, pki: &Pki) -> Endpoint {
    let service = || Endpoint::at(tls(config(&pki.shown(), None, &[])));
    let through = |proxy: SocketAddr| service().with(&["--proxy", &format!("http://{proxy}")]);
    match cause {
        Cause::ProxyUnreachable => through(SocketAddr::from(([127, 0, 0, 1], free_port()))),
        Cause::ProxyAuthRequired => through(says(
            false,
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
        )),
        Cause::ProxyDenied => through(says(false, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")),
        _ => {
            let intruder = Made::itself(authority("Zscaler Root CA"));
            let leaf = intruder.issue(leaf());
            Endpoint::at(tls(config(&Shown::new(&[&leaf.der, &intruder.der], leaf.key()), None, &[])))
        }
    }
}

fn in_the_handshake(cause: Cause, pki: &Pki) -> Endpoint {
    match cause {
        Cause::PlainHttp => Endpoint::at(says(false, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")),
        Cause::StarttlsNeeded => Endpoint::at(says(true, "220 mail.test ESMTP ready\r\n")),
        Cause::NotTls => Endpoint::at(says(true, "SSH-2.0-OpenSSH_9.2p1\r\n")),
        Cause::ProtocolTooOld => by_old_openssl(pki, "old", &["-tls1", "-cipher", "ALL:@SECLEVEL=0"]),
        Cause::CipherMismatch => by_old_openssl(pki, "null", &["-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0"]),
        Cause::WeakDh => {
            let folder = pki.folder.join("dh");
            std::fs::create_dir_all(&folder).unwrap();
            let params = folder.join("dh.pem");
            std::fs::write(&params, small_group()).unwrap();
            let options = ["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", "-dhparam"];
            by_old_openssl(pki, "dh", &[&options[..], &[params.to_str().unwrap()]].concat())
        }
        Cause::AlpnMismatch => Endpoint::at(tls(config(&pki.shown(), None, &["h2"]))).with(&["--alpn", "http/1.1"]),
        Cause::SniNeeded => {
            let other = pki.intermediate.issue(leaf_for(&["default.test"]));
            let other = Shown::new(&[&other.der, &pki.intermediate.der], other.key());
            Endpoint::at(tls(config(&pki.shown(), Some(&other), &[]))).with(&["--no-sni"])
        }
        Cause::SniUnrecognized => Endpoint::at(alert(112)),
        Cause::ServerInternalAlert => Endpoint::at(alert(80)),
        Cause::BadCertificateEncoding => {
            let mut broken = pki.leaf.der.to_vec();
            broken.truncate(broken.len() / 2);
            let shown = Shown::new(&[&CertificateDer::from(broken)], pki.leaf.key());
            Endpoint::at(tls(config(&shown, None, &[])))
        }
        Cause::ServerKeyMismatch => {
            let shown = Shown::new(&[&pki.leaf.der, &pki.intermediate.der], pki.intermediate.key());
            Endpoint::at(tls(config(&shown, None, &[])))
        }
        _ => {
            let mut chain = vec![&pki.leaf.der];
            chain.extend(std::iter::repeat_n(&pki.intermediate.der, 200));
            Endpoint::at(tls(config(&Shown::new(&chain, pki.leaf.key()), None, &[])))
        }
    }
}

/// The group of 1024 bits of RFC 2409 §6.2, as openssl(1) reads it.
fn small_group() -> String {
    const PRIME: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
        EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
        EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF";
    let byte = |at: usize| u8::from_str_radix(&PRIME[at..at + 2], 16).unwrap();
    let prime: Vec<u8> = (0..PRIME.len()).step_by(2).map(byte).collect();
    pem::write("DH PARAMETERS", &der::sequence(&[&der::unsigned(&prime), &der::unsigned(&[2])]))
}

fn by_old_openssl(pki: &Pki, name: &str, options: &[&str]) -> Endpoint {
    let folder = pki.folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let (root, leaf, key) = by_openssl(&folder, 2048, "sha256");
    let (address, running) = openssl(&folder, &leaf, &key, options);
    Endpoint::at(address).with(&["--roots", root.to_str().unwrap()]).keeping(running)
}

fn in_the_chain(cause: Cause, pki: &Pki) -> Endpoint {
    match cause {
        Cause::TrustStoreEmpty => {
            let empty = pki.write("empty.pem", "# nothing\n");
            Endpoint::at(tls(config(&pki.shown(), None, &[]))).with(&["--roots", &empty])
        }
        Cause::MissingIntermediate => {
            let url = format!("http://{}/ca.der", http(pki.intermediate.der.to_vec()));
            let mut params = leaf();
            issuer_at(&mut params, &url);
            let leaf = pki.intermediate.issue(params);
            Endpoint::at(tls(config(&Shown::new(&[&leaf.der], leaf.key()), None, &[])))
        }
        Cause::SelfSignedLeaf => {
            let alone = Made::itself(leaf());
            Endpoint::at(tls(config(&Shown::new(&[&alone.der], alone.key()), None, &[])))
        }
        Cause::RootNotTrusted => {
            let other = Made::itself(authority("Other Root"));
            let leaf = other.issue(leaf());
            Endpoint::at(tls(config(&Shown::new(&[&leaf.der, &other.der], leaf.key()), None, &[])))
        }
        Cause::RootRekeyed => {
            pki.own_root("former.pem", &Made::itself(authority("One Name")), &Made::itself(authority("One Name")))
        }
        Cause::RootExpired
        | Cause::IntermediateExpired
        | Cause::IssuerNotCa
        | Cause::PathLengthExceeded
        | Cause::NameConstraintViolation => in_an_issuer(cause, pki),
        Cause::BadSignature => {
            let mut damaged = pki.leaf.der.to_vec();
            let last = damaged.len() - 1;
            damaged[last] ^= 1;
            let shown = Shown::new(&[&CertificateDer::from(damaged), &pki.intermediate.der], pki.leaf.key());
            Endpoint::at(tls(config(&shown, None, &[])))
        }
        Cause::WeakSignature => weak(pki, "sha1", 2048, "sha1"),
        Cause::WeakKey => weak(pki, "small", 1024, "sha256"),
        Cause::Revoked => {
            let url = format!("http://{}/list.crl", http(pki.intermediate.list(4711)));
            let mut params = leaf();
            params.serial_number = Some(4711.into());
            list_at(&mut params, &url);
            pki.leaf_with(params)
        }
        _ => in_the_leaf(cause, pki),
    }
}

fn in_an_issuer(cause: Cause, pki: &Pki) -> Endpoint {
    match cause {
        Cause::RootExpired => {
            let mut params = authority("Old Root");
            valid(&mut params, -300, -2);
            let old = Made::itself(params);
            pki.own_root("old.pem", &old, &old)
        }
        Cause::IntermediateExpired => {
            let mut params = authority("Old Issuing CA");
            valid(&mut params, -300, -2);
            pki.below(&pki.root.issue(params))
        }
        Cause::IssuerNotCa => {
            let mut params = authority("No CA");
            params.is_ca = rcgen::IsCa::ExplicitNoCa;
            pki.below(&pki.root.issue(params))
        }
        Cause::PathLengthExceeded => {
            let first = pki.root.issue(with_path_length("Last CA", 0));
            let second = first.issue(authority("One Too Many"));
            let leaf = second.issue(leaf());
            let shown = Shown::new(&[&leaf.der, &second.der, &first.der], leaf.key());
            Endpoint::at(tls(config(&shown, None, &[])))
        }
        _ => pki.below(&pki.root.issue(constrained("Limited CA", "corp.test"))),
    }
}

fn weak(pki: &Pki, name: &str, bits: u32, digest: &str) -> Endpoint {
    let folder = pki.folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let (root, leaf, key) = by_openssl(&folder, bits, digest);
    let (address, running) = openssl(&folder, &leaf, &key, &["-cipher", "ALL:@SECLEVEL=0"]);
    Endpoint::at(address).with(&["--roots", root.to_str().unwrap()]).keeping(running)
}

fn in_the_leaf(cause: Cause, pki: &Pki) -> Endpoint {
    let mut params = leaf();
    match cause {
        Cause::CertExpired => valid(&mut params, -60, -2),
        Cause::CertNotYetValid => valid(&mut params, 2, 60),
        Cause::HostnameMismatch => params = leaf_for(&["other.test", "*.corp.test"]),
        Cause::NoSan => params = leaf_for(&[]),
        Cause::LeafNotForServer => params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth],
        Cause::LeafIsCa => params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
        Cause::UnknownCriticalExtension => unknown_critical(&mut params),
        Cause::MustStapleMissing => must_staple(&mut params),
        other => panic!("{}: no endpoint provokes it", other.code()),
    }
    pki.leaf_with(params)
}

fn by_the_client(cause: Cause, pki: &Pki) -> Endpoint {
    let clients = Made::itself(authority("Clients"));
    let mut params = client();
    match cause {
        Cause::ClientCertRequired => pki.mutual(&clients, None),
        Cause::ClientCertUntrusted => {
            let stranger = Made::itself(authority("Strangers")).issue(params);
            pki.mutual(&clients, Some(("stranger", &stranger, &stranger.key_pem())))
        }
        Cause::ClientCertExpired => {
            valid(&mut params, -60, -2);
            let old = clients.issue(params);
            pki.mutual(&clients, Some(("old", &old, &old.key_pem())))
        }
        Cause::ClientCertWrongUsage => {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
            let server = clients.issue(params);
            pki.mutual(&clients, Some(("server", &server, &server.key_pem())))
        }
        _ => {
            let (one, other) = (clients.issue(params.clone()), clients.issue(params));
            pki.mutual(&clients, Some(("mixed", &one, &other.key_pem())))
        }
    }
}

/// What is wrong with the answer for a cause; empty: nothing.
fn check(cause: Cause, pki: &Pki) -> Result<(), String> {
    let mut endpoint = provoke(cause, pki);
    if !endpoint.options.iter().any(|option| option == "--roots") {
        endpoint = endpoint.with(&["--roots", &pki.roots()]);
    }
    let (document, finished) = diagnose(&endpoint.target, &endpoint.options);
    let expect = |holds: bool, what: &str| {
        let mut shown = document.clone();
        for long in ["chain", "ciphers_by_version", "ciphers", "missing", "wanted_root"] {
            shown[long] = serde_json::Value::Null;
        }
        let ended = finished.status;
        if holds { Ok(()) } else { Err(format!("{}: {what} ({ended})\n{shown}", cause.code())) }
    };
    expect(document["cause"] == cause.code(), "another cause")?;
    expect(document["fault"] == cause.party().name(), "another party")?;
    expect(document["v"] == 1 && document["type"] == "diagnosis", "no version or type")?;
    let host = endpoint.target.split(':').next().unwrap();
    expect(document["summary"].as_str().is_some_and(|it| it.contains(host)), "the summary does not name the host")?;
    let evidence = document["evidence"].as_array().ok_or("no evidence")?;
    expect(!evidence.is_empty(), "no evidence")?;
    let says = |value: &serde_json::Value| value.to_string().contains(host);
    expect(says(&document["evidence"]) || says(&document["fix"]), "neither evidence nor fix names the host")?;
    let fixes = document["fix"].as_array().ok_or("no list of fixes")?;
    let code = if cause == Cause::Ok { 0 } else { 1 };
    expect(fixes.is_empty() == (cause == Cause::Ok), "fixes")?;
    expect(fixes.iter().all(|fix| fix["how"].as_str().is_some_and(|how| !how.is_empty())), "a fix without how")?;
    expect(finished.status.code() == Some(code), "another exit status")
}

#[test]
fn every_cause_is_provoked_and_named() {
    // What follows are causes of registries, which have tests of their own.
    let of_tls: Vec<Cause> = Cause::ALL.iter().copied().take_while(|cause| *cause != Cause::TokenMissing).collect();
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path());
    let todo = Mutex::new(of_tls.clone());
    let wrong = Mutex::new(BTreeMap::new());
    let next = || todo.lock().unwrap().pop();
    let work = || {
        while let Some(cause) = next() {
            wrong.lock().unwrap().extend(check(cause, &pki).err().map(|why| (cause.code(), why)));
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    let all: Vec<String> = wrong.values().cloned().collect();
    assert!(wrong.is_empty(), "{} of {} causes:\n{}", wrong.len(), of_tls.len(), all.join("\n----\n"));
}
