//! What a filter can look at. In: nothing. Out: [`Field`], and how the values of each are written.

use super::expr::Style;
use super::unit::Unit;

/// What a test looks at. The operator of each, with its meaning and an example, stands in [`super::Filter::catalogue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// Every flow.
    All,
    /// An HTTP exchange.
    Http,
    /// A connection of which no HTTP exchange was seen.
    Tcp,
    /// An exchange that became a WebSocket.
    WebSocket,
    /// An event stream.
    EventStream,
    /// An exchange without a response.
    Unanswered,
    /// An exchange with a response.
    Answered,
    /// It went wrong: cut, undecodable, failed, or with a finding.
    Error,
    /// Cut before its end.
    Cut,
    /// The response is a style sheet, script, image or font.
    Asset,
    /// The service was verified.
    Verified,
    /// Marked flows; there are none.
    Marked,
    /// Replayed flows; there are none.
    Replayed,
    /// Replayed requests; there are none.
    ReplayedRequest,
    /// Replayed responses; there are none.
    ReplayedResponse,
    /// UDP flows; there are none.
    Udp,
    /// DNS flows; there are none.
    Dns,

    /// The whole URL.
    Url,
    /// Host of the target, of the request, or the server name.
    Domain,
    /// Request method.
    Method,
    /// Heads of request and response.
    Header,
    /// Head of the request.
    RequestHeader,
    /// Head of the response.
    ResponseHeader,
    /// Content-Type of request and response.
    ContentType,
    /// Content-Type of the request.
    RequestContentType,
    /// Content-Type of the response.
    ResponseContentType,
    /// Content, codings undone, and messages, of both directions.
    Body,
    /// The same, of the client.
    RequestBody,
    /// The same, of the service.
    ResponseBody,
    /// The client's address and port.
    Source,
    /// The target's host and port, and the address at which it was reached.
    Destination,
    /// Markers; there are none.
    Marker,
    /// Metadata; there is none.
    Metadata,
    /// Comments; there are none.
    Comment,
    /// Cipher suite of either side.
    Cipher,
    /// Application protocol of either side.
    Alpn,
    /// Server name that the client sent.
    Sni,
    /// JA4 of the client's hello.
    Ja4,
    /// Issuer of the service's certificate.
    Issuer,
    /// Subject of the service's certificate, and its alternative names.
    Subject,
    /// Name and path of the local program.
    Process,
    /// Repository of an image.
    Image,

    /// Status code.
    Status,
    /// Bytes of content of both directions.
    Size,
    /// Bytes of content of the request.
    RequestSize,
    /// Bytes of content of the response.
    ResponseSize,
    /// Time from the first byte of the request to the first of the response.
    FirstByte,
    /// Time from the first byte to the last.
    Total,
    /// TLS, of either side.
    Tls,
    /// gRPC, and its status.
    Grpc,
    /// Process ID.
    Pid,
    /// Number of the connection.
    Conn,
    /// Number of the flow in its recording.
    Id,
    /// When it began.
    At,
    /// The time of the day at which it began, as an offset in microseconds from midnight UTC. Also written with `~at`.
    TimeOfDay,
    /// How long the service's certificate is valid from now on; negative when it has expired.
    ExpiresIn,
    /// Until when the service's certificate is valid. Also written with `~expires`.
    ExpiresAt,

    /// JA3 of the client's hello.
    Ja3,
    /// SHA-256 of a certificate of the service.
    Certificate,
    /// Container ID.
    Container,

    /// Cause of a finding.
    Cause,
    /// Party at fault.
    Fault,
    /// What became of the connection.
    Fate,
    /// Way into the proxy, or the format that was imported.
    Mode,
    /// Anomalies.
    Anomaly,
    /// Requests of the distribution specification.
    Registry,
}

impl Field {
    /// The operator that it is written with, without the tilde.
    pub fn operator(self) -> &'static str {
        let canonical = match self {
            Self::TimeOfDay => Self::At,
            Self::ExpiresAt => Self::ExpiresIn,
            other => other,
        };
        super::catalogue::OPERATORS.iter().find(|it| it.field == canonical).map_or("all", |it| it.name)
    }

    /// How its numbers are written; `None` when its values are no numbers.
    pub(super) const fn unit(self) -> Option<Unit> {
        Some(match self {
            Self::Status => Unit::Status,
            Self::Size | Self::RequestSize | Self::ResponseSize => Unit::Bytes,
            Self::FirstByte | Self::Total | Self::ExpiresIn => Unit::Duration,
            Self::Tls => Unit::TlsVersion,
            Self::Grpc => Unit::GrpcStatus,
            Self::Pid | Self::Conn | Self::Id => Unit::Count,
            Self::At | Self::ExpiresAt => Unit::Moment,
            Self::TimeOfDay => Unit::TimeOfDay,
            _ => return None,
        })
    }

    /// How regular expressions are applied to it.
    pub(super) const fn style(self) -> Style {
        match self {
            Self::Header | Self::RequestHeader | Self::ResponseHeader => Style::Lines,
            Self::Body | Self::RequestBody | Self::ResponseBody => Style::Content,
            Self::Method | Self::ContentType | Self::RequestContentType | Self::ResponseContentType => Style::Bytes,
            _ => Style::Text,
        }
    }

    /// Whether nothing that sidelight records can have it: what mitmproxy knows and sidelight does not.
    pub const fn is_never(self) -> bool {
        matches!(
            self,
            Self::Marked
                | Self::Replayed
                | Self::ReplayedRequest
                | Self::ReplayedResponse
                | Self::Udp
                | Self::Dns
                | Self::Marker
                | Self::Metadata
                | Self::Comment
        )
    }
}
