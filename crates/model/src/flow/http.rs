//! An HTTP exchange as it was on the wire. In: what a decoder found. Out: values in the order and case of the wire.
//! Spec: RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 9113 (HTTP/2).

use bytes::Bytes;

use super::ConnId;
use crate::time::Timestamp;

/// The version of HTTP that an exchange used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2, over TLS or not.
    Http2,
    /// HTTP/3; only in captures of other tools.
    Http3,
}

impl HttpVersion {
    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2`, `HTTP/3`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}

/// A header or trailer field, byte for byte. Order, case and repetition are those of the wire (HTTP/2 names are lower-case there).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The field name.
    pub name: Bytes,
    /// The field value, without the white space around it.
    pub value: Bytes,
}

impl Header {
    /// A field of these bytes.
    pub fn new(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        Self { name: Bytes::copy_from_slice(name.as_ref()), value: Bytes::copy_from_slice(value.as_ref()) }
    }

    /// Whether the name is `name`, whatever its case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The first value of the field `name` among `headers`, when it is UTF-8.
    pub fn find<'h>(headers: &'h [Self], name: &str) -> Option<&'h str> {
        headers.iter().find(|header| header.is(name)).and_then(|header| std::str::from_utf8(&header.value).ok())
    }
}

/// Where a request goes, as the client wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestTarget {
    /// The target of the request line, or `:path`.
    pub raw: Bytes,
    /// `http` or `https`, when the message itself says so (absolute-form, `:scheme`).
    pub scheme: Option<String>,
    /// `Host` header, `:authority`, or the authority of an absolute-form target.
    pub authority: Option<String>,
}

/// A message body: counted whole, kept up to the decoder's limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Bytes of content, without chunk framing, still coded (gzip …).
    pub length: u64,
    /// The first bytes of it, still coded, up to the limit.
    pub kept: Bytes,
    /// SHA-256 of the whole coded content, computed when the decoder was asked for it and nothing was lost.
    pub sha256: Option<[u8; 32]>,
    /// Bytes on the wire that carried it, with chunk framing or frame heads; without message heads.
    pub wire_length: u64,
}

/// The client's half of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, as sent.
    pub method: Bytes,
    /// Where to.
    pub target: RequestTarget,
    /// Fields in wire order; HTTP/2 pseudo fields are not among them.
    pub headers: Vec<Header>,
    /// Fields after the body.
    pub trailers: Vec<Header>,
    /// The content.
    pub body: Body,
}

/// The service's half of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The reason phrase (HTTP/1 only).
    pub reason: Bytes,
    /// Fields in wire order.
    pub headers: Vec<Header>,
    /// Fields after the body.
    pub trailers: Vec<Header>,
    /// The content.
    pub body: Body,
}

/// A 1xx response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interim {
    /// The status code, 100 to 199.
    pub status: u16,
    /// Fields in wire order.
    pub headers: Vec<Header>,
    /// When its head was complete.
    pub at: Timestamp,
}

/// When the parts of an exchange passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// First byte of the request.
    pub request_start: Timestamp,
    /// Last byte of the request, if it ended.
    pub request_end: Option<Timestamp>,
    /// First byte of the (final) response.
    pub response_start: Option<Timestamp>,
    /// Last byte of the response, or the moment the exchange was cut.
    pub end: Option<Timestamp>,
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Request and response are whole.
    Complete,
    /// The protocol changed: the exchange became this (`websocket`, `h2c`, `connect`, or the token of `Upgrade`).
    Upgraded(String),
    /// Cut before its end; who and how, in words: `client reset the stream (CANCEL)`, `connection closed after 12 of 400 bytes`.
    Cut(String),
    /// The decoder could not go on; the traffic was not affected.
    Undecodable(String),
}

/// One request and its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The connection that carried it.
    pub conn: ConnId,
    /// The HTTP/2 stream, or the count of the exchange on its HTTP/1 connection (from 1).
    pub stream: u64,
    /// The version of HTTP.
    pub version: HttpVersion,
    /// What was asked. `None` when decoding joined under way and only the response was seen.
    pub request: Option<Request>,
    /// Responses before the final one.
    pub interim: Vec<Interim>,
    /// What was answered, if anything.
    pub response: Option<Response>,
    /// When.
    pub timings: Timings,
    /// How it ended.
    pub outcome: Outcome,
    /// Whatever in it is ambiguous or not as the specification has it.
    pub anomalies: Vec<Anomaly>,
    /// gRPC's own result, for exchanges that are gRPC calls.
    pub grpc: Option<super::Grpc>,
    /// The server pushed it (HTTP/2 PUSH_PROMISE).
    pub pushed: bool,
}

/// Something that is not as the specification has it, kept as evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Which kind.
    pub kind: AnomalyKind,
    /// The bytes or values in question, for people.
    pub detail: String,
    /// Where in the direction's byte stream, counted from its first byte, when known.
    pub offset: Option<u64>,
}

impl Anomaly {
    /// An anomaly with the words for it and the place where it was seen.
    pub fn new(kind: AnomalyKind, detail: impl Into<String>, offset: Option<u64>) -> Self {
        Self { kind, detail: detail.into(), offset }
    }
}

/// Kinds of anomalies. Each is evidence for request smuggling, a broken peer, or a cut capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AnomalyKind {
    /// Several Content-Length values that differ.
    ConflictingLengths,
    /// Content-Length and Transfer-Encoding in one message.
    LengthAndChunked,
    /// Transfer-Encoding whose last coding is not `chunked`, or a repeated or odd spelling of it.
    OddTransferEncoding,
    /// A Content-Length that is not a plain decimal number.
    BadContentLength,
    /// A line that ends with LF alone.
    BareLf,
    /// CR inside a line without LF after it.
    BareCr,
    /// A header line that begins with white space (obsolete folding).
    Folding,
    /// White space between a header's name and its colon.
    SpaceBeforeColon,
    /// A name, value, request line or status line with bytes that do not belong there.
    BadHead,
    /// A head longer than the decoder keeps.
    HeadTooLarge,
    /// Several Host headers, or none in HTTP/1.1.
    Host,
    /// A chunk size or ending that is not as RFC 9112 has it.
    BadChunk,
    /// A response that belongs to no request, or came before its request ended in a way that matters.
    UnexpectedResponse,
    /// Bytes after the end of a message that must not be there.
    TrailingBytes,
    /// An HTTP/2 frame that breaks RFC 9113.
    BadFrame,
    /// A peer ended an HTTP/2 connection with an error code (GOAWAY with other than NO_ERROR).
    ConnectionError,
    /// HPACK that cannot be decoded, or that refers to entries from before decoding began.
    BadHpack,
    /// A WebSocket frame that breaks RFC 6455 or RFC 7692.
    BadWebSocket,
    /// A gRPC message frame that is not as its length says.
    BadGrpc,
    /// A content coding that cannot be undone.
    BadContentCoding,
    /// Decoding began in the middle of a conversation.
    JoinedMidway,
    /// Bytes are missing because the sinks were too slow.
    Gap,
}

impl AnomalyKind {
    /// Every kind, in the order of the declaration.
    pub const ALL: &'static [Self] = &[
        Self::ConflictingLengths,
        Self::LengthAndChunked,
        Self::OddTransferEncoding,
        Self::BadContentLength,
        Self::BareLf,
        Self::BareCr,
        Self::Folding,
        Self::SpaceBeforeColon,
        Self::BadHead,
        Self::HeadTooLarge,
        Self::Host,
        Self::BadChunk,
        Self::UnexpectedResponse,
        Self::TrailingBytes,
        Self::BadFrame,
        Self::ConnectionError,
        Self::BadHpack,
        Self::BadWebSocket,
        Self::BadGrpc,
        Self::BadContentCoding,
        Self::JoinedMidway,
        Self::Gap,
    ];

    /// The word for it in JSON, filters and recordings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConflictingLengths => "conflicting_lengths",
            Self::LengthAndChunked => "length_and_chunked",
            Self::OddTransferEncoding => "odd_transfer_encoding",
            Self::BadContentLength => "bad_content_length",
            Self::BareLf => "bare_lf",
            Self::BareCr => "bare_cr",
            Self::Folding => "folding",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::BadHead => "bad_head",
            Self::HeadTooLarge => "head_too_large",
            Self::Host => "host",
            Self::BadChunk => "bad_chunk",
            Self::UnexpectedResponse => "unexpected_response",
            Self::TrailingBytes => "trailing_bytes",
            Self::BadFrame => "bad_frame",
            Self::ConnectionError => "connection_error",
            Self::BadHpack => "bad_hpack",
            Self::BadWebSocket => "bad_web_socket",
            Self::BadGrpc => "bad_grpc",
            Self::BadContentCoding => "bad_content_coding",
            Self::JoinedMidway => "joined_midway",
            Self::Gap => "gap",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}
