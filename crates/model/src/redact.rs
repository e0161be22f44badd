//! Secrets and how they are shown. In: values that may be secret. Out: themselves, or a short fingerprint of them.

use std::fmt;

use sha2::{Digest, Sha256};

/// A value that never appears in `Debug` or `Display` output: they print its fingerprint.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a secret.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The secret itself, for those who must use it.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T: AsRef<[u8]>> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&fingerprint(self.0.as_ref()))
    }
}

impl<T: AsRef<[u8]>> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&fingerprint(self.0.as_ref()))
    }
}

/// What is shown in place of a secret: the first 32 bits of its SHA-256, so that equal secrets can be seen to be equal.
pub fn fingerprint(secret: &[u8]) -> String {
    let digest = Sha256::digest(secret);
    format!("‹redacted sha256:{}›", data_encoding::HEXLOWER.encode(&digest[..4]))
}

/// SHA-256 in lower-case hex: how certificates are named.
pub fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Header and trailer fields whose values are secrets.
const SECRET_FIELDS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-amz-security-token",
    "x-vault-token",
    "x-registry-auth",
    "private-token",
    "x-goog-api-key",
    "x-csrf-token",
    "authentication-info",
];

/// Names of query parameters, form fields and JSON members whose values are secrets.
const SECRET_MEMBERS: &[&str] = &[
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "authenticity_token",
    "ca.key",
    "client_assertion",
    "client_key_data",
    "client_secret",
    "code_verifier",
    "csrf_token",
    "id_token",
    "identitytoken",
    "password",
    "passwd",
    "private_key",
    "refresh_token",
    "registrytoken",
    "secret",
    "secret_access_key",
    "session_token",
    "sig",
    "signature",
    "tls.key",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-signature",
];

/// Whether a header field of this name carries a secret.
pub fn is_secret_field(name: &[u8]) -> bool {
    SECRET_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field.as_bytes()))
}

/// Whether a query parameter, form field or JSON member of this name carries a secret. Case, `_` and `-` do not count:
/// `access_token`, `access-token` and `accessToken` are the same name.
pub fn is_secret_member(name: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> {
        name.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|byte| byte.to_ascii_lowercase())
    }
    SECRET_MEMBERS.iter().any(|member| letters(member).eq(letters(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_print_as_fingerprints() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret} {secret:?}").matches("‹redacted sha256:f52fbd32›").count(), 2);
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn names_are_compared_without_case_and_separators() {
        assert!(is_secret_field(b"PROXY-Authorization"));
        assert!(!is_secret_field(b"Accept"));
        for name in ["Access_Token", "accessToken", "access-token"] {
            assert!(is_secret_member(name), "{name}");
        }
        assert!(!is_secret_member("tokens"));
    }
}
