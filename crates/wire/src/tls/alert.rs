//! TLS alerts in the clear and in words. In: the number of an alert, or the bytes of an alert record. Out: its name, a sentence, a record.
//!
//! Spec: RFC 8446 §6, RFC 5246 §7.2, IANA "TLS Alerts" (retired numbers included: old peers send them).

/// Level of an alert that only tells something.
pub const WARNING: u8 = 1;
/// Level of an alert that ends the connection.
pub const FATAL: u8 = 2;

/// An alert as it stands in an unencrypted record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainAlert {
    /// Version of the record, such as 0x0303.
    pub version: u16,
    /// [`WARNING`] or [`FATAL`], or whatever the peer put there.
    pub level: u8,
    /// What it is about.
    pub description: AlertDescription,
}

/// The number of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertDescription(pub u8);

impl AlertDescription {
    /// The name in the specification, such as `unknown_ca`; `alert_N` for numbers without one.
    pub fn name(self) -> String {
        self.known().map_or_else(|| format!("alert_{}", self.0), |(_, name, _)| (*name).to_owned())
    }

    /// What its sender says with it, as a clause about the sender: `does not know the authority that issued the certificate`.
    pub fn meaning(self) -> &'static str {
        self.known().map_or("sent an alert that has no assigned meaning", |(_, _, meaning)| meaning)
    }

    /// The alert of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        ALERTS.iter().find(|(_, known, _)| *known == name).map(|(number, _, _)| Self(*number))
    }

    /// Whether the sender refuses the certificate that it was shown, for whatever reason.
    ///
    /// These are what a client sends that does not trust an interception; some clients send `certificate_unknown` or
    /// `handshake_failure` for everything, so the reason inside the class proves little.
    pub const fn refuses_certificate(self) -> bool {
        matches!(self.0, 42..=46 | 48 | 113 | 114)
    }

    fn known(self) -> Option<&'static (u8, &'static str, &'static str)> {
        ALERTS.iter().find(|(number, _, _)| *number == self.0)
    }
}

/// Reads an unencrypted alert record at the beginning of `bytes`. `None`: it is none, not complete, or encrypted (longer).
pub fn parse_plain_alert(bytes: &[u8]) -> Option<PlainAlert> {
    match *bytes {
        [21, 3, minor @ 0..=4, 0, 2, level, description, ..] => {
            Some(PlainAlert { version: 0x0300 | u16::from(minor), level, description: AlertDescription(description) })
        }
        _ => None,
    }
}

/// An unencrypted alert record.
pub const fn plain_alert_record(version: u16, level: u8, description: AlertDescription) -> [u8; 7] {
    let [major, minor] = version.to_be_bytes();
    [21, major, minor, 0, 2, level, description.0]
}

/// Number, name, and what the sender says with it.
const ALERTS: &[(u8, &str, &str)] = &[
    (0, "close_notify", "has nothing more to send"),
    (10, "unexpected_message", "got a message that does not belong at this point of the handshake"),
    (20, "bad_record_mac", "could not decrypt or authenticate a record"),
    (21, "decryption_failed", "could not decrypt a record"),
    (22, "record_overflow", "got a record that is longer than allowed"),
    (30, "decompression_failure", "could not decompress a record"),
    (40, "handshake_failure", "found no version, cipher suite, group or certificate that both sides can use"),
    (41, "no_certificate", "has no certificate to show (SSL 3.0)"),
    (42, "bad_certificate", "found the certificate damaged, or its signature wrong"),
    (43, "unsupported_certificate", "cannot use a certificate of this kind"),
    (44, "certificate_revoked", "found the certificate revoked"),
    (45, "certificate_expired", "found the certificate expired, or not yet valid by its own clock"),
    (46, "certificate_unknown", "does not accept the certificate, for a reason that it does not tell"),
    (47, "illegal_parameter", "got a value that is out of range or contradicts another"),
    (48, "unknown_ca", "does not know or trust the authority that issued the certificate"),
    (49, "access_denied", "accepts the certificate but does not give its holder access"),
    (50, "decode_error", "got a message that it could not read"),
    (51, "decrypt_error", "could not verify a signature, or a Finished message of the handshake"),
    (52, "too_many_cids_requested", "was asked for too many connection identifiers"),
    (60, "export_restriction", "must not use cryptography this strong (retired)"),
    (70, "protocol_version", "does not speak the version of TLS that was offered"),
    (71, "insufficient_security", "demands stronger cipher suites than those that were offered"),
    (80, "internal_error", "failed for a reason of its own"),
    (86, "inappropriate_fallback", "saw a retry with an older version although both sides know a newer one"),
    (90, "user_canceled", "stopped the handshake because its user did"),
    (100, "no_renegotiation", "does not want to negotiate again"),
    (109, "missing_extension", "misses an extension that it must have"),
    (110, "unsupported_extension", "was answered with an extension that it did not offer"),
    (111, "certificate_unobtainable", "could not fetch the certificate from the address it was given"),
    (112, "unrecognized_name", "does not serve the name that was asked for"),
    (113, "bad_certificate_status_response", "found the stapled OCSP response wrong"),
    (114, "bad_certificate_hash_value", "fetched a certificate with another hash than announced"),
    (115, "unknown_psk_identity", "does not know the pre-shared key or its identity"),
    (116, "certificate_required", "demands a client certificate, and none was shown"),
    (117, "general_error", "failed for a reason that has no alert of its own"),
    (120, "no_application_protocol", "speaks none of the application protocols (ALPN) that were offered"),
    (121, "ech_required", "could not use the encrypted ClientHello that was offered, and the client demands it"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip() {
        let record = plain_alert_record(0x0303, FATAL, AlertDescription(48));
        assert_eq!(record, [21, 3, 3, 0, 2, 2, 48]);
        let alert = parse_plain_alert(&record).unwrap();
        assert_eq!((alert.version, alert.level, alert.description.name().as_str()), (0x0303, 2, "unknown_ca"));
        for cut in 0..record.len() {
            assert_eq!(parse_plain_alert(&record[..cut]), None);
        }
    }

    #[test]
    fn an_encrypted_alert_is_not_read_as_a_plain_one() {
        assert_eq!(parse_plain_alert(&[21, 3, 3, 0, 26, 2, 48, 0, 0]), None);
        assert_eq!(parse_plain_alert(&[23, 3, 3, 0, 2, 2, 48]), None);
    }

    #[test]
    fn names_are_unique_and_lead_back() {
        for (number, name, meaning) in ALERTS {
            assert_eq!(AlertDescription::from_name(name), Some(AlertDescription(*number)));
            assert!(!meaning.ends_with('.') && meaning.chars().next().is_some_and(char::is_lowercase), "{name}");
        }
        assert!(ALERTS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(AlertDescription(200).name(), "alert_200");
        assert!(AlertDescription(48).refuses_certificate() && !AlertDescription(40).refuses_certificate());
    }
}
