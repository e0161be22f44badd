//! Our certificate authority. In: a folder (or none), what it may issue. Out: [`Authority`], which signs. Spec: RFC 5280.
//!
//! The folder holds `ca.pem` and `ca.key` (PKCS#8, 0600); both may be replaced by hand with any RSA, ECDSA or Ed25519 pair.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::{digest, rsa, signature};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::SigningKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sidelight_model::flow::Host;
use sidelight_model::time::Timestamp;
use sidelight_model::x509::Certificate;
use sidelight_wire::certificate::{Extension, ToBeSigned, name};
use sidelight_wire::der;

/// The kind of a key pair to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// ECDSA on P-256: small, quick, understood by all current clients.
    #[default]
    EcdsaP256,
    /// RSA of 2,048 bits, for clients without ECDSA.
    Rsa2048,
    /// RSA of 4,096 bits.
    Rsa4096,
}

/// What a new authority is like.
#[derive(Clone, Debug)]
pub struct CaOptions {
    /// How long it is valid.
    pub life: Duration,
    /// Its key.
    pub key: KeyKind,
    /// When not empty: the only names (and everything below them) that it may issue for, as a critical name constraint.
    pub permitted_names: Vec<String>,
}

impl Default for CaOptions {
    fn default() -> Self {
        Self { life: Duration::from_secs(30 * 86_400), key: KeyKind::default(), permitted_names: Vec::new() }
    }
}

/// Why an authority could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One of the two files is there, the other is not.
    #[error("{} is there, but {} is not: put it back, or remove both to make a new CA", .0.display(), .1.display())]
    Half(PathBuf, PathBuf),
    /// A file does not hold what it must.
    #[error("{}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The certificate is no longer valid.
    #[error("{} expired on {date}: `sidelight ca create --replace` makes a new one (install it where this one was)", path.display())]
    Expired {
        /// The certificate.
        path: PathBuf,
        /// Its last day.
        date: String,
    },
    /// A permitted name is none.
    #[error("`{0}` cannot be permitted: write a domain (all below it is included), an address or a CIDR range")]
    Permitted(String),
    /// The cryptographic library refused.
    #[error("making a key or signature failed: {0}")]
    Crypto(String),
}

/// A certificate authority with its key.
#[derive(Debug)]
pub struct Authority {
    certificate: Certificate,
    key: SigningPair,
}

/// A private key with the public key as certificates hold it.
#[derive(Clone, Debug)]
pub struct SigningPair {
    /// Signs.
    pub key: Arc<dyn SigningKey>,
    /// DER of the SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// First 20 bytes of the SHA-256 of the key bits (RFC 7093 §2 method 1).
    pub key_id: Vec<u8>,
}

impl SigningPair {
    /// Makes a new pair; the second value is the private key in PKCS#8.
    ///
    /// # Errors
    /// When the library has no randomness or refuses the kind.
    pub fn generate(kind: KeyKind) -> Result<(Self, Vec<u8>), CaError> {
        let bad = |error: aws_lc_rs::error::Unspecified| CaError::Crypto(error.to_string());
        let pkcs8 = match kind {
            KeyKind::EcdsaP256 => {
                let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
                let pair = signature::EcdsaKeyPair::generate(algorithm).map_err(bad)?;
                pair.to_pkcs8v1().map_err(bad)?.as_ref().to_vec()
            }
            KeyKind::Rsa2048 | KeyKind::Rsa4096 => {
                let size = if kind == KeyKind::Rsa2048 { rsa::KeySize::Rsa2048 } else { rsa::KeySize::Rsa4096 };
                rsa::KeyPair::generate(size).and_then(|pair| pair.as_der()).map_err(bad)?.as_ref().to_vec()
            }
        };
        Ok((Self::from_der(&PrivatePkcs8KeyDer::from(pkcs8.clone()).into()).map_err(CaError::Crypto)?, pkcs8))
    }

    fn from_der(key: &PrivateKeyDer<'_>) -> Result<Self, String> {
        let key = any_supported_type(key).map_err(|error| error.to_string())?;
        let public_key = key.public_key().ok_or("the key's public half is not available")?.as_ref().to_vec();
        let key_id = digest::digest(&digest::SHA256, key_bits(&public_key)).as_ref()[..20].to_vec();
        Ok(Self { key, public_key, key_id })
    }

