//! Files with keys or certificates of any kind, read for their public keys. In: the bytes of a file. Out: every key with what it was found in;
//! what could not be read, in words. Private keys are kept as secrets, for those who sign. Spec: RFC 7468, RFC 5280, RFC 5958, RFC 8017,
//! RFC 5915, RFC 7517.

use serde_json::Value;
use sidelight_model::redact::Secret;
use sidelight_model::token::TokenKey;
use sidelight_model::token::kid::Form;
use sidelight_model::x509::strict::Strict;
use sidelight_model::x509::tlv;

use crate::der::{self, tag};
use crate::trust_store::{public_half, what_key};
use crate::{jwks, pem};

/// The most keys of one file.
const MOST: usize = 4_096;

/// A key in a file.
#[derive(Debug)]
pub struct FoundKey {
    /// What it was found in: `certificate`, `PKCS#8 private key`, `JWK` …
    pub kind: &'static str,
    /// Its line, counted from 1, in files of text.
    pub line: Option<usize>,
    /// The public key, or why there is none that registries take.
    pub key: Result<TokenKey, String>,
    /// The certificate's DER.
    pub certificate: Option<Vec<u8>>,
    /// The private key's DER.
    pub private: Option<Secret<Vec<u8>>>,
    /// The `kid` that a JWK gives itself.
    pub own_id: Option<String>,
    /// What a careless program might have hashed, besides what follows from the public key.
    pub forms: Vec<Form>,
}

impl FoundKey {
    fn new(kind: &'static str, key: Result<TokenKey, String>) -> Self {
        Self { kind, line: None, key, certificate: None, private: None, own_id: None, forms: Vec::new() }
    }

    /// Everything that might have been hashed.
    pub fn all_forms(&self) -> Vec<Form> {
        let public = self.key.as_ref().map(|key| Form::of(key, self.certificate.as_deref())).unwrap_or_default();
        public.into_iter().chain(self.forms.iter().cloned()).collect()
    }
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct KeyFile {
    /// Keys, in order.
    pub keys: Vec<FoundKey>,
    /// What could not be read.
    pub problems: Vec<String>,
    /// Whether it is a JWK or a set of them.
    pub is_jwks: bool,
    /// Whether it is a single JWK, which registry 3 takes for an empty set.
    pub is_single_jwk: bool,
}

/// Reads a file.
pub fn read(bytes: &[u8]) -> KeyFile {
    let mut file = KeyFile::default();
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
    if text.starts_with(b"{") {
        read_json(text, &mut file);
    } else if bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        read_pem(bytes, &mut file);
    } else {
        match read_der(bytes) {
            Some(found) => file.keys.push(found),
            None => {
                file.problems.push("there is no key or certificate in it: neither PEM, nor DER, nor JWK".to_owned())
            }
        }
    }
    file
}

fn read_pem(bytes: &[u8], file: &mut KeyFile) {
    let (blocks, faults) = pem::read(bytes);
    file.problems.extend(faults.iter().take(8).map(ToString::to_string));
    for block in blocks.iter().take(MOST) {
        let line = block.lines.0;
        let mut found = if block.is_certificate() {
            // Behind a TRUSTED CERTIFICATE stand its trust settings.
            let der = tlv::first(&block.data).map_or(block.data.as_slice(), |(element, _)| element.whole);
            certificate(der)
        } else if block.label == "PUBLIC KEY" {
            Some(FoundKey::new("public key", TokenKey::from_spki(&block.data)))
        } else if block.label == "RSA PUBLIC KEY" {
            pkcs1_public(&block.data)
        } else if block.is_private_key() {
            if block.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("DEK-Info"))
                || block.label.starts_with("ENCRYPTED ")
            {
                file.problems.push(format!("line {line}: the private key is under a password, which is not asked for"));
                continue;
            }
            private(&block.data)
        } else if block.label == "EC PARAMETERS" {
            continue;
        } else {
            file.problems.push(format!("line {line}: `{}` is neither a key nor a certificate", block.label));
            continue;
        };
        if let Some(found) = &mut found {
            found.line = Some(line);
            if let (Some(key), Some(text)) = (&found.private, bytes.get(block.bytes.0..block.bytes.1)) {
                found.forms.push(Form::new("the private key's DER", key.reveal().clone()));
                found.forms.push(Form::new("the PEM text of the private key", text));
                found
                    .forms
                    .push(Form::new("the PEM text of the private key without its last newline", text.trim_ascii_end()));
            }
        }
        match found {
            Some(found) => file.keys.push(found),
            None => file.problems.push(format!("line {line}: `{}` does not hold what it says", block.label)),
        }
    }
    push_whole(bytes, file);
}

