//! Certificates that are wrong in one way. In: what is wrong. Out: a root and what a server shows.
//! Made by rcgen; what rcgen will not make (old digests, small keys) by openssl(1).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sidelight_testkit::process::run;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// A certificate with its key.
pub(crate) struct Made {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
    params: CertificateParams,
    key: KeyPair,
}

impl Made {
    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// A certificate below this one.
    pub(crate) fn issue(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let cert = params.signed_by(&key, &issuer).unwrap();
        Self { der: cert.der().clone(), pem: cert.pem(), params, key }
    }

    /// One that signed itself.
    pub(crate) fn itself(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        Self { der: cert.der().clone(), pem: cert.pem(), params, key }
    }

    /// What an OCSP responder of this authority says of a leaf, made by openssl(1) in `folder`.
    pub(crate) fn ocsp(&self, folder: &Path, leaf: &Self, revoked: bool) -> Vec<u8> {
        let serial = leaf.params.serial_number.as_ref().unwrap().to_bytes();
        let serial: String = serial.iter().map(|byte| format!("{byte:02X}")).collect();
        let state = if revoked { "R\t400101000000Z\t200101000000Z,keyCompromise" } else { "V\t400101000000Z\t" };
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("index", &format!("{state}\t{serial}\tunknown\t/CN=localhost\n"));
        write("ocsp-ca.pem", &self.pem);
        write("ocsp-ca.key", &self.key_pem());
        write("ocsp-leaf.pem", &leaf.pem);
        let script = "openssl ocsp -index index -rsigner ocsp-ca.pem -rkey ocsp-ca.key -CA ocsp-ca.pem -issuer ocsp-ca.pem \
            -cert ocsp-leaf.pem -no_nonce -ndays 7 -respout response.der -noverify";
        run(Command::new("sh").args(["-c", script]).current_dir(folder)).success();
        std::fs::read(folder.join("response.der")).unwrap()
    }

    /// A revocation list of this authority that names one serial number.
    pub(crate) fn list(&self, serial: u64) -> Vec<u8> {
        let now = SystemTime::now();
        let revoked = rcgen::RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: (now - DAY).into(),
            reason_code: None,
            invalidity_date: None,
        };
        let params = rcgen::CertificateRevocationListParams {
            this_update: (now - DAY).into(),
            next_update: (now + 7 * DAY).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&Issuer::from_params(&self.params, &self.key)).unwrap().der().to_vec()
    }
}

/// The parameters of an authority.
pub(crate) fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, -30, 365);
    params.use_authority_key_identifier_extension = true;
    params
}

/// The parameters of a server's certificate for `localhost` and 127.0.0.1.
pub(crate) fn leaf() -> CertificateParams {
    leaf_for(&["localhost", "127.0.0.1"])
}

pub(crate) fn leaf_for(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let first = names.first().cloned().unwrap_or_else(|| "localhost".to_owned());
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, first);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    valid(&mut params, -1, 60);
    params
}

/// The parameters of a client's certificate.
pub(crate) fn client() -> CertificateParams {
    let mut params = leaf_for(&["client.test"]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Validity in days from now.
pub(crate) fn valid(params: &mut CertificateParams, from: i64, until: i64) {
    let at = |days: i64| match u32::try_from(days) {
        Ok(days) => SystemTime::now() + DAY * days,
        Err(_) => SystemTime::now() - DAY * u32::try_from(-days).unwrap(),
    };
    params.not_before = at(from).into();
    params.not_after = at(until).into();
}

/// A critical extension that nobody knows.
pub(crate) fn unknown_critical(params: &mut CertificateParams) {
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
}

/// TLS feature status_request: must-staple.
pub(crate) fn must_staple(params: &mut CertificateParams) {
    let content = vec![0x30, 3, 2, 1, 5];
    params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], content));
}

/// Where the issuer's certificate is.
pub(crate) fn issuer_at(params: &mut CertificateParams, url: &str) {
    params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access(2, url)));
}

/// Where the OCSP responder is.
pub(crate) fn responder_at(params: &mut CertificateParams, url: &str) {
    params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access(1, url)));
}

/// AuthorityInfoAccess with one description: 1.3.6.1.5.5.7.48.KIND and a URI.
fn access(kind: u8, url: &str) -> Vec<u8> {
    let tagged = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let method = [0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 48, kind];
    tagged(0x30, &tagged(0x30, &[&method[..], &tagged(0x86, url.as_bytes())].concat()))
}

/// Where revocation lists are.
pub(crate) fn list_at(params: &mut CertificateParams, url: &str) {
    params.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris: vec![url.to_owned()] }];
}

/// An authority that may only issue below these names.
pub(crate) fn constrained(name: &str, below: &str) -> CertificateParams {
    let mut params = authority(name);
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(below.to_owned())],
        excluded_subtrees: Vec::new(),
    });
    params
}

/// An authority with a path length.
pub(crate) fn with_path_length(name: &str, length: u8) -> CertificateParams {
    let mut params = authority(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
    params
}

/// Files of a chain that openssl(1) made: a root, and a leaf whose key and digest are as asked.
pub(crate) fn by_openssl(folder: &Path, bits: u32, digest: &str) -> (PathBuf, PathBuf, PathBuf) {
    let script = format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -subj /CN=Old\\ Root -days 300 \
           -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null && \
         openssl req -newkey rsa:{bits} -nodes -keyout leaf.key -out leaf.csr -subj /CN=localhost 2>/dev/null && \
         printf 'subjectAltName=DNS:localhost\\nextendedKeyUsage=serverAuth\\nauthorityKeyIdentifier=keyid\\nsubjectKeyIdentifier=hash\\n' > leaf.ext && \
         openssl x509 -req -{digest} -in leaf.csr -CA root.pem -CAkey root.key -CAcreateserial -out leaf.pem -days 60 -extfile leaf.ext"
    );
    run(Command::new("sh").args(["-c", &script]).current_dir(folder)).success();
    (folder.join("root.pem"), folder.join("leaf.pem"), folder.join("leaf.key"))
}