    /// The scheme that this key signs certificates with, and the DER of its AlgorithmIdentifier.
    fn scheme(&self) -> Result<(SignatureScheme, Vec<u8>), CaError> {
        use SignatureScheme as S;
        let offered = [
            S::ECDSA_NISTP256_SHA256,
            S::ECDSA_NISTP384_SHA384,
            S::ECDSA_NISTP521_SHA512,
            S::ED25519,
            S::RSA_PKCS1_SHA256,
        ];
        let scheme = self.key.choose_scheme(&offered).map(|signer| signer.scheme());
        let (scheme, arcs): (S, &[u64]) = match scheme {
            Some(S::ECDSA_NISTP256_SHA256) => (S::ECDSA_NISTP256_SHA256, &[1, 2, 840, 10045, 4, 3, 2]),
            Some(S::ECDSA_NISTP384_SHA384) => (S::ECDSA_NISTP384_SHA384, &[1, 2, 840, 10045, 4, 3, 3]),
            Some(S::ECDSA_NISTP521_SHA512) => (S::ECDSA_NISTP521_SHA512, &[1, 2, 840, 10045, 4, 3, 4]),
            Some(S::ED25519) => (S::ED25519, &[1, 3, 101, 112]),
            Some(S::RSA_PKCS1_SHA256) => (S::RSA_PKCS1_SHA256, &[1, 2, 840, 113549, 1, 1, 11]),
            _ => return Err(CaError::Crypto("the key fits no signature algorithm for certificates".into())),
        };
        let parameters = if scheme == S::RSA_PKCS1_SHA256 { der::element(der::tag::NULL, &[]) } else { Vec::new() };
        Ok((scheme, der::sequence(&[&der::oid(arcs), &parameters])))
    }

    /// Signs a certificate with the algorithm that fits this key.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn sign(&self, certificate: &ToBeSigned<'_>) -> Result<Vec<u8>, CaError> {
        let (scheme, algorithm) = self.scheme()?;
        certificate.sign(&algorithm, |body| {
            let signer = self.key.choose_scheme(&[scheme]).ok_or(CaError::Crypto("no signer".into()))?;
            signer.sign(body).map_err(|error| CaError::Crypto(error.to_string()))
        })
    }
}

/// The content of the BIT STRING in a SubjectPublicKeyInfo: what key identifiers are hashes of.
fn key_bits(public_key: &[u8]) -> &[u8] {
    use x509_parser::prelude::FromDer;
    x509_parser::x509::SubjectPublicKeyInfo::from_der(public_key)
        .map_or(public_key, |(_, parsed)| &public_key[public_key.len() - parsed.subject_public_key.data.len()..])
}

/// Sixteen random bytes with the top bit clear and the next one set: a positive serial of fixed size.
pub(crate) fn random_serial() -> Result<[u8; 16], CaError> {
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).map_err(|error| CaError::Crypto(error.to_string()))?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

