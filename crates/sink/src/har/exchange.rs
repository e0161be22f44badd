//! An entry of an archive as an exchange. In: [`Entry`], of any program. Out: what a live run would have told: facts of the
//! connection, the exchange, its messages.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use data_encoding::BASE64;
use sidelight_model::flow::{
    Anomaly, AnomalyKind, Authority, Body, ConnId, Decoded, Exchange, Grpc, Header, HttpVersion, Interim, Outcome,
    Process, Request, RequestTarget, Response, Timings, TlsSide, TlsVersion,
};
use sidelight_model::time::Timestamp;
use sidelight_wire::har::{Client, Entry, Field, SecurityDetails};

use super::{body, messages, target};

/// What an entry tells.
#[derive(Debug)]
pub(crate) struct Read {
    /// The exchange, without the number of its connection and, if the archive has none, of its stream.
    pub(crate) exchange: Exchange,
    /// Messages that come before the exchange, and those that come after it.
    pub(crate) messages: Vec<Decoded>,
    /// Whom the connection is for.
    pub(crate) target: Option<Authority>,
    /// Where the service was reached.
    pub(crate) upstream: Option<SocketAddr>,
    /// The client's address.
    pub(crate) client: Option<SocketAddr>,
    /// The local program.
    pub(crate) process: Option<Process>,
    /// TLS with the service.
    pub(crate) tls: Option<TlsSide>,
}

