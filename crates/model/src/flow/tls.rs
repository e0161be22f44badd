//! What was agreed in a TLS handshake, on one side of an interception. In: facts of the handshake. Out: the same as values.
//! Spec: RFC 8446, RFC 5246.

use std::sync::Arc;

/// The version of TLS that was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsVersion(pub u16);

impl TlsVersion {
    /// `TLS 1.3` and so on; unknown versions in hexadecimal.
    pub fn name(self) -> String {
        match self.0 {
            // Captures of other tools do not always say.
            0 => "TLS (version unknown)".into(),
            0x0300 => "SSL 3.0".into(),
            0x0301 => "TLS 1.0".into(),
            0x0302 => "TLS 1.1".into(),
            0x0303 => "TLS 1.2".into(),
            0x0304 => "TLS 1.3".into(),
            other => format!("TLS 0x{other:04x}"),
        }
    }
}

/// What a ClientHello offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The server name, as sent.
    pub sni: Option<String>,
    /// Application protocols, in the client's order.
    pub alpn: Vec<Vec<u8>>,
    /// Versions, in the client's order, GREASE included.
    pub versions: Vec<u16>,
    /// JA3: the lower-case hex MD5 of [`Hello::ja3_text`].
    pub ja3: String,
    /// What JA3 is the digest of: version, ciphers, extensions, groups, point formats.
    pub ja3_text: String,
    /// JA4, such as `t13d1516h2_8daaf6152771_b186095e22b6`.
    pub ja4: String,
}

/// One side of an interception.
#[derive(Clone, Debug)]
pub struct TlsSide {
    /// The negotiated version.
    pub version: TlsVersion,
    /// IANA name of the cipher suite, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher: String,
    /// IANA name of the key exchange group, when known.
    pub group: Option<String>,
    /// The negotiated application protocol.
    pub alpn: Option<Vec<u8>>,
    /// The server name in the ClientHello of this side.
    pub sni: Option<String>,
    /// The ClientHello of this side: the client's own, or ours towards the service. `None` where it was not seen.
    pub hello: Option<Arc<Hello>>,
    /// Whether an earlier session was resumed (no certificates were exchanged then).
    pub resumed: bool,
    /// The certificates presented by the server of this side: the true ones towards the service, ours towards the client.
    pub chain: PeerChain,
    /// `None`: not checked (our own side). `Some(Ok)`: verified. `Some(Err)`: went on although not verified; in words.
    pub verified: Option<Result<(), String>>,
}

/// Certificates in DER, leaf first, as they were sent.
pub type PeerChain = Vec<Vec<u8>>;