impl Authority {
    /// An authority that lives in memory only.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn ephemeral(options: &CaOptions, now: Timestamp) -> Result<Self, CaError> {
        Ok(Self::make(options, now)?.0)
    }

    /// The authority kept in `dir`; it is made there when the folder holds none.
    ///
    /// # Errors
    /// When files cannot be read or written, hold something else, do not belong together, or the certificate has expired.
    pub fn load_or_create(dir: &Path, options: &CaOptions, now: Timestamp) -> Result<Self, CaError> {
        match Self::load(dir, now)? {
            Some(authority) => Ok(authority),
            None => Self::create(dir, options, now),
        }
    }

    /// The authority kept in `dir`, if there is one.
    ///
    /// # Errors
    /// As [`Authority::load_or_create`].
    pub fn load(dir: &Path, now: Timestamp) -> Result<Option<Self>, CaError> {
        let (cert_path, key_path) = (dir.join("ca.pem"), dir.join("ca.key"));
        let (cert_pem, key_pem) = match (read(&cert_path)?, read(&key_path)?) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(CaError::Half(cert_path, key_path)),
            (None, Some(_)) => return Err(CaError::Half(key_path, cert_path)),
        };
        let content = |path: &Path, why: String| CaError::Content { path: path.to_owned(), why };
        let der = CertificateDer::from_pem_slice(&cert_pem)
            .map_err(|error| content(&cert_path, format!("no PEM certificate in it ({error})")))?;
        let certificate = Certificate::parse(&der).map_err(|why| content(&cert_path, why))?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem)
            .map_err(|error| content(&key_path, format!("no PEM private key in it ({error})")))?;
        let key = SigningPair::from_der(&key).map_err(|why| content(&key_path, why))?;
        if certificate.public_key != key.public_key {
            return Err(content(
                &key_path,
                format!("this is not the key of the certificate in {}", cert_path.display()),
            ));
        }
        if certificate.is_ca != Some(true) {
            return Err(content(&cert_path, "the certificate is not a CA's (basicConstraints CA is not set)".into()));
        }
        if certificate.not_after <= now {
            return Err(CaError::Expired { path: cert_path, date: certificate.not_after.date() });
        }
        Ok(Some(Self { certificate, key }))
    }

    /// Makes a new authority in `dir`, which must hold none.
    ///
    /// # Errors
    /// When the files exist or cannot be written, or the library refuses.
    pub fn create(dir: &Path, options: &CaOptions, now: Timestamp) -> Result<Self, CaError> {
        let (authority, pkcs8) = Self::make(options, now)?;
        let mut builder = fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| CaError::File { path: dir.to_owned(), source })?;
        // The key first: a certificate without its key would look like a CA that lost it.
        write_new(&dir.join("ca.key"), pem("PRIVATE KEY", &pkcs8).as_bytes())?;
        write_new(&dir.join("ca.pem"), authority.cert_pem().as_bytes())?;
        Ok(authority)
    }

    fn make(options: &CaOptions, now: Timestamp) -> Result<(Self, Vec<u8>), CaError> {
        let (key, pkcs8) = SigningPair::generate(options.key)?;
        let serial = random_serial()?;
        let mark = data_encoding::HEXLOWER.encode(&key.key_id[..4]);
        let subject = name(&[(&[2, 5, 4, 10], "sidelight"), (&[2, 5, 4, 3], &format!("sidelight CA {mark}"))]);
        let mut extensions = vec![
            Extension::basic_constraints(true, Some(0)),
            Extension::key_usage(&[0, 5, 6]),
            Extension::subject_key_id(&key.key_id),
            Extension::authority_key_id(&key.key_id),
        ];
        if !options.permitted_names.is_empty() {
            let (names, ranges) = permitted(&options.permitted_names)?;
            extensions.push(Extension::permitted_names(&names, &ranges));
        }
        let der = key.sign(&ToBeSigned {
            serial: &serial,
            issuer: &subject,
            subject: &subject,
            // A day back, for clients whose clocks are slow.
            not_before: Timestamp::from_secs(now.as_secs() - 86_400),
            not_after: Timestamp::from_secs(now.plus(options.life).as_secs()),
            public_key: &key.public_key,
            extensions,
        })?;
        let certificate = Certificate::parse(&der).map_err(CaError::Crypto)?;
        Ok((Self { certificate, key }, pkcs8))
    }

    /// The certificate in DER.
    pub fn cert_der(&self) -> &[u8] {
        &self.certificate.der
    }

    /// The certificate in PEM.
    pub fn cert_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate.der)
    }

    /// The certificate's fields.
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Last moment of validity.
    pub const fn not_after(&self) -> Timestamp {
        self.certificate.not_after
    }

    /// The pair that signs leaves.
    pub const fn pair(&self) -> &SigningPair {
        &self.key
    }
}

/// A base address and a prefix length.
type AddressRange = (IpAddr, u8);

/// Sorts permitted names and address ranges.
fn permitted(texts: &[String]) -> Result<(Vec<String>, Vec<AddressRange>), CaError> {
    let (mut names, mut ranges) = (Vec::new(), Vec::new());
    for text in texts {
        let (base, bits) = text.split_once('/').map_or((text.as_str(), None), |(base, bits)| (base, Some(bits)));
        match (base.parse::<IpAddr>(), bits, Host::parse(text)) {
            (Ok(base), None, _) => ranges.push((base, if base.is_ipv4() { 32 } else { 128 })),
            (Ok(base), Some(bits), _) => {
                let most = if base.is_ipv4() { 32 } else { 128 };
                let bits = bits.parse().ok().filter(|bits| *bits <= most);
                ranges.push((base, bits.ok_or_else(|| CaError::Permitted(text.clone()))?));
            }
            (Err(_), None, Ok(Host::Name(name))) => names.push(name),
            _ => return Err(CaError::Permitted(text.clone())),
        }
    }
    Ok((names, ranges))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, CaError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CaError::File { path: path.to_owned(), source }),
    }
}

/// Writes a file of mode 0600 that did not exist: a temporary file beside it, fsync, then a link that fails if it exists now.
fn write_new(path: &Path, content: &[u8]) -> Result<(), CaError> {
    let fail = |source| CaError::File { path: path.to_owned(), source };
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::hard_link(&temporary, path)
    })();
    let _ = fs::remove_file(&temporary);
    written.map_err(fail)
}