/// Reads an entry. `own`: sidelight wrote it, so what stands in it is exact.
///
/// # Errors
/// When it has neither a URL nor a time, in words.
pub(crate) fn read(entry: &Entry, own: bool) -> Result<Read, String> {
    let started = moment(&entry.started_date_time)
        .ok_or_else(|| format!("it has no time (startedDateTime is {:?})", entry.started_date_time))?;
    if entry.request.url.is_empty() {
        return Err("it has no URL".to_owned());
    }
    let version = version(&entry.request.http_version)
        .or_else(|| self::version(&entry.response.http_version))
        .unwrap_or(HttpVersion::Http11);
    let tls = entry.security_details.as_ref().map(side);
    let exchange = Exchange {
        conn: ConnId(0),
        stream: entry.stream.max(0).unsigned_abs(),
        version,
        request: (!entry.request_unseen).then(|| request(entry, version, tls.is_some(), own)),
        interim: entry.interim.iter().map(interim).collect(),
        response: response(entry, own),
        timings: timings(entry, started),
        outcome: outcome(entry, own),
        anomalies: entry.anomalies.iter().filter_map(anomaly).collect(),
        grpc: entry.grpc.as_ref().map(|grpc| Grpc {
            requests: grpc.requests.max(0).unsigned_abs(),
            responses: grpc.responses.max(0).unsigned_abs(),
            status: grpc.status,
            message: grpc.message.clone(),
        }),
        pushed: entry.pushed,
    };
    let parts = target::parts(&entry.request.url);
    let port = if parts.scheme == "http" { 80 } else { 443 };
    let login = parts.authority.rfind('@').map_or(0, |at| at + 1);
    let target = Authority::parse(&parts.authority[login..], Some(port)).ok();
    let ip = entry.server_ip_address.as_ref().and_then(|ip| ip.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let upstream = ip.zip(target.as_ref()).map(|(ip, target)| SocketAddr::new(ip, target.port));
    let (client, process) = entry.client.as_ref().map(client).unwrap_or_default();
    let messages = messages::of(entry, exchange.stream);
    Ok(Read { exchange, messages, target, upstream, client, process, tls })
}

/// RFC 3339, with or without a zone.
fn moment(text: &str) -> Option<Timestamp> {
    let zoned = text.trim().parse::<jiff::Timestamp>().ok();
    let civil = || text.trim().parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let moment = zoned.or_else(|| civil().map(|moment| moment.timestamp()))?;
    Some(Timestamp(moment.as_microsecond()))
}

fn version(text: &str) -> Option<HttpVersion> {
    match text.to_ascii_lowercase().as_str() {
        "http/1.0" => Some(HttpVersion::Http10),
        "http/1.1" => Some(HttpVersion::Http11),
        "h2" | "h2c" | "http/2" | "http/2.0" => Some(HttpVersion::Http2),
        "h3" | "http/3" | "http/3.0" | "quic" => Some(HttpVersion::Http3),
        other if other.starts_with("h3-") => Some(HttpVersion::Http3),
        _ => None,
    }
}

fn request(entry: &Entry, version: HttpVersion, tls_known: bool, own: bool) -> Request {
    let request = &entry.request;
    let (pseudo, headers) = headers(&request.headers, own);
    let method = Bytes::from(request.method.clone());
    let target = match &request.target {
        Some(exact) => RequestTarget {
            raw: bytes(&exact.raw, exact.base64.as_deref()),
            scheme: exact.scheme.clone(),
            authority: exact.authority.clone(),
        },
        None => {
            let mut target = target::likely(&method, &request.url, version, &headers, tls_known);
            // Chromium lists the pseudo fields of HTTP/2 among the headers.
            for field in &pseudo {
                match field.name.as_ref() {
                    b":path" => target.raw = field.value.clone(),
                    b":authority" => target.authority = Some(String::from_utf8_lossy(&field.value).into_owned()),
                    _ => {}
                }
            }
            target
        }
    };
    let body = match &request.post_data {
        None => Body::default(),
        Some(post) if post.text.is_empty() && !post.params.is_empty() => {
            body::read(&headers, &form(&post.params), None, &post.more, !own)
        }
        Some(post) => body::read(&headers, &post.text, post.encoding.as_deref(), &post.more, !own),
    };
    let body = unless_kept(body, request.body_size);
    Request { method, target, headers, trailers: self::headers(&request.trailers, own).1, body }
}

fn response(entry: &Entry, own: bool) -> Option<Response> {
    let response = &entry.response;
    // 0, and -1 in some programs: there was none.
    let status = u16::try_from(response.status).ok().filter(|status| *status > 0)?;
    let headers = headers(&response.headers, own).1;
    let content = &response.content;
    let text = content.text.as_deref().unwrap_or_default();
    let body = body::read(&headers, text, content.encoding.as_deref(), &content.more, !own);
    let size = if response.body_size > 0 { response.body_size } else { content.size };
    Some(Response {
        status,
        reason: Bytes::from(response.status_text.clone()),
        trailers: self::headers(&response.trailers, own).1,
        body: unless_kept(body, size),
        headers,
    })
}

/// A body of which the archive has only the size.
fn unless_kept(body: Body, size: i64) -> Body {
    match u64::try_from(size) {
        Ok(size) if size > 0 && body.kept.is_empty() && body.length == 0 => {
            Body { length: size, wire_length: size, ..body }
        }
        _ => body,
    }
}

/// Parameters of a form that an archive has in place of its text.
fn form(params: &[Field]) -> String {
    let escaped = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b' ' => out.push('+'),
                b if b.is_ascii_alphanumeric() || b"-._*".contains(&b) => out.push(char::from(b)),
                b => out.push_str(&format!("%{b:02X}")),
            }
            out
        })
    };
    let pairs = params.iter().map(|field| format!("{}={}", escaped(&field.name), escaped(&field.value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Pseudo fields, and the others. Several lines of Set-Cookie may stand in one value, one below the other.
fn headers(fields: &[Field], own: bool) -> (Vec<Header>, Vec<Header>) {
    let mut all = Vec::with_capacity(fields.len());
    for field in fields {
        let name = Bytes::from(field.name.clone());
        if !own && field.name.eq_ignore_ascii_case("set-cookie") {
            let lines =
                field.value.lines().map(|line| Header { name: name.clone(), value: Bytes::from(line.to_owned()) });
            all.extend(lines);
            continue;
        }
        all.push(Header { name, value: bytes(&field.value, field.base64.as_deref()) });
    }
    if own { (Vec::new(), all) } else { all.into_iter().partition(|header| header.name.starts_with(b":")) }
}

fn bytes(text: &str, base64: Option<&str>) -> Bytes {
    let exact = base64.and_then(|base64| BASE64.decode(base64.as_bytes()).ok());
    exact.map_or_else(|| Bytes::from(text.to_owned()), Bytes::from)
}

fn timings(entry: &Entry, started: Timestamp) -> Timings {
    if let Some(micros) = &entry.micros {
        let after = |micros: Option<i64>| micros.map(|micros| Timestamp(started.0.saturating_add(micros)));
        return Timings {
            request_start: started,
            request_end: after(micros.request_end),
            response_start: after(micros.response_start),
            end: after(micros.end),
        };
    }
    let known = |millis: f64| if millis > 0.0 { millis } else { 0.0 };
    let plus = |from: Timestamp, millis: f64| Timestamp(from.0.saturating_add((known(millis) * 1000.0).round() as i64));
    let timings = &entry.timings;
    // What came before the request is part of the time of an entry, but not of the exchange.
    let before = known(timings.blocked) + known(timings.dns) + known(timings.connect);
    let request_start = plus(started, before);
    let request_end = plus(request_start, timings.send);
    let response_start = plus(request_end, timings.wait);
    let end = plus(response_start, timings.receive).max(plus(started, entry.time));
    let answered = entry.response.status > 0;
    Timings {
        request_start,
        request_end: Some(request_end),
        response_start: answered.then_some(response_start),
        end: Some(end),
    }
}

fn outcome(entry: &Entry, own: bool) -> Outcome {
    let told = entry.outcome.as_deref().and_then(|told| told.split_once(": "));
    match told {
        Some(("upgraded", to)) => return Outcome::Upgraded(to.to_owned()),
        Some(("cut", words)) => return Outcome::Cut(words.to_owned()),
        Some(("undecodable", words)) => return Outcome::Undecodable(words.to_owned()),
        _ if own => return Outcome::Complete,
        _ => {}
    }
    let is_websocket = entry.resource_type.as_deref() == Some("websocket") || !entry.web_socket_messages.is_empty();
    match &entry.response.error {
        Some(error) if !error.is_empty() => Outcome::Cut(error.clone()),
        _ if entry.response.status <= 0 => Outcome::Cut("the archive has no response".to_owned()),
        _ if is_websocket => Outcome::Upgraded("websocket".to_owned()),
        _ => Outcome::Complete,
    }
}

fn interim(interim: &sidelight_wire::har::Interim) -> Interim {
    Interim {
        status: u16::try_from(interim.status).unwrap_or(100),
        headers: headers(&interim.headers, true).1,
        at: moment(&interim.time).unwrap_or_default(),
    }
}

fn anomaly(anomaly: &sidelight_wire::har::Anomaly) -> Option<Anomaly> {
    Some(Anomaly::new(AnomalyKind::from_name(&anomaly.kind)?, anomaly.detail.clone(), anomaly.offset))
}

fn client(client: &Client) -> (Option<SocketAddr>, Option<Process>) {
    let address = client.address.as_ref().and_then(|address| address.parse().ok());
    let process = client.pid.map(|pid| Process {
        pid,
        name: client.name.clone().unwrap_or_default(),
        exe: client.exe.clone(),
        container: client.container.clone(),
    });
    (address, process)
}

fn side(details: &SecurityDetails) -> TlsSide {
    let known = [0x0300, 0x0301, 0x0302, 0x0303, 0x0304].map(TlsVersion);
    let version = known.into_iter().find(|version| version.name() == details.protocol).unwrap_or(TlsVersion(0));
    TlsSide {
        version,
        cipher: details.cipher.clone(),
        group: details.key_exchange_group.clone(),
        alpn: details.alpn.as_ref().map(|alpn| alpn.clone().into_bytes()),
        sni: details.sni.clone(),
        hello: None,
        resumed: details.resumed,
        chain: Vec::new(),
        verified: details.verified.map(|verified| {
            if verified { Ok(()) } else { Err(details.unverified_because.clone().unwrap_or_default()) }
        }),
    }
}
