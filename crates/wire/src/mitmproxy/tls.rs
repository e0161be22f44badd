//! TLS as mitmproxy records it. In: the state of a connection. Out: a [`TlsSide`] with IANA's names.

use sidelight_model::flow::{Hello, TlsSide, TlsVersion};

use super::tnetstring::Value;
use crate::pem;

/// What was agreed on this connection; `None` when it was not TLS, or the handshake did not end well.
pub(super) fn side(conn: &Value<'_>, shown: Option<Vec<u8>>) -> Option<TlsSide> {
    let version = conn.get("tls_version").and_then(Value::bytes).and_then(version);
    let done = conn.get("timestamp_tls_setup").is_some()
        || conn.any(&["tls_established", "ssl_established"]).and_then(Value::bool) == Some(true);
    if !done {
        return None;
    }
    let cipher = conn.any(&["cipher", "cipher_name"]).and_then(Value::text).unwrap_or_default();
    let sni = conn.get("sni").and_then(Value::text).filter(|name| !name.is_empty());
    let offers: Vec<Vec<u8>> = conn
        .get("alpn_offers")
        .map_or_else(Vec::new, |list| list.items().iter().filter_map(Value::bytes).map(<[u8]>::to_vec).collect());
    let hello = Hello { sni: sni.clone(), alpn: offers, ..Hello::default() };
    Some(TlsSide {
        version: TlsVersion(version.unwrap_or(0)),
        cipher: iana_name(&cipher),
        group: None,
        alpn: conn.any(&["alpn", "alpn_proto_negotiated"]).and_then(Value::bytes).map(<[u8]>::to_vec),
        sni,
        hello: Some(hello.into()),
        resumed: false,
        chain: shown.map_or_else(|| chain(conn), |leaf| vec![leaf]),
        verified: None,
    })
}

/// The certificates that the peer showed, in DER.
fn chain(conn: &Value<'_>) -> Vec<Vec<u8>> {
    let list = conn.get("certificate_list").map_or(&[][..], Value::items);
    let alone = conn.any(&["cert", "clientcert"]);
    list.iter().chain(alone).filter_map(certificate).collect()
}

/// One certificate; mitmproxy keeps them in PEM.
pub(super) fn certificate(value: &Value<'_>) -> Option<Vec<u8>> {
    let (blocks, _) = pem::read(value.bytes()?);
    blocks.into_iter().find(pem::Block::is_certificate).map(|block| block.data)
}

fn version(name: &[u8]) -> Option<u16> {
    Some(match name {
        b"SSLv3" => 0x0300,
        b"TLSv1" => 0x0301,
        b"TLSv1.1" => 0x0302,
        b"TLSv1.2" => 0x0303,
        b"TLSv1.3" | b"QUIC" | b"QUICv1" => 0x0304,
        _ => return None,
    })
}

/// OpenSSL's name of a TLS 1.2 suite as IANA's; those of TLS 1.3 are the same in both.
fn iana_name(openssl: &str) -> String {
    if openssl.is_empty() || openssl.starts_with("TLS_") {
        return openssl.to_owned();
    }
    let (exchange, rest) = ["ECDHE-ECDSA-", "ECDHE-RSA-", "DHE-RSA-"]
        .iter()
        .find_map(|prefix| openssl.strip_prefix(prefix).map(|rest| (prefix.trim_end_matches('-'), rest)))
        .unwrap_or(("RSA", openssl));
    let parts: Vec<&str> = rest.split('-').collect();
    let cipher = match parts.as_slice() {
        ["CHACHA20", "POLY1305"] => "CHACHA20_POLY1305_SHA256".to_owned(),
        [aes @ ("AES128" | "AES256"), "GCM", hash] => format!("{}_GCM_{hash}", spread(aes)),
        [aes @ ("AES128" | "AES256"), "CCM"] => format!("{}_CCM", spread(aes)),
        [aes @ ("AES128" | "AES256"), hash] => format!("{}_CBC_{hash}", spread(aes)),
        // As it stands: a name that we do not know is still better than none.
        _ => return openssl.to_owned(),
    };
    format!("TLS_{}_WITH_{cipher}", exchange.replace('-', "_"))
}

fn spread(aes: &str) -> String {
    aes.replacen("AES", "AES_", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_get_the_names_of_the_registry() {
        for (openssl, iana) in [
            ("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
            ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
            ("DHE-RSA-AES256-SHA256", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
            ("AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"),
            ("AES256-GCM-SHA384", "TLS_RSA_WITH_AES_256_GCM_SHA384"),
            ("CAMELLIA256-SHA", "CAMELLIA256-SHA"),
            ("", ""),
        ] {
            assert_eq!(iana_name(openssl), iana);
        }
    }
}
