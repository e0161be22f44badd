//! A file that holds certificates for trust. In: what `wire` read of it. Out: [`Store`]: its entries, its faults, and what each
//! kind of reader makes of it. Readers differ: where one skips a broken block another loses the whole file.

use super::CertId;

/// The form of a trust store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// PEM, one block or many.
    Pem,
    /// One certificate in DER.
    Der,
    /// PKCS#7 (certificates only), DER or PEM.
    Pkcs7,
    /// Java's JKS.
    Jks,
    /// Java's JCEKS.
    Jceks,
    /// PKCS#12.
    Pkcs12,
    /// BouncyCastle's BKS and its kin.
    Bks,
    /// NSS `cert9.db`.
    NssDb,
    /// NSS's library of roots.
    NssBuiltins,
    /// p11-kit's own text form.
    P11Kit,
    /// edk2's `cacerts.bin`.
    Edk2,
    /// Roots within a program (PEM text, DER, or public keys).
    CompiledIn,
}

impl Format {
    /// The word for it in text and `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pem => "pem",
            Self::Der => "der",
            Self::Pkcs7 => "pkcs7",
            Self::Jks => "jks",
            Self::Jceks => "jceks",
            Self::Pkcs12 => "pkcs12",
            Self::Bks => "bks",
            Self::NssDb => "nss-db",
            Self::NssBuiltins => "nss-builtins",
            Self::P11Kit => "p11-kit",
            Self::Edk2 => "edk2",
            Self::CompiledIn => "compiled-in",
        }
    }
}

/// Trust settings that stand beside a certificate (OpenSSL's TRUSTED CERTIFICATE, NSS, p11-kit): object identifiers in dotted form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustBits {
    /// Purposes that it is trusted for; `None`: not said.
    pub trusted: Option<Vec<String>>,
    /// Purposes that it is refused for.
    pub rejected: Vec<String>,
    /// Distrusted altogether.
    pub distrusted: bool,
}

/// One certificate of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The certificate.
    pub cert: CertId,
    /// Its name in the store: alias, friendly name, label.
    pub alias: Option<String>,
    /// The label of its PEM block, as in `TRUSTED CERTIFICATE`.
    pub label: Option<String>,
    /// Its first line, counted from 1, in a text file.
    pub line: Option<usize>,
    /// Its first byte, counted from 0.
    pub offset: Option<usize>,
    /// Trust settings beside it.
    pub bits: Option<TrustBits>,
    /// Whether it is an anchor there rather than the certificate of a private key's chain.
    pub is_anchor: bool,
}

/// A private key that was found. The key itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFound {
    /// `PKCS#8`, `RSA PRIVATE KEY`, `OpenSSH`, a keystore's entry …
    pub form: String,
    /// Whether a password protects it.
    pub encrypted: bool,
    /// Its public half as SubjectPublicKeyInfo, where it can be computed.
    pub public_key: Option<Vec<u8>>,
    /// Its first line, counted from 1, in a text file.
    pub line: Option<usize>,
    /// Its alias in a keystore.
    pub alias: Option<String>,
}

/// Something wrong with the store itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFault {
    /// One sentence for people, with the line or entry in it.
    pub what: String,
    /// The line, counted from 1, where there is one.
    pub line: Option<usize>,
    /// The byte, counted from 0, where there is one.
    pub offset: Option<usize>,
}

/// The kinds of readers that make different things of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// OpenSSL with an explicit file (`CAfile`, curl's `--cacert`, Python's `cafile`): one fault, and the load fails.
    OpenSslFile,
    /// OpenSSL's default file (`SSL_CERT_FILE`, `OPENSSLDIR/cert.pem`): a fault is silent.
    OpenSslDefault,
    /// OpenSSL's hashed folder: the first certificate of a file.
    OpenSslHashed,
    /// Go's `AppendCertsFromPEM`.
    Go,
    /// GnuTLS's `gnutls_x509_trust_list_add_trust_file`.
    GnuTls,
    /// Java's `KeyStore` on this file.
    JavaKeyStore,
    /// Java's `CertificateFactory.generateCertificates`.
    JavaFactory,
    /// rustls-native-certs / rustls-pemfile.
    Rustls,
    /// Node's `NODE_EXTRA_CA_CERTS`.
    NodeExtra,
    /// Node's `ca:` option.
    NodeCa,
    /// NSS.
    Nss,
}

impl Reader {
    /// Every reader.
    pub const ALL: &'static [Self] = &[
        Self::OpenSslFile,
        Self::OpenSslDefault,
        Self::OpenSslHashed,
        Self::Go,
        Self::GnuTls,
        Self::JavaKeyStore,
        Self::JavaFactory,
        Self::Rustls,
        Self::NodeExtra,
        Self::NodeCa,
        Self::Nss,
    ];
}

/// What a reader lost, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The entry of [`Store::entries`] that it does not get; `None` where what was lost is no entry.
    pub entry: Option<usize>,
    /// Why: one clause for people, with the line in it.
    pub why: String,
    /// Whether the reader says nothing about it.
    pub silent: bool,
}

/// What one reader makes of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Who reads.
    pub reader: Reader,
    /// The indexes into [`Store::entries`] that it gets, in order.
    pub taken: Vec<usize>,
    /// What it does not get.
    pub lost: Vec<Loss>,
    /// The error with which it refuses the whole file.
    pub fails: Option<String>,
}

/// A file (or program) that holds certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Its form.
    pub format: Format,
    /// All certificates that can be read by any means, in order.
    pub entries: Vec<Entry>,
    /// Private keys in it.
    pub keys: Vec<KeyFound>,
    /// What is wrong with it.
    pub faults: Vec<StoreFault>,
    /// What each kind of reader makes of it; readers that cannot read such a file are left out.
    pub readings: Vec<Reading>,
    /// Whether entries could not be read for want of a password.
    pub locked: bool,
}

impl Store {
    /// What `reader` makes of it.
    pub fn reading(&self, reader: Reader) -> Option<&Reading> {
        self.readings.iter().find(|reading| reading.reader == reader)
    }
}
