//! The bytes that are searched in programs, all in one pass. In: bytes. Out: which pattern stands where.

use std::sync::LazyLock;

use aho_corasick::packed;

/// What a pattern means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The algorithm of an RSA or elliptic-curve key in a SubjectPublicKeyInfo, from its OBJECT IDENTIFIER on.
    KeyAlgorithm,
    /// A certificate of version 3, eight bytes after its start.
    Certificate,
    /// PEM.
    Pem,
    /// `OPENSSLDIR: "…"`.
    OpenSslDir,
    /// Go's build information.
    GoBuild,
    /// The address from which a release of Node came.
    NodeRelease,
    /// The name of a library that is linked.
    Library,
    /// A word that tells something by being there.
    Word(&'static str),
}

/// The word of this program itself, which holds all these patterns and the reference lists, and trusts none of them.
pub(super) const OWN: &str = "sidelight";

/// Patterns differ in their first bytes as far as they can: that is what the searcher goes by.
const SIGNS: &[(&[u8], Sign)] = &[
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03", Sign::KeyAlgorithm),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06", Sign::KeyAlgorithm),
    (b"\xa0\x03\x02\x01\x02\x02", Sign::Certificate),
    (b"-----BEGIN ", Sign::Pem),
    (b"OPENSSLDIR: \"", Sign::OpenSslDir),
    (b"\xff Go buildinf:", Sign::GoBuild),
    (b"/download/release/v", Sign::NodeRelease),
    (b"libssl.so", Sign::Library),
    (b"libgnutls.so", Sign::Library),
    (b"libnss3.so", Sign::Library),
    (b"libcurl.so", Sign::Library),
    (b"libcurl-gnutls.so", Sign::Library),
    (b"libpython3", Sign::Library),
    (b"x509usefallbackroots", Sign::Word("x509usefallbackroots")),
    (b"/etc/pki/tls/cacert.pem", Sign::Word("/etc/pki/tls/cacert.pem")),
    (b"SSL_CERT_FILE", Sign::Word("SSL_CERT_FILE")),
    (b"SSL_CERT_DIR", Sign::Word("SSL_CERT_DIR")),
    (b"NODE_EXTRA_CA_CERTS", Sign::Word("NODE_EXTRA_CA_CERTS")),
    (b"CURL_CA_BUNDLE", Sign::Word("CURL_CA_BUNDLE")),
    (b"GIT_SSL_CAINFO", Sign::Word("GIT_SSL_CAINFO")),
    (b"REQUESTS_CA_BUNDLE", Sign::Word("REQUESTS_CA_BUNDLE")),
    (b"DENO_TLS_CA_STORE", Sign::Word("DENO_TLS_CA_STORE")),
    (b"rustls-native-certs", Sign::Word("rustls-native-certs")),
    (b"webpki-roots", Sign::Word("webpki-roots")),
    (b"webpki-root-certs", Sign::Word("webpki-root-certs")),
    (b"rustls-platform-verifier", Sign::Word("rustls-platform-verifier")),
    (b".dep-v0", Sign::Word(".dep-v0")),
    (b"kamikaze", Sign::Word("kamikaze")),
    (b"NSS Builtin Object", Sign::Word("NSS Builtin Object")),
    (b"update-ca-certificates", Sign::Word("update-ca-certificates")),
    (b"sidelight trust patterns", Sign::Word(OWN)),
    (b"LibreSSL ", Sign::Word("LibreSSL")),
    (b"mbed TLS", Sign::Word("mbed TLS")),
    (b"wolfSSL", Sign::Word("wolfSSL")),
];

/// The longest pattern: so many bytes of what was searched are searched again with what follows.
pub(super) const LONGEST: usize = 24;

static SEARCHER: LazyLock<Option<packed::Searcher>> =
    LazyLock::new(|| packed::Config::new().builder().extend(SIGNS.iter().map(|(pattern, _)| *pattern)).build());

/// Where the processor has no instructions for the fast one.
static PLAIN: LazyLock<Option<aho_corasick::AhoCorasick>> =
    LazyLock::new(|| aho_corasick::AhoCorasick::new(SIGNS.iter().map(|(pattern, _)| *pattern)).ok());

/// The next pattern in `bytes` from `at` on: where it begins and ends, and what it means.
pub(super) fn next(bytes: &[u8], at: usize) -> Option<(usize, usize, Sign)> {
    let span = aho_corasick::Span { start: at, end: bytes.len() };
    let (start, end, pattern) = match SEARCHER.as_ref() {
        Some(searcher) => searcher.find_in(bytes, span).map(|hit| (hit.start(), hit.end(), hit.pattern()))?,
        None => {
            let input = aho_corasick::Input::new(bytes).span(span);
            PLAIN.as_ref()?.find(input).map(|hit| (hit.start(), hit.end(), hit.pattern()))?
        }
    };
    Some((start, end, SIGNS.get(pattern.as_usize())?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_found_and_none_is_longer_than_the_overlap() {
        for (pattern, sign) in SIGNS {
            assert!(pattern.len() <= LONGEST);
            let text = [&[0u8; 100][..], pattern, &[0u8; 100]].concat();
            assert_eq!(next(&text, 0), Some((100, 100 + pattern.len(), *sign)));
        }
        assert!(SEARCHER.is_some() || PLAIN.is_some());
    }
}
