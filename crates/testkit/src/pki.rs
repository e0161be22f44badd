//! Certificates, right and wrong. In: what a certificate should say. Out: its chain and key, as PEM, DER and rustls values.
//! Spec: RFC 5280. Made by rcgen.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
    RevokedCertParams, RsaKeySize, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate authority: a root, or an intermediate with the way up to its root.
pub struct Issuer {
    signer: rcgen::Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
    /// What a server sends besides its leaf: this authority and those above it, without the root.
    chain: Vec<(CertificateDer<'static>, String)>,
}

impl Issuer {
    /// A root that signed itself.
    pub fn root(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = authority(name);
        let cert = params.self_signed(&key).expect("a root");
        let (der, pem) = (cert.der().clone(), cert.pem());
        Self { signer: rcgen::Issuer::new(params, key), der, pem, chain: Vec::new() }
    }

    /// An authority below this one.
    pub fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = authority(name);
        let cert = params.signed_by(&key, &self.signer).expect("an intermediate");
        let (der, pem) = (cert.der().clone(), cert.pem());
        let mut chain = vec![(der.clone(), pem.clone())];
        chain.extend(self.chain.iter().cloned());
        Self { signer: rcgen::Issuer::new(params, key), der, pem, chain }
    }

    /// A certificate for a server or client.
    pub fn issue(&self, leaf: &Leaf) -> Identity {
        let key = leaf.key();
        let cert = leaf.params().signed_by(&key, &self.signer).expect("a leaf");
        let mut identity = Identity::new(&cert, &key);
        if !leaf.bare {
            for (der, pem) in &self.chain {
                identity.chain.push(der.clone());
                identity.chain_pem.push_str(pem);
            }
        }
        identity
    }

    /// A revocation list that names these serial numbers.
    pub fn crl(&self, revoked: &[u64]) -> String {
        let now = SystemTime::now();
        let revoked_certs = revoked
            .iter()
            .map(|serial| RevokedCertParams {
                serial_number: SerialNumber::from(*serial),
                revocation_time: (now - DAY).into(),
                reason_code: None,
                invalidity_date: None,
            })
            .collect();
        let list = CertificateRevocationListParams {
            this_update: (now - DAY).into(),
            next_update: (now + 7 * DAY).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.signer).expect("a revocation list").pem().expect("PEM")
    }

    /// The authority's own certificate.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The authority's own certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes the authority's own certificate to a file.
    pub fn write_to(&self, file: &Path) -> PathBuf {
        std::fs::write(file, &self.pem).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
        file.to_path_buf()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = (SystemTime::now() - 30 * DAY).into();
    params.not_after = (SystemTime::now() + 365 * DAY).into();
    params.use_authority_key_identifier_extension = true;
    params
}

/// What a leaf should say. By default: valid now, for servers, ECDSA P-256, sent with its intermediates.
#[derive(Clone, Debug)]
pub struct Leaf {
    names: Vec<String>,
    from: SystemTime,
    until: SystemTime,
    purpose: ExtendedKeyUsagePurpose,
    serial: Option<u64>,
    rsa: bool,
    bare: bool,
    issuer_at: Option<String>,
    common: Option<String>,
}

impl Leaf {
    /// A leaf for these names and addresses.
    pub fn named(names: &[&str]) -> Self {
        let now = SystemTime::now();
        Self {
            names: names.iter().map(ToString::to_string).collect(),
            from: now - DAY,
            until: now + 60 * DAY,
            purpose: ExtendedKeyUsagePurpose::ServerAuth,
            serial: None,
            rsa: false,
            bare: false,
            issuer_at: None,
            common: None,
        }
    }

    /// Expired yesterday.
    #[must_use]
    pub fn expired(mut self) -> Self {
        (self.from, self.until) = (SystemTime::now() - 20 * DAY, SystemTime::now() - DAY);
        self
    }

    /// Valid from tomorrow on.
    #[must_use]
    pub fn not_yet_valid(mut self) -> Self {
        self.from = SystemTime::now() + DAY;
        self
    }

