//! The values that a flow has in each field. In: [`FlowView`] and [`Field`]. Out: whether it has one; calls with texts or numbers.
//!
//! A call that answers `true` ends the search, and is the answer.

use std::net::SocketAddr;

use super::field::Field;
use super::flow_view::FlowView;
use super::registry;
use super::unit::DAY;
use crate::flow::{
    AnomalyKind, Authority, Closed, Decoded, Direction, Fate, Header, Host, How, Outcome, Request, TlsSide,
    WebSocketKind, url,
};
use crate::x509::{Certificate, San, fingerprint};

/// Looks at a text, and says whether it is the one.
type Look<'l> = &'l mut dyn FnMut(&[u8]) -> bool;

/// Content types of assets, as in mitmproxy.
const ASSETS: [&[u8]; 7] = [
    b"text/javascript",
    b"application/x-javascript",
    b"application/javascript",
    b"text/css",
    b"image/",
    b"font/",
    b"application/font",
];

impl FlowView<'_> {
    /// Whether the flow has a value in `field`.
    pub(super) fn has(&self, field: Field) -> bool {
        let how = || self.conn.closed.as_ref().map(|(_, closed)| &closed.how);
        match field {
            Field::All => true,
            Field::Http => self.exchange.is_some(),
            Field::Tcp => self.exchange.is_none(),
            Field::Unanswered => self.exchange.is_some_and(|it| it.response.is_none()),
            Field::Answered => self.exchange.is_some_and(|it| it.response.is_some()),
            Field::WebSocket => self.is_websocket(),
            Field::EventStream => {
                self.content_type(Direction::ToClient, &mut |value| contains(value, b"text/event-stream"))
                    || self.messages.iter().any(|it| matches!(it, Decoded::ServerSent(_)))
            }
            Field::Grpc => {
                self.exchange.is_some_and(|it| it.grpc.is_some())
                    || self.content_type(Direction::ToServer, &mut |value| contains(value, b"application/grpc"))
            }
            Field::Error => {
                let went_wrong = match self.exchange {
                    Some(exchange) => matches!(exchange.outcome, Outcome::Cut(_) | Outcome::Undecodable(_)),
                    None => matches!(how(), Some(How::ClientCut(_) | How::ServerCut(_) | How::Failed)),
                };
                went_wrong || !self.findings.is_empty() || self.conn.finding.is_some()
            }
            Field::Cut => match self.exchange {
                Some(exchange) => matches!(exchange.outcome, Outcome::Cut(_)),
                None => matches!(how(), Some(How::ClientCut(_) | How::ServerCut(_))),
            },
            Field::Asset => {
                let is_asset = |value: &[u8]| ASSETS.iter().any(|asset| contains(value, asset));
                self.content_type(Direction::ToClient, &mut |value| is_asset(value))
            }
            Field::Tls => {
                let scheme = self.request().and_then(|it| it.target.scheme.as_deref());
                self.sides().next().is_some() || self.conn.hello.is_some() || scheme == Some("https")
            }
            Field::Verified => self.conn.server_tls.as_ref().is_some_and(|side| side.verified == Some(Ok(()))),
            Field::Anomaly => self.anomalies(&mut |_| true),
            Field::Registry => self.registry().is_some(),
            field if field.unit().is_some() => self.numbers(field, &mut |_| true),
            field => self.texts(field, &mut |_| true),
        }
    }

    /// Calls `look` with the numbers in `field`.
    pub(super) fn numbers(&self, field: Field, look: &mut dyn FnMut(i64) -> bool) -> bool {
        let one = |number: Option<i64>, look: &mut dyn FnMut(i64) -> bool| number.is_some_and(look);
        let timings = self.exchange.map(|it| &it.timings);
        let number = match field {
            Field::Status => self.exchange.and_then(|it| it.response.as_ref()).map(|it| i64::from(it.status)),
            Field::Size => Some(self.size(Direction::ToServer).saturating_add(self.size(Direction::ToClient))),
            Field::RequestSize => Some(self.size(Direction::ToServer)),
            Field::ResponseSize => Some(self.size(Direction::ToClient)),
            Field::FirstByte => {
                timings.and_then(|it| Some(it.response_start?.0.saturating_sub(it.request_start.0).max(0)))
            }
            Field::Total => match (timings, &self.conn.closed) {
                (Some(it), _) => it.end.map(|end| end.0.saturating_sub(it.request_start.0).max(0)),
                (None, Some((end, _))) => Some(end.0.saturating_sub(self.conn.since.0).max(0)),
                (None, None) => None,
            },
            Field::Tls => return self.sides().any(|side| look(i64::from(side.version.0))),
            Field::Grpc => self.exchange.and_then(|it| it.grpc.as_ref()).and_then(|it| it.status).map(i64::from),
            Field::Pid => self.conn.process.as_ref().map(|it| i64::from(it.pid)),
            Field::Conn => i64::try_from(self.conn.id.0).ok(),
            Field::Id => self.id.and_then(|id| i64::try_from(id).ok()),
            Field::At => Some(self.began()),
            Field::TimeOfDay => Some(self.began().rem_euclid(DAY)),
            Field::ExpiresAt => self.leaf().map(|it| it.not_after.0),
            Field::ExpiresIn => self.leaf().map(|it| it.not_after.0.saturating_sub(self.now.0)),
            _ => None,
        };
        one(number, look)
    }

    /// Calls `look` with the texts in `field`.
    pub(super) fn texts(&self, field: Field, look: Look<'_>) -> bool {
        use Direction::{ToClient, ToServer};
        match field {
            Field::Url => self.request().is_some_and(|it| look(url(self.conn, it).as_bytes())),
            Field::Method => self.request().is_some_and(|it| look(&it.method)),
            Field::Domain => self.domains(look),
            Field::Header => self.head(ToServer, look) || self.head(ToClient, look),
            Field::RequestHeader => self.head(ToServer, look),
            Field::ResponseHeader => self.head(ToClient, look),
            Field::ContentType => self.content_type(ToServer, look) || self.content_type(ToClient, look),
            Field::RequestContentType => self.content_type(ToServer, look),
            Field::ResponseContentType => self.content_type(ToClient, look),
            Field::Body => self.content(ToServer, look) || self.content(ToClient, look),
            Field::RequestBody => self.content(ToServer, look),
            Field::ResponseBody => self.content(ToClient, look),
            Field::Source => self.conn.opened.as_ref().is_some_and(|it| socket(it.client, look)),
            Field::Destination => {
                self.conn.target.as_ref().is_some_and(|it| authority(it, look))
                    || self.conn.upstream.is_some_and(|it| socket(it, look))
            }
            Field::Cipher => self.sides().any(|side| look(side.cipher.as_bytes())),
            Field::Alpn => self.alpn(look),
            Field::Sni => self.server_names(look),
            Field::Ja3 => self.conn.hello.as_ref().is_some_and(|it| !it.ja3.is_empty() && look(it.ja3.as_bytes())),
            Field::Ja4 => self.conn.hello.as_ref().is_some_and(|it| !it.ja4.is_empty() && look(it.ja4.as_bytes())),
            Field::Issuer => self.leaf().is_some_and(|it| look(it.issuer.as_bytes())),
            Field::Subject => self.leaf().is_some_and(|it| subjects(&it, look)),
            Field::Certificate => {
                let chain = self.conn.server_tls.as_ref().map(|side| side.chain.as_slice()).unwrap_or_default();
                chain.iter().any(|der| look(fingerprint(der).as_bytes()))
            }
            _ => self.words(field, look),
        }
    }

    /// Texts that are names of things.
    fn words(&self, field: Field, look: Look<'_>) -> bool {
        let findings = || self.findings.iter().chain(self.conn.finding.as_deref());
        let process = self.conn.process.as_ref();
        match field {
            Field::Process => process.is_some_and(|it| {
                look(it.name.as_bytes()) || it.exe.as_ref().is_some_and(|path| look(path.as_bytes()))
            }),
            Field::Container => process.and_then(|it| it.container.as_ref()).is_some_and(|it| look(it.as_bytes())),
            Field::Mode => self.conn.opened.as_ref().is_some_and(|it| look(it.mode.as_bytes())),
            Field::Fate => look(Fate::of(self.conn).name().as_bytes()),
            Field::Cause => findings().any(|it| look(it.cause.code().as_bytes())),
            Field::Fault => findings().any(|it| look(it.fault.name().as_bytes())),
            Field::Anomaly => self.anomalies(&mut |kind| look(kind.name().as_bytes())),
            Field::Registry => self.registry().is_some_and(|kind| look(kind.name().as_bytes())),
            Field::Image => self.image(look),
            _ => false,
        }
    }

    /// When it began, in microseconds since the epoch.
    fn began(&self) -> i64 {
        self.exchange.map_or(self.conn.since, |exchange| exchange.timings.request_start).0
    }

    fn request(&self) -> Option<&Request> {
        self.exchange.and_then(|exchange| exchange.request.as_ref())
    }

    /// The two sides of TLS, as far as there are any.
    fn sides(&self) -> impl Iterator<Item = &TlsSide> {
        [&self.conn.server_tls, &self.conn.client_tls].into_iter().filter_map(Option::as_deref)
    }

    /// The service's own certificate.
    fn leaf(&self) -> Option<Certificate> {
        Certificate::parse(self.conn.server_tls.as_ref()?.chain.first()?).ok()
    }

    fn is_websocket(&self) -> bool {
        self.exchange.is_some_and(|it| matches!(&it.outcome, Outcome::Upgraded(to) if to == "websocket"))
            || self.messages.iter().any(|it| matches!(it, Decoded::WebSocket(_)))
    }

    /// Bytes of content of one direction.
    fn size(&self, direction: Direction) -> i64 {
        let of = |closed: &Closed| match direction {
            Direction::ToServer => closed.to_server.bytes,
            Direction::ToClient => closed.to_client.bytes,
        };
        let bytes = match (self.exchange, direction) {
            (Some(exchange), Direction::ToServer) => exchange.request.as_ref().map(|it| it.body.length),
            (Some(exchange), Direction::ToClient) => exchange.response.as_ref().map(|it| it.body.length),
            (None, _) => self.conn.closed.as_ref().map(|(_, closed)| of(closed)),
        };
        i64::try_from(bytes.unwrap_or_default()).unwrap_or(i64::MAX)
    }

    /// The header fields of one direction, and the trailer fields.
    fn fields(&self, direction: Direction) -> Option<[&[Header]; 2]> {
        let exchange = self.exchange?;
        match direction {
            Direction::ToServer => exchange.request.as_ref().map(|it| [it.headers.as_slice(), &it.trailers]),
            Direction::ToClient => exchange.response.as_ref().map(|it| [it.headers.as_slice(), &it.trailers]),
        }
    }

    /// The head of one direction as one text with CRLF after each line.
    fn head(&self, direction: Direction, look: Look<'_>) -> bool {
        let Some(fields) = self.fields(direction) else { return false };
        let mut text = Vec::with_capacity(1024);
        for header in fields.into_iter().flatten() {
            for part in [header.name.as_ref(), b": ", header.value.as_ref(), b"\r\n"] {
                text.extend_from_slice(part);
            }
        }
        look(&text)
    }

    fn content_type(&self, direction: Direction, look: Look<'_>) -> bool {
        let headers = self.fields(direction).map(|[headers, _]| headers).unwrap_or_default();
        headers.iter().any(|header| header.is("content-type") && look(&header.value))
    }

    /// Content and messages of one direction.
    fn content(&self, direction: Direction, look: Look<'_>) -> bool {
        let body = self.exchange.is_some_and(|exchange| match direction {
            Direction::ToServer => exchange.request.is_some() && look(&self.bodies.request()),
            Direction::ToClient => exchange.response.is_some() && look(&self.bodies.response()),
        });
        body || self.messages.iter().any(|message| match message {
            Decoded::WebSocket(it) => {
                let is_data = matches!(it.kind, WebSocketKind::Text | WebSocketKind::Binary);
                it.direction == direction && is_data && look(&it.kept)
            }
            Decoded::Grpc(it) => it.direction == direction && look(&it.kept),
            Decoded::ServerSent(it) => direction == Direction::ToClient && look(it.data.as_bytes()),
            Decoded::Opaque(it) => match direction {
                Direction::ToServer => !it.first_to_server.is_empty() && look(&it.first_to_server),
                Direction::ToClient => !it.first_to_client.is_empty() && look(&it.first_to_client),
            },
            _ => false,
        })
    }

    /// The hosts of an exchange; of a connection without one, also the server name.
    fn domains(&self, look: Look<'_>) -> bool {
        if let Some(text) = self.request().and_then(|it| it.target.authority.as_deref()) {
            let found = match Authority::parse(text, Some(443)) {
                Ok(parsed) => host(&parsed.host, look),
                Err(_) => look(text.as_bytes()),
            };
            if found {
                return true;
            }
        }
        self.conn.target.as_ref().is_some_and(|it| host(&it.host, look))
            || self.exchange.is_none() && self.server_names(look)
    }

    fn server_names(&self, look: Look<'_>) -> bool {
        let hello = self.conn.hello.iter().filter_map(|it| it.sni.as_ref());
        let sides = [&self.conn.client_tls, &self.conn.server_tls];
        let sides = sides.into_iter().flatten().filter_map(|side| side.sni.as_ref());
        hello.chain(sides).any(|name| look(name.as_bytes()))
    }

    fn alpn(&self, look: Look<'_>) -> bool {
        if self.sides().next().is_some() {
            return self.sides().filter_map(|side| side.alpn.as_ref()).any(|it| look(it));
        }
        self.conn.hello.iter().flat_map(|hello| &hello.alpn).any(|it| look(it))
    }

    fn anomalies(&self, look: &mut dyn FnMut(AnomalyKind) -> bool) -> bool {
        let of_exchange = self.exchange.iter().flat_map(|it| &it.anomalies);
        let of_connection = self.messages.iter().filter_map(|it| match it {
            Decoded::Anomaly(_, anomaly) => Some(anomaly),
            _ => None,
        });
        of_exchange.chain(of_connection).any(|it| look(it.kind))
    }

    fn registry(&self) -> Option<registry::Kind> {
        let request = self.request()?;
        let (method, target) =
            (std::str::from_utf8(&request.method).ok()?, std::str::from_utf8(&request.target.raw).ok()?);
        registry::classify(method, target).map(|it| it.kind)
    }

    /// The repository that a request names: alone, and as `host/repository:tag` or `host/repository@digest`.
    fn image(&self, look: Look<'_>) -> bool {
        let Some(request) = self.request() else { return false };
        let (Ok(method), Ok(target)) = (std::str::from_utf8(&request.method), std::str::from_utf8(&request.target.raw))
        else {
            return false;
        };
        let Some(registry::Request { repository: Some(name), reference, .. }) = registry::classify(method, target)
        else {
            return false;
        };
        let name = name.replace("%2F", "/").replace("%2f", "/");
        if look(name.as_bytes()) {
            return true;
        }
        let target = self.conn.target.as_ref().map(ToString::to_string);
        let host = request.target.authority.clone().or(target).unwrap_or_default();
        let separator = if reference.is_some_and(|it| it.contains(':')) { "@" } else { ":" };
        let reference = reference.map(|it| format!("{separator}{it}")).unwrap_or_default();
        look(format!("{host}/{name}{reference}").as_bytes())
    }
}

/// The subject of a certificate, and its alternative names.
fn subjects(certificate: &Certificate, look: Look<'_>) -> bool {
    look(certificate.subject.as_bytes())
        || certificate.sans.iter().any(|san| match san {
            San::Dns(name) | San::Other(name) => look(name.as_bytes()),
            San::Ip(address) => look(address.to_string().as_bytes()),
        })
}

fn host(host: &Host, look: Look<'_>) -> bool {
    match host {
        Host::Name(name) => look(name.as_bytes()),
        Host::Ip(address) => look(address.to_string().as_bytes()),
    }
}

/// An address and a port; of IPv6, with brackets and without.
fn socket(address: SocketAddr, look: Look<'_>) -> bool {
    authority(&Authority::from(address), look)
}

fn authority(authority: &Authority, look: Look<'_>) -> bool {
    look(authority.to_string().as_bytes())
        || matches!(authority.host, Host::Ip(std::net::IpAddr::V6(_)))
            && look(format!("{}:{}", authority.host, authority.port).as_bytes())
}

/// Whether `part` is somewhere in `text`, whatever the case of ASCII letters.
fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}