/// A file with one thing in it: its whole text may have been hashed, line ends of Windows and all.
fn push_whole(bytes: &[u8], file: &mut KeyFile) {
    if let [only] = file.keys.as_mut_slice() {
        only.forms.push(Form::new("the whole file", bytes));
        only.forms.push(Form::new("the whole file without its last newline", bytes.trim_ascii_end()));
    }
}

fn read_der(bytes: &[u8]) -> Option<FoundKey> {
    if let Some(found) = certificate(bytes) {
        return Some(found);
    }
    if what_key(bytes).is_some_and(|(_, is_encrypted)| !is_encrypted) {
        return private(bytes);
    }
    pkcs1_public(bytes).or_else(|| {
        let (whole, rest) = tlv::first(bytes).filter(|(whole, _)| whole.tag == tag::SEQUENCE)?;
        let parts = tlv::children(whole.content);
        let is_spki = rest.is_empty() && matches!(parts.as_slice(), [algorithm, key] if algorithm.tag == tag::SEQUENCE && key.tag == tag::BIT_STRING);
        is_spki.then(|| FoundKey::new("public key", TokenKey::from_spki(bytes)))
    })
}

fn certificate(der: &[u8]) -> Option<FoundKey> {
    let strict = Strict::read(der).ok()?;
    let mut found = FoundKey::new("certificate", TokenKey::from_spki(&strict.key.der));
    found.certificate = Some(der.to_vec());
    Some(found)
}

fn pkcs1_public(bytes: &[u8]) -> Option<FoundKey> {
    let (whole, rest) = tlv::first(bytes).filter(|(whole, _)| whole.tag == tag::SEQUENCE)?;
    let parts = tlv::children(whole.content);
    let is_pkcs1 = rest.is_empty() && parts.len() == 2 && parts.iter().all(|part| part.tag == tag::INTEGER);
    if !is_pkcs1 {
        return None;
    }
    let algorithm = der::sequence(&[&der::oid(&[1, 2, 840, 113_549, 1, 1, 1]), &der::element(tag::NULL, &[])]);
    let spki = der::sequence(&[&algorithm, &der::bit_string(bytes)]);
    Some(FoundKey::new("PKCS#1 public key", TokenKey::from_spki(&spki)))
}

fn private(der: &[u8]) -> Option<FoundKey> {
    let (form, is_encrypted) = what_key(der)?;
    let kind = match form {
        "PKCS#8" if is_encrypted => return None,
        "PKCS#8" => "PKCS#8 private key",
        "RSA PRIVATE KEY" => "PKCS#1 private key",
        _ => "SEC1 private key",
    };
    let key = public_half(der)
        .ok_or_else(|| "no registry takes tokens that are signed with such a key".to_owned())
        .and_then(|spki| TokenKey::from_spki(&spki));
    let mut found = FoundKey::new(kind, key);
    found.private = Some(Secret::new(der.to_vec()));
    Some(found)
}

fn read_json(text: &[u8], file: &mut KeyFile) {
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        Err(error) => {
            file.problems.push(format!("it begins like JSON, but is none: {error}"));
            return;
        }
    };
    file.is_jwks = true;
    match value.get("keys").and_then(Value::as_array) {
        Some(keys) => file.keys.extend(keys.iter().take(MOST).map(|jwk| jwk_key(jwk, None))),
        None if value.get("kty").is_some() => {
            file.is_single_jwk = true;
            file.keys.push(jwk_key(&value, Some(text)));
        }
        None => file.problems.push("it is JSON, but neither a JWK (`kty`) nor a set of them (`keys`)".to_owned()),
    }
}

fn jwk_key(jwk: &Value, text: Option<&[u8]>) -> FoundKey {
    let private = jwks::private_key(jwk);
    let is_private = jwk.get("d").is_some();
    let mut found = FoundKey::new(if is_private { "private JWK" } else { "JWK" }, jwks::public_key(jwk));
    found.own_id = jwk.get("kid").and_then(Value::as_str).map(ToOwned::to_owned);
    let (compact, whole) = if is_private {
        ("the private JWK's JSON", "the private JWK's JSON as it stands in its file")
    } else {
        ("the JWK's JSON as it came", "the JWK's JSON as it stands in its file")
    };
    found.forms.push(Form::new(compact, jwk.to_string()));
    if let Some(text) = text {
        found.forms.push(Form::new(whole, text));
    }
    if let Some(sorted) = sorted(jwk) {
        found.forms.push(Form::new(compact, sorted));
    }
    found.private = private.ok().flatten();
    found
}

/// The members sorted by name, without blanks.
fn sorted(jwk: &Value) -> Option<String> {
    let members = jwk.as_object()?;
    let ordered: std::collections::BTreeMap<&String, &Value> = members.iter().collect();
    serde_json::to_string(&ordered).ok()
}