    /// For clients (mutual TLS) instead of servers.
    #[must_use]
    pub fn for_clients(mut self) -> Self {
        self.purpose = ExtendedKeyUsagePurpose::ClientAuth;
        self
    }

    /// With an RSA key of 2048 bits.
    #[must_use]
    pub const fn rsa(mut self) -> Self {
        self.rsa = true;
        self
    }

    /// With this serial number, for a revocation list.
    #[must_use]
    pub const fn serial(mut self, serial: u64) -> Self {
        self.serial = Some(serial);
        self
    }

    /// Sent alone, without its intermediates.
    #[must_use]
    pub const fn without_chain(mut self) -> Self {
        self.bare = true;
        self
    }

    /// With its first name in the common name alone, as certificates were made long ago.
    #[must_use]
    pub fn in_common_name(mut self) -> Self {
        self.common = self.names.drain(..).next();
        self
    }

    /// Names the place where its issuer's certificate can be fetched (at most 100 bytes), as public CAs do.
    #[must_use]
    pub fn issuer_at(mut self, url: &str) -> Self {
        self.issuer_at = Some(url.to_owned());
        self
    }

    /// Signed by its own key.
    pub fn self_signed(&self) -> Identity {
        let key = self.key();
        Identity::new(&self.params().self_signed(&key).expect("a leaf"), &key)
    }

    fn key(&self) -> KeyPair {
        if self.rsa {
            return KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("an RSA key");
        }
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key")
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(self.names.clone()).expect("names that fit a certificate");
        let first = self.common.as_ref().or(self.names.first()).map_or("nobody", String::as_str);
        params.distinguished_name.push(DnType::CommonName, first);
        params.distinguished_name.push(DnType::OrganizationName, "Sidelight Test Peers");
        params.not_before = self.from.into();
        params.not_after = self.until.into();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![self.purpose.clone()];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = self.serial.map(SerialNumber::from);
        params.custom_extensions.extend(self.issuer_at.as_deref().map(authority_information_access));
        params
    }
}

/// Authority Information Access with one caIssuers (RFC 5280 §4.2.2.1): SEQUENCE { SEQUENCE { OID, [6] URI } }.
fn authority_information_access(url: &str) -> CustomExtension {
    const CA_ISSUERS: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    // Short lengths only: each fits DER's one-byte form.
    let tagged =
        |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).expect("a short URL")], content].concat();
    let location = tagged(0x86, url.as_bytes());
    let description = tagged(0x30, &[CA_ISSUERS, &location].concat());
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], tagged(0x30, &description))
}

/// A chain, leaf first, and the leaf's key.
#[derive(Debug)]
pub struct Identity {
    /// What a server sends, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The same as PEM.
    pub chain_pem: String,
    /// The leaf's key, PKCS#8 PEM.
    pub key_pem: String,
    key_der: Vec<u8>,
}

impl Identity {
    fn new(cert: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            chain: vec![cert.der().clone()],
            chain_pem: cert.pem(),
            key_pem: key.serialize_pem(),
            key_der: key.serialize_der(),
        }
    }

    /// The leaf's key as rustls takes it.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key_der.clone()).into()
    }

    /// Writes `NAME.pem` (chain) and `NAME.key` into a folder; gives both paths.
    pub fn write_to(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (chain, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        for (file, text) in [(&chain, &self.chain_pem), (&key, &self.key_pem)] {
            std::fs::write(file, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
        }
        (chain, key)
    }

    /// A server's settings with this identity and these protocols.
    pub fn server_config(&self, protocols: &[&str]) -> Arc<rustls::ServerConfig> {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key())
            .expect("a chain and its key");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A server's settings with this identity, that demand a client certificate of an authority.
    pub fn demanding_config(&self, clients: &Issuer) -> Arc<rustls::ServerConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(clients.der().clone()).expect("a root");
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(self.chain.clone(), self.key())
            .expect("a chain and its key");
        Arc::new(config)
    }
}

/// The crypto provider of every TLS peer made here.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A client's settings that trust the certificates in a PEM text, with these protocols.
pub fn client_config(roots_pem: &str, protocols: &[&str]) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(roots_pem.as_bytes()) {
        roots.add(cert.expect("PEM")).expect("a root");
    }
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}
