//! TLS of both sides. In: the record of a connection. Out: entries: what was agreed, whether the service was verified and why not,
//! its certificates with the days they are still good for, what the client offered.

use sidelight_model::flow::{ConnectionRecord, Hello, TlsSide, TlsVersion};
use sidelight_model::time::Timestamp;
use sidelight_model::x509::Certificate;

use super::super::quantity::count;
use super::super::style::Meaning;
use super::super::{Look, escape};
use super::sheet::Sheet;

const DAY: i64 = 24 * 60 * 60;

/// Certificates that are shown of a chain.
const MOST_CERTIFICATES: usize = 10;

/// A leaf with fewer days than this is pointed out.
const FEW_DAYS: i64 = 14;

/// Adds what is known of TLS; nothing where there is none.
pub(super) fn show(conn: &ConnectionRecord, now: Timestamp, sheet: &mut Sheet<'_>) {
    if let Some(side) = &conn.server_tls {
        sheet.entry("TLS", Meaning::Plain, &format!("with the service: {}", agreed(sheet.look(), side)));
        match &side.verified {
            Some(Ok(())) => sheet.more(Meaning::Good, "✓ verified"),
            Some(Err(why)) => {
                let words = format!("! not verified, and gone on with: {}", sheet.look().peer(why));
                sheet.more(Meaning::Caution, &words);
            }
            None => {}
        }
        show_chain(side, now, sheet);
    }
    if let Some(side) = &conn.client_tls {
        let label = if conn.server_tls.is_none() { "TLS" } else { "" };
        sheet.entry(label, Meaning::Plain, &format!("with the client: {}", agreed(sheet.look(), side)));
        if let Some(Ok(leaf)) = side.chain.first().map(|der| Certificate::parse(der)) {
            let (subject, issuer) = (sheet.look().peer(&leaf.subject), sheet.look().peer(&leaf.issuer));
            sheet.detail(Meaning::Faint, &format!("shown to it: {subject}, issued by {issuer}"));
        }
    }
    if let Some(hello) = &conn.hello {
        show_hello(hello, sheet);
    }
}

/// `TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, h2, SNI registry.test, resumed`; what is not known is left out.
fn agreed(look: &Look, side: &TlsSide) -> String {
    let mut words = vec![side.version.name(), look.peer(&side.cipher)];
    words.extend(side.group.as_deref().map(|group| look.peer(group)));
    words.extend(side.alpn.as_deref().map(|alpn| escape::line(&String::from_utf8_lossy(alpn))));
    words.push(server_name(side.sni.as_deref()));
    if side.resumed {
        words.push("resumed".to_owned());
    }
    words.retain(|word| !word.is_empty());
    words.join(", ")
}

fn server_name(name: Option<&str>) -> String {
    name.filter(|name| !name.is_empty())
        .map_or_else(|| "no SNI".to_owned(), |name| format!("SNI {}", escape::line(name)))
}

fn show_chain(side: &TlsSide, now: Timestamp, sheet: &mut Sheet<'_>) {
    for (depth, der) in side.chain.iter().take(MOST_CERTIFICATES).enumerate() {
        match Certificate::parse(der) {
            Ok(cert) => show_certificate(depth, &cert, now, sheet),
            Err(why) => {
                let words =
                    format!("{depth} a certificate of {} bytes that cannot be read: {}", der.len(), escape::line(&why));
                sheet.more(Meaning::Caution, &words);
            }
        }
    }
    if side.chain.len() > MOST_CERTIFICATES {
        sheet.more(
            Meaning::Faint,
            &format!("… and {}", count((side.chain.len() - MOST_CERTIFICATES) as u64, "more certificate")),
        );
    }
    if side.chain.is_empty() && side.resumed {
        sheet.more(Meaning::Faint, "no certificates: an earlier session was resumed");
    }
}

fn show_certificate(depth: usize, cert: &Certificate, now: Timestamp, sheet: &mut Sheet<'_>) {
    let left = (cert.not_after.as_secs() - now.as_secs()).div_euclid(DAY);
    let days = |days: i64| count(days.unsigned_abs(), "day");
    let (meaning, validity) = if now < cert.not_before {
        (Meaning::Bad, format!("not valid before {}", cert.not_before.date()))
    } else if now > cert.not_after {
        (
            Meaning::Bad,
            format!(
                "expired {} ago, on {}",
                days((now.as_secs() - cert.not_after.as_secs()) / DAY),
                cert.not_after.date()
            ),
        )
    } else if left < FEW_DAYS {
        (Meaning::Caution, format!("{} left, until {}", days(left), cert.not_after.date()))
    } else {
        (Meaning::Plain, format!("{} left, until {}", days(left), cert.not_after.date()))
    };
    let subject = sheet.look().peer(if cert.subject.is_empty() { "(no subject)" } else { &cert.subject });
    sheet.more(meaning, &format!("{depth} {subject}: {validity}"));
    let issuer = if cert.is_self_issued() {
        "issued by itself".to_owned()
    } else {
        format!("issued by {}", sheet.look().peer(&cert.issuer))
    };
    sheet.detail(Meaning::Faint, &issuer);
    sheet.detail(Meaning::Faint, &format!("sha256 {}", cert.sha256()));
}

fn show_hello(hello: &Hello, sheet: &mut Sheet<'_>) {
    let versions: Vec<String> = hello
        .versions
        .iter()
        .filter(|version| !is_grease(**version))
        .map(|version| TlsVersion(*version).name())
        .collect();
    let protocols: Vec<String> = hello
        .alpn
        .iter()
        .filter(|name| !matches!(name[..], [a, b] if a == b && a & 0x0f == 0x0a))
        .map(|name| escape::line(&String::from_utf8_lossy(name)))
        .collect();
    let protocols = if protocols.is_empty() { "no ALPN".to_owned() } else { protocols.join(", ") };
    let mut words = vec![versions.join(", "), protocols, server_name(hello.sni.as_deref())];
    words.retain(|word| !word.is_empty());
    sheet.entry("hello", Meaning::Plain, &words.join("; "));
    if !hello.ja4.is_empty() {
        sheet.more(Meaning::Faint, &format!("JA4 {}", escape::line(&hello.ja4)));
    }
    if !hello.ja3.is_empty() {
        sheet.more(Meaning::Faint, &format!("JA3 {}", escape::line(&hello.ja3)));
    }
}

/// Values that clients offer so that servers learn to pass over what they do not know (RFC 8701).
const fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}
