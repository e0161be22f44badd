//! What might have been hashed to get a key ID. In: a key, its certificate, the file it came from. Out: named bytes, the likeliest first.

use data_encoding::{BASE64, BASE64_MIME};

use super::canonical_jwk;
use crate::redact::Secret;
use crate::token::{Material, TokenKey};

/// Bytes that somebody may have taken for the public key.
#[derive(Clone, Debug)]
pub struct Form {
    /// What it is, as in `the certificate's DER`.
    pub name: &'static str,
    /// The bytes; some are private keys.
    pub bytes: Secret<Vec<u8>>,
}

impl Form {
    /// A form.
    pub fn new(name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name, bytes: Secret::new(bytes.into()) }
    }

    /// The forms that follow from a public key and its certificate; those of files are the reader's to add.
    pub fn of(key: &TokenKey, certificate: Option<&[u8]>) -> Vec<Self> {
        let mut forms = vec![Self::new("the public key (SubjectPublicKeyInfo)", key.spki.clone())];
        if let Some(der) = certificate {
            forms.push(Self::new("the certificate's DER", der));
            push_texts(&mut forms, CERTIFICATE, der);
        }
        let bits = key.bits();
        match &key.material {
            Material::Rsa { n, .. } => {
                forms.push(Self::new("the PKCS#1 public key", bits.clone()));
                push_texts(&mut forms, PKCS1, &bits);
                forms.push(Self::new("the RSA modulus", n.clone()));
                forms.push(Self::new("the RSA modulus with its sign byte", [&[0], n.as_slice()].concat()));
            }
            Material::Ec { x, y, .. } => {
                forms.push(Self::new("the bare point of the public key", bits));
                forms.push(Self::new("the two coordinates", [x.as_slice(), y].concat()));
                forms.push(Self::new("the first coordinate", x.clone()));
            }
            Material::Ed25519 { .. } => forms.push(Self::new("the bare public key", bits)),
        }
        push_texts(&mut forms, SPKI, &key.spki);
        forms.push(Self::new("the public JWK's JSON", canonical_jwk(key)));
        forms
    }
}

/// The names of: the PEM text, without its last newline, the base64, the base64 in lines; and the PEM's label.
type Texts = ([&'static str; 4], &'static str);

const SPKI: Texts = (
    [
        "the PEM text of the public key",
        "the PEM text of the public key without its last newline",
        "the base64 of the public key",
        "the base64 of the public key in lines",
    ],
    "PUBLIC KEY",
);
const PKCS1: Texts = (
    [
        "the PEM text of the PKCS#1 public key",
        "the PEM text of the PKCS#1 public key without its last newline",
        "the base64 of the PKCS#1 public key",
        "the base64 of the PKCS#1 public key in lines",
    ],
    "RSA PUBLIC KEY",
);
const CERTIFICATE: Texts = (
    [
        "the PEM text of the certificate",
        "the PEM text of the certificate without its last newline",
        "the base64 of the certificate",
        "the base64 of the certificate in lines",
    ],
    "CERTIFICATE",
);

fn push_texts(forms: &mut Vec<Form>, (names, label): Texts, der: &[u8]) {
    let mut base64 = BASE64.encode(der);
    let lines: Vec<String> =
        base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n"));
    forms.push(Form::new(names[0], format!("{pem}\n")));
    forms.push(Form::new(names[1], pem));
    forms.push(Form::new(names[3], lines.join("\n")));
    forms.push(Form::new(names[3], BASE64_MIME.encode(der)));
    base64.shrink_to_fit();
    forms.push(Form::new(names[2], base64));
}
