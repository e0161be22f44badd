//! Certificates of many hosts. In: a folder, a count. Out: `ca.pem`, `ca.key`, and `hN.bench.test.pem` with certificate and key, ECDSA P-256.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};

use crate::Failure;

/// Writes all.
pub(crate) fn write(folder: &Path, count: usize) -> Result<Value, Failure> {
    fs::create_dir_all(folder)?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, "Bench CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    fs::write(folder.join("ca.key"), key.serialize_pem())?;
    let issuer = Issuer::new(params, key);
    // One key for all: what is measured is the proxy, not the making of the origin's keys.
    let key = KeyPair::generate()?;
    for index in 0..count {
        let name = format!("h{index}.bench.test");
        let mut params = CertificateParams::new(vec![name.clone()])?;
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        let certificate = params.signed_by(&key, &issuer)?;
        fs::write(folder.join(format!("{name}.pem")), certificate.pem() + &key.serialize_pem())?;
    }
    Ok(json!({"certificates": count}))
}
