//! The roots that services are verified against. In: files or folders, or the host's store. Out: [`Trusted`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use sidelight_model::x509::Certificate;

/// Roots and revocation lists.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    /// Roots in DER.
    pub roots: Vec<CertificateDer<'static>>,
    /// Revocation lists in DER.
    pub revoked: Vec<CertificateRevocationListDer<'static>>,
    /// Where the roots came from, for people.
    pub source: String,
    /// What could not be read, for people.
    pub warnings: Vec<String>,
}

/// Why roots or revocation lists could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// A file or folder could not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds a revocation list that cannot be read.
    #[error("{}: revocation list {number} in it cannot be read: {why}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// Which one, counted from 1.
        number: usize,
        /// What the library said.
        why: String,
    },
    /// It holds none.
    #[error("{} holds no {what}", path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
}

/// Bytes of a bundle that are read at the most.
const LARGEST: u64 = 64 << 20;

impl Trusted {
    /// The roots of this host, as OpenSSL's variables and the distribution have them.
    pub fn of_host() -> Self {
        let found = rustls_native_certs::load_native_certs();
        let source = std::env::var("SSL_CERT_FILE")
            .map_or_else(|_| "the host's trust store".to_owned(), |file| format!("SSL_CERT_FILE={file}"));
        let warnings = found.errors.iter().map(ToString::to_string).collect();
        Self { roots: found.certs, revoked: Vec::new(), source, warnings }
    }

    /// The roots in files (PEM bundles or DER) and folders of such files.
    ///
    /// # Errors
    /// When one cannot be read or holds no certificate.
    pub fn from_paths(paths: &[PathBuf]) -> Result<Self, RootsError> {
        let mut trusted = Self { source: list(paths), ..Self::default() };
        for path in paths {
            let before = trusted.roots.len();
            for file in files_of(path)? {
                let bytes = read(&file)?;
                let (mut certificates, warnings) = certificates(&bytes, &file);
                trusted.warnings.extend(warnings);
                trusted.roots.append(&mut certificates);
            }
            if trusted.roots.len() == before {
                return Err(RootsError::Empty { path: path.clone(), what: "certificate (PEM or DER)" });
            }
        }
        Ok(trusted)
    }

    /// Adds the revocation lists in these files (PEM or DER).
    ///
    /// # Errors
    /// When one cannot be read, holds no list, or holds one that the library does not understand.
    pub fn with_revoked(mut self, paths: &[PathBuf]) -> Result<Self, RootsError> {
        for path in paths {
            let bytes = read(path)?;
            let mut lists: Vec<_> =
                CertificateRevocationListDer::pem_slice_iter(&bytes).filter_map(Result::ok).collect();
            if lists.is_empty() && bytes.first() == Some(&0x30) {
                lists.push(CertificateRevocationListDer::from(bytes));
            }
            if lists.is_empty() {
                return Err(RootsError::Empty { path: path.clone(), what: "certificate revocation list (PEM or DER)" });
            }
            for (index, list) in lists.iter().enumerate() {
                webpki::BorrowedCertRevocationList::from_der(list).map_err(|error| RootsError::List {
                    path: path.clone(),
                    number: index + 1,
                    why: error.to_string(),
                })?;
            }
            self.revoked.append(&mut lists);
        }
        Ok(self)
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, RootsError> {
    let fail = |source| RootsError::File { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(fail)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<_> =
        fs::read_dir(path).map_err(fail)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.retain(|file| file.is_file());
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, RootsError> {
    let fail = |source| RootsError::File { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(fail)?.len();
    if length > LARGEST {
        return Err(fail(io::Error::other(format!("{length} bytes are too many for a bundle (limit {LARGEST})"))));
    }
    fs::read(path).map_err(fail)
}

/// Every certificate that can be read; one broken block never hides the others.
fn certificates(bytes: &[u8], path: &Path) -> (Vec<CertificateDer<'static>>, Vec<String>) {
    let mut found = Vec::new();
    let mut warnings = Vec::new();
    for (number, block) in CertificateDer::pem_slice_iter(bytes).enumerate() {
        let sound = block.map_err(|error| error.to_string()).and_then(|der| Certificate::parse(&der).map(|_| der));
        match sound {
            Ok(der) => found.push(der),
            Err(why) => warnings.push(format!("{}: block {} is no certificate: {why}", path.display(), number + 1)),
        }
    }
    if found.is_empty() && bytes.first() == Some(&0x30) && Certificate::parse(bytes).is_ok() {
        found.push(CertificateDer::from(bytes.to_vec()));
    }
    (found, warnings)
}
