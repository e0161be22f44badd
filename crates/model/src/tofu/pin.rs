//! The key that is pinned. In: a SubjectPublicKeyInfo, or text. Out: its SHA-256, and `sha256//BASE64` as in RFC 7469 and curl.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a SubjectPublicKeyInfo in DER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPin(pub [u8; 32]);

/// Why a text is no pin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no pin; write sha256//BASE64 (44 characters), or 64 hexadecimal digits, of the key's SubjectPublicKeyInfo"
)]
pub struct ParsePinError(String);

impl KeyPin {
    /// The pin of this SubjectPublicKeyInfo.
    pub fn of(public_key: &[u8]) -> Self {
        Self(Sha256::digest(public_key).into())
    }
}

impl fmt::Display for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256//{}", BASE64.encode(&self.0))
    }
}

impl fmt::Debug for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyPin {
    type Err = ParsePinError;

    fn from_str(text: &str) -> Result<Self, ParsePinError> {
        let wrong = || ParsePinError(text.chars().take(100).collect());
        let bytes = match text.strip_prefix("sha256//").or_else(|| text.strip_prefix("pin-sha256:")) {
            Some(base64) => BASE64.decode(base64.as_bytes()).map_err(|_| wrong())?,
            None => {
                let digits = text.strip_prefix("sha256:").unwrap_or(text).replace(':', "");
                HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| wrong())?
            }
        };
        bytes.try_into().map(Self).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_in_every_spelling_and_written_in_one() {
        let pin = KeyPin::of(b"key");
        let text = pin.to_string();
        assert_eq!(text.parse(), Ok(pin));
        let hex = HEXLOWER_PERMISSIVE.encode(&pin.0);
        assert_eq!(hex.parse(), Ok(pin));
        assert_eq!(format!("sha256:{}", hex.to_uppercase()).parse(), Ok(pin));
        let colons: Vec<String> = hex.as_bytes().chunks(2).map(|two| String::from_utf8_lossy(two).into()).collect();
        assert_eq!(colons.join(":").parse(), Ok(pin));
        for wrong in ["", "sha256//", "sha256//AAAA", "abcd", &text[..text.len() - 1], &format!("{text} ")] {
            assert!(wrong.parse::<KeyPin>().is_err(), "{wrong}");
        }
    }
}
