//! The client's certificate from the user's files. In: PEM or PKCS#12. Out: the chain for judging, and the key for handshakes.

use std::path::Path;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sidelight_model::diagnose::ClientIdentity;
use sidelight_model::x509::Certificate;
use sidelight_wire::{pem, pkcs12};

/// Bytes of a file that are read.
const LARGEST: u64 = 1 << 20;

/// Reads the certificate and its key; without a file for the key, it stands beside the certificate. What shows it is `None`
/// when the key is not its own.
///
/// # Errors
/// When a file cannot be read or lacks what is looked for; the words name the file.
pub fn read_identity(
    cert: &Path,
    key: Option<&Path>,
    password: Option<&str>,
) -> Result<(ClientIdentity, Option<Arc<CertifiedKey>>), String> {
    let at = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let bytes = read(cert)?;
    let key_file = key.unwrap_or(cert);
    let (chain, private) = if bytes.first() == Some(&0x30) && key.is_none() {
        from_pkcs12(&bytes, password).map_err(|why| at(cert, &why))?
    } else {
        let (blocks, _) = pem::read(&bytes);
        let chain: Vec<_> = blocks.into_iter().filter(pem::Block::is_certificate).map(|block| block.data).collect();
        let chain = if chain.is_empty() && Certificate::parse(&bytes).is_ok() { vec![bytes] } else { chain };
        (chain, private_key(&read(key_file)?).map_err(|why| at(key_file, &why))?)
    };
    let parsed: Result<Vec<_>, _> = chain.iter().map(|der| Certificate::parse(der)).collect();
    let parsed = parsed.map_err(|why| at(cert, &format!("a certificate in it cannot be read: {why}")))?;
    if parsed.is_empty() {
        return Err(at(cert, &"no certificate in it"));
    }
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let shown = match CertifiedKey::from_der(chain, private, &crate::tls::provider()) {
        Ok(identity) => Some(Arc::new(identity)),
        Err(rustls::Error::InconsistentKeys(_)) => None,
        Err(other) => return Err(at(key_file, &other)),
    };
    let identity = ClientIdentity {
        chain: parsed,
        cert_file: cert.display().to_string(),
        key_file: key_file.display().to_string(),
        key_matches: shown.is_some(),
    };
    Ok((identity, shown))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let length = std::fs::metadata(path).map_err(fail)?.len();
    if length > LARGEST {
        return Err(format!("{}: {length} bytes are too many for a certificate or key", path.display()));
    }
    std::fs::read(path).map_err(fail)
}

fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if let Ok(key) = PrivateKeyDer::from_pem_slice(bytes) {
        return Ok(key);
    }
    let (blocks, _) = pem::read(bytes);
    let encrypted = |block: &pem::Block| block.label.contains("ENCRYPTED") || !block.headers.is_empty();
    if blocks.iter().any(|block| block.is_private_key() && encrypted(block)) {
        return Err("the private key is encrypted; `openssl pkey -in FILE -out plain.key` decrypts it".to_owned());
    }
    PrivateKeyDer::try_from(bytes.to_vec()).map_err(|_| "no private key in it (PEM or DER)".to_owned())
}

/// The first key of a PKCS#12 file with its chain. Common passwords are tried where none is given.
fn from_pkcs12(bytes: &[u8], password: Option<&str>) -> Result<(Vec<Vec<u8>>, PrivateKeyDer<'static>), String> {
    let tried = password.map_or_else(|| vec!["", "changeit"], |password| vec![password]);
    let mut last = String::new();
    for password in tried {
        match pkcs12::read(bytes, password) {
            Ok(contents) => {
                let identity = contents.identities.into_iter().next().ok_or("no private key in it")?;
                let key = PrivatePkcs8KeyDer::from(identity.key.reveal().clone());
                return Ok((identity.chain, key.into()));
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}
