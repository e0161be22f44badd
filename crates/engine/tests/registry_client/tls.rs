//! TLS with registries: roots, `certs.d`, client certificates, plain HTTP where it is not expected.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sidelight_engine::registry_client::{Event, RegistryError};
use sidelight_engine::tls::{Trusted, provider};

use crate::script::{MANIFEST, OCI, Script, answer, client_with};

struct Pki {
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Registry Test CA");
        Self { ca: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn leaf(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.ca).unwrap(), key)
    }

    fn roots(&self) -> Trusted {
        Trusted { roots: vec![self.ca.der().clone()], source: "the test".to_owned(), ..Trusted::default() }
    }

    fn acceptor(&self, with_clients: bool) -> tokio_rustls::TlsAcceptor {
        let (cert, key) = self.leaf("registry.test");
        let builder =
            rustls::ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let builder = if with_clients {
            let mut store = rustls::RootCertStore::empty();
            store.add(self.ca.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider()).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from(cert.der().to_vec())];
        let config = builder.with_single_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap();
        Arc::new(config).into()
    }

    async fn registry(&self, with_clients: bool) -> Script {
        Script::over(|_| answer(200, &[OCI], MANIFEST), Some(self.acceptor(with_clients))).await
    }
}

fn name(registry: &Script) -> String {
    format!("registry.test:{}/a", registry.address.port())
}

fn place(folder: &Path, registry: &Script) -> std::path::PathBuf {
    let place = folder.join(format!("registry.test:{}", registry.address.port()));
    std::fs::create_dir_all(&place).unwrap();
    place
}

#[tokio::test]
async fn a_registry_is_verified_against_the_given_roots() {
    let pki = Pki::new();
    let registry = pki.registry(false).await;
    let (client, steps) = client_with(&name(&registry), pki.roots(), Vec::new(), |_| {});
    client.manifest("1").await.unwrap();
    let chain = steps.lock().unwrap().iter().find_map(|event| match event {
        Event::Connected { tls: Some(tls), .. } => Some(tls.chain.len()),
        _ => None,
    });
    assert_eq!(chain, Some(1));
    let (client, _) = client_with(&name(&registry), Pki::new().roots(), Vec::new(), |_| {});
    let error = client.manifest("1").await.unwrap_err();
    let RegistryError::Untrusted { finding, .. } = &error else { panic!("{error:?}") };
    assert!(finding.summary.contains("registry.test"), "{finding:?}");
    let (client, _) = client_with(&name(&registry), Trusted::default(), Vec::new(), |options| options.insecure = true);
    client.manifest("1").await.unwrap();
}

#[tokio::test]
async fn certs_d_brings_roots_and_a_client_certificate() {
    let pki = Pki::new();
    let registry = pki.registry(true).await;
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path(), &registry);
    let with_folder = || client_with(&name(&registry), Trusted::default(), vec![folder.path().to_owned()], |_| {}).0;
    std::fs::write(place.join("ca.crt"), pki.ca.pem()).unwrap();
    let error = with_folder().manifest("1").await.unwrap_err();
    assert!(
        !matches!(error, RegistryError::Untrusted { .. }),
        "the root is there, the certificate is missing: {error:?}"
    );
    let (cert, key) = pki.leaf("client");
    std::fs::write(place.join("client.cert"), cert.pem()).unwrap();
    let error = with_folder().manifest("1").await.unwrap_err();
    assert!(matches!(&error, RegistryError::HostFiles(why) if why.contains("client.key")), "{error:?}");
    std::fs::write(place.join("client.key"), key.serialize_pem()).unwrap();
    with_folder().manifest("1").await.unwrap();
}

#[tokio::test]
async fn plain_http_is_not_spoken_beyond_loopback_unless_asked() {
    let registry = Script::start(|_| answer(200, &[OCI], MANIFEST)).await;
    let (client, _) = client_with(&name(&registry), Trusted::default(), Vec::new(), |_| {});
    let error = client.manifest("1").await.unwrap_err();
    assert!(matches!(error, RegistryError::PlainHttp { .. }), "{error:?}");
    let (client, steps) =
        client_with(&name(&registry), Trusted::default(), Vec::new(), |options| options.insecure = true);
    client.manifest("1").await.unwrap();
    assert!(steps.lock().unwrap().iter().any(|event| matches!(event, Event::Plain { .. })));
}

#[tokio::test]
async fn logins_and_bytes_do_not_go_from_tls_to_plain_http() {
    let pki = Pki::new();
    let realm = "http://tokens.test/token";
    let challenge = format!(r#"Bearer realm="{realm}",service="s""#);
    let script = move |asked: &crate::script::Asked| match asked.target.as_str() {
        "/v2/a/manifests/moved" => answer(307, &[("location", "http://storage.test/x")], ""),
        _ => answer(401, &[("www-authenticate", &challenge)], ""),
    };
    let registry = Script::over(script, Some(pki.acceptor(false))).await;
    let (client, _) = client_with(&name(&registry), pki.roots(), Vec::new(), |_| {});
    let error = client.manifest("1").await.unwrap_err();
    assert!(matches!(&error, RegistryError::Realm { .. }), "{error:?}");
    let error = client.manifest("moved").await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Redirect { .. }) && error.to_string().contains("to plain HTTP"),
        "{error:?}"
    );
}
