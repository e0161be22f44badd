//! What was agreed in a TLS handshake, on one side of an interception. In: facts of the handshake. Out: the same as values.
//! Spec: RFC 8446, RFC 5246.

/// The version of TLS that was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsVersion(pub u16);

impl TlsVersion {
    /// `TLS 1.3` and so on; unknown versions in hexadecimal.
    pub fn name(self) -> String {
        match self.0 {
            0x0300 => "SSL 3.0".into(),
            0x0301 => "TLS 1.0".into(),
            0x0302 => "TLS 1.1".into(),
            0x0303 => "TLS 1.2".into(),
            0x0304 => "TLS 1.3".into(),
            other => format!("TLS 0x{other:04x}"),
        }
    }
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
    /// Whether an earlier session was resumed (no certificates were exchanged then).
    pub resumed: bool,
    /// The certificates presented by the server of this side: the true ones towards the service, ours towards the client.
    pub chain: PeerChain,
    /// `None`: not checked (our own side). `Some(Ok)`: verified. `Some(Err)`: went on although not verified; in words.
    pub verified: Option<Result<(), String>>,
}

/// Certificates in DER, leaf first, as they were sent.
pub type PeerChain = Vec<Vec<u8>>;
