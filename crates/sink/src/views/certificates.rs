//! Certificates by what they say. In: DER, or PEM with any blocks in it. Out: a few lines a certificate; of other blocks their
//! names. Private keys are never shown. Spec: RFC 5280, RFC 7468.

use sidelight_model::x509::{Certificate, San};
use sidelight_wire::pem;

use super::Attempt;
use super::page::Page;

/// Certificates and other blocks that are shown.
const MOST: usize = 1000;

/// Names of a certificate that are shown.
const MOST_NAMES: usize = 50;

/// Whether a text that nobody declared is PEM from its beginning on.
pub(super) fn looks_like_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}

/// Whether bytes that nobody declared are a certificate in DER.
pub(super) fn looks_like_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x82, ..]) && Certificate::parse(bytes).is_ok()
}

/// Lays out DER or PEM.
pub(super) fn show(bytes: &[u8], cut: bool, page: &mut Page) -> Attempt {
    if bytes.first() == Some(&0x30) {
        let cert = Certificate::parse(bytes).map_err(|why| format!("it is none that can be read: {why}"))?;
        show_certificate("certificate", &cert, page);
        return Ok(None);
    }
    let (blocks, faults) = pem::read(bytes);
    if blocks.is_empty() {
        return Err("there is none in it".to_owned());
    }
    for (number, block) in (1..).zip(&blocks).take(MOST) {
        if page.is_full() {
            return Ok(None);
        }
        let parsed = block.is_certificate().then(|| Certificate::parse(&block.data));
        match parsed {
            Some(Ok(cert)) => show_certificate(&format!("{number}. certificate"), &cert, page),
            Some(Err(why)) => page.line(&format!("{number}. certificate that cannot be read: {why}")),
            None if block.is_private_key() => page.line(&format!("{number}. {}, never shown", block.label)),
            None => page.line(&format!("{number}. {} of {} bytes", block.label, block.data.len())),
        }
    }
    if blocks.len() > MOST {
        page.line(&format!("… and {} more blocks", blocks.len() - MOST));
    }
    Ok(faults.first().filter(|_| !cut).map(ToString::to_string))
}

fn show_certificate(heading: &str, cert: &Certificate, page: &mut Page) {
    let mut names: Vec<String> = cert.sans.iter().take(MOST_NAMES).map(san).collect();
    if cert.sans.len() > MOST_NAMES {
        names.push(format!("… and {} more", cert.sans.len() - MOST_NAMES));
    }
    let kind = if cert.is_ca == Some(true) { ", of an authority" } else { "" };
    page.line(&format!("{heading}{kind}"));
    page.indented(|page| {
        page.line(&format!("subject  {}", cert.subject));
        page.line(&format!("issuer   {}", cert.issuer));
        page.line(&format!("valid    {} to {}", cert.not_before.date(), cert.not_after.date()));
        if !names.is_empty() {
            page.line(&format!("names    {}", names.join(", ")));
        }
        page.line(&format!("sha256   {}", cert.sha256()));
    });
}

fn san(name: &San) -> String {
    match name {
        San::Dns(name) => name.clone(),
        San::Ip(address) => address.to_string(),
        San::Other(words) => words.clone(),
    }
}

#[cfg(test)]
mod tests {
    use sidelight_model::time::Timestamp;
    use sidelight_wire::certificate::{Extension, ToBeSigned, dns_name, name};
    use sidelight_wire::{der, pem};

    use crate::views::{ViewOptions, view};

    fn certificate() -> Vec<u8> {
        let algorithm = der::sequence(&[&der::oid(&[1, 2, 840, 10045, 4, 3, 2])]);
        let key = der::sequence(&[&der::sequence(&[&der::oid(&[1, 3, 101, 112])]), &der::bit_string(&[7; 32])]);
        let names = vec![dns_name("registry.test"), dns_name("*.registry.test")];
        let body = ToBeSigned {
            serial: &[1],
            issuer: &name(&[(&[2, 5, 4, 3], "Test CA")]),
            subject: &name(&[(&[2, 5, 4, 3], "registry.test")]),
            not_before: Timestamp::from_secs(1_700_000_000),
            not_after: Timestamp::from_secs(1_800_000_000),
            public_key: &key,
            extensions: vec![Extension::subject_alt_name(&names, false), Extension::basic_constraints(true, None)],
        };
        body.sign::<()>(&algorithm, |_| Ok(vec![0; 64])).unwrap()
    }

    #[test]
    fn certificates_say_who_they_are_for_and_keys_say_nothing() {
        let cert = certificate();
        let text = pem::write("CERTIFICATE", &cert)
            + &pem::write("PRIVATE KEY", b"the key")
            + &pem::write("X509 CRL", b"list");
        for content_type in ["application/x-pem-file", "text/plain", ""] {
            let view = view(content_type, "", text.as_bytes(), &ViewOptions::default());
            let lines: Vec<&str> = view.text.lines().collect();
            assert_eq!((view.name, view.problem), ("certificates", None), "{content_type}");
            assert_eq!(
                lines[..3],
                ["1. certificate, of an authority", "  subject  CN=registry.test", "  issuer   CN=Test CA"]
            );
            assert_eq!(
                lines[3..5],
                ["  valid    2023-11-14 to 2027-01-15", "  names    registry.test, *.registry.test"]
            );
            assert_eq!(lines[6..], ["2. PRIVATE KEY, never shown", "3. X509 CRL of 4 bytes"]);
            assert!(!view.text.contains(&data_encoding::BASE64.encode(b"the key")));
        }
        let der = view("application/pkix-cert", "", &cert, &ViewOptions::default());
        assert!(der.text.starts_with("certificate, of an authority\n  subject  CN=registry.test\n"), "{der:?}");
        let none = view("application/pkix-cert", "", b"0\x01x", &ViewOptions::default());
        assert_eq!((none.name, none.problem.is_some()), ("hex", true));
    }
}
