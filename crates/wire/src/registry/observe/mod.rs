//! A registry's conversation, request by request. In: exchanges in the order of their beginnings, with their connections. Out:
//! `model::registry::seen::Seen`, for those that are a registry's, its token server's or its storage's. Spec: OCI distribution-spec
//! 1.1, distribution's token authentication, docker's and the vendors' fields.
//!
//! Which paths are a token server's or a storage's is learned from the challenges and redirections before them. Both are bounded.

mod asks;
mod content;
mod digest;
mod fields;

use std::collections::{HashMap, VecDeque};

use sidelight_model::filter::registry::classify;
use sidelight_model::flow::{ConnectionRecord, Exchange, Header, Outcome, Request, TlsVersion, url};
use sidelight_model::registry::seen::{Asks, Caller, Credentials, Place, Seen};

use digest::Uploads;

/// Realms and redirections that are remembered.
const MOST_PLACES: usize = 4096;

/// Bytes of a body that are looked into.
const MOST_BODY: usize = 4 << 20;

/// Reads exchanges.
#[derive(Debug, Default)]
pub struct Observer {
    realms: Places,
    redirects: Places,
    uploads: Uploads,
}

/// Places that were named, the oldest forgotten first.
#[derive(Debug, Default)]
struct Places {
    known: HashMap<Place, Named>,
    order: VecDeque<Place>,
}

/// What is known of a place that an answer named.
#[derive(Debug)]
struct Named {
    /// By which scheme.
    scheme: String,
    /// The host of the answer.
    by: String,
    /// The digest of what is there; empty where it is not a blob.
    digest: String,
}

impl Places {
    fn add(&mut self, place: &Place, by: &str, digest: String) {
        let named = Named { scheme: place.scheme.clone(), by: by.to_owned(), digest };
        if self.known.insert(place.site(), named).is_none() {
            self.order.push_back(place.site());
            if self.order.len() > MOST_PLACES
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }
}

impl Observer {
    /// Whether a request may be one that [`Self::exchange`] reads, by its URL alone: what is not, need not be loaded.
    pub fn may_be(&self, method: &str, url: &str) -> bool {
        let Some((place, query)) = fields::place(url) else { return false };
        let known = self.realms.known.contains_key(&place.site()) || self.redirects.known.contains_key(&place.site());
        known || classify(method, &format!("{}?{query}", place.path)).is_some()
    }

    /// Reads one exchange; `None` when it is none of a registry's. `partial`: the source tells no bodies.
    pub fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Exchange, partial: bool) -> Option<Seen> {
        let request = exchange.request.as_ref()?;
        let whole = url(conn, request);
        let (mut place, query) = fields::place(&whole)?;
        let named = [&self.realms, &self.redirects].into_iter().find_map(|it| it.known.get(&place.site()));
        // Whether there was TLS is a guess in some sources. Who was sent there was told.
        if conn.client_tls.as_ref().is_some_and(|it| it.version == TlsVersion(0))
            && let Some(named) = named
        {
            place.scheme.clone_from(&named.scheme);
        }
        let method = String::from_utf8_lossy(&request.method).chars().take(16).collect::<String>();
        // A storage may be a registry itself; who redirects to itself has a reason of its own.
        let is_storage = |it: &Named| !it.digest.is_empty() && it.by != place.host;
        let asks = if let Some(named) = self.redirects.known.get(&place.site())
            && (is_storage(named) || asks::of(&method, &place, &query, request).is_none())
        {
            Asks::Redirected
        } else if self.realms.known.contains_key(&place.site()) {
            asks::token(&query, request)
        } else {
            asks::of(&method, &place, &query, request)?
        };
        let mut seen = Seen {
            caller: caller(conn, &request.headers),
            place,
            method,
            asks,
            credentials: credentials(request, partial),
            sent: request.body.length,
            partial,
            ..Seen::default()
        };
        times(&mut seen, exchange);
        self.answer(&mut seen, exchange);
        seen.says.namespace = fields::parameter(&query, "ns").map(|it| fields::cut(&it));
        seen.says.asked_range =
            fields::text(&request.headers, "range").or_else(|| fields::text(&request.headers, "content-range"));
        seen.digest = self.uploads.check(&seen, &self.wanted(&seen), request, exchange.response.as_ref());
        self.learn(&seen);
        Some(seen)
    }

    /// A connection that ended without any exchange, for the reason in its finding.
    pub fn connection(conn: &ConnectionRecord) -> Option<Seen> {
        let finding = conn.finding.clone()?;
        let target = conn.target.as_ref()?;
        let host = target.to_string().to_ascii_lowercase();
        let host = host.strip_suffix(":443").unwrap_or(&host).to_owned();
        Some(Seen {
            caller: caller(conn, &[]),
            place: Place { scheme: "https".to_owned(), host, path: String::new() },
            start: Some(conn.since),
            end: Some(conn.closed.as_ref().map_or(conn.latest, |it| it.0)),
            cut: Some("no request came".to_owned()),
            finding: Some(finding),
            ..Seen::default()
        })
    }

    fn answer(&self, seen: &mut Seen, exchange: &Exchange) {
        let short = |words: &str| words.chars().take(200).collect::<String>();
        seen.cut = match &exchange.outcome {
            Outcome::Complete | Outcome::Upgraded(_) => None,
            Outcome::Cut(words) | Outcome::Undecodable(words) => Some(short(words)),
        };
        let Some(response) = &exchange.response else {
            seen.cut.get_or_insert_with(|| "no answer was recorded".to_owned());
            return;
        };
        seen.status = Some(response.status);
        seen.received = response.body.length;
        if seen.partial {
            // Logs count what they wrote.
            seen.cut = None;
        }
        fields::answer(seen, response);
        content::read(seen, exchange);
    }

    /// The digest of the blob that is asked for, also where a registry redirected to; else nothing.
    fn wanted(&self, seen: &Seen) -> String {
        match &seen.asks {
            Asks::Blob { digest, .. } => digest.clone(),
            Asks::Redirected => {
                self.redirects.known.get(&seen.place.site()).map(|it| it.digest.clone()).unwrap_or_default()
            }
            _ => String::new(),
        }
    }

    fn learn(&mut self, seen: &Seen) {
        if let Some(realm) = seen.challenge.as_ref().and_then(|it| it.place.as_ref()) {
            self.realms.add(realm, &seen.place.host, String::new());
        }
        if let Some(location) = seen.says.location.as_ref().filter(|_| seen.is_redirect()) {
            let digest = self.wanted(seen);
            self.redirects.add(location, &seen.place.host, digest);
        }
    }
}

fn caller(conn: &ConnectionRecord, headers: &[Header]) -> Caller {
    Caller {
        address: conn.opened.as_ref().map(|it| it.client.ip().to_canonical()),
        process: conn.process.as_ref().map(|it| (it.pid, it.name.clone())),
        agent: fields::text(headers, "user-agent").unwrap_or_default(),
    }
}

fn times(seen: &mut Seen, exchange: &Exchange) {
    let timings = &exchange.timings;
    // Sources without times leave zero.
    if timings.request_start.0 != 0 {
        seen.start = Some(timings.request_start);
        seen.answered = timings.response_start;
        seen.end = timings.end;
    }
}

fn credentials(request: &Request, partial: bool) -> Credentials {
    let Some(field) = request.headers.iter().find(|it| it.is("authorization")) else {
        let is_form = asks::form(request).is_some_and(|form| {
            ["password", "refresh_token", "access_token"].iter().any(|name| fields::parameter(&form, name).is_some())
        });
        return match (is_form, partial) {
            (true, _) => Credentials::Login,
            (false, true) => Credentials::Unknown,
            (false, false) => Credentials::None,
        };
    };
    let value = String::from_utf8_lossy(&field.value);
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    match &*scheme.to_ascii_lowercase() {
        // Neither user nor password: podman and skopeo answer a Basic challenge so when they have no login.
        "basic" if rest.trim() == "Og==" => Credentials::None,
        "basic" => Credentials::Login,
        "bearer" => Credentials::Bearer(Box::new(super::bearer::read_token(rest.trim()))),
        // A redacted field does not tell its scheme.
        _ if value.contains("redacted") => Credentials::Bearer(Box::new(super::bearer::read_token(&value))),
        scheme => Credentials::Other(fields::cut(scheme)),
    }
}

#[cfg(test)]
mod tests {
    use sidelight_model::flow::TlsSide;

    use super::super::told::{Line, Told, answer};
    use super::*;

    fn told(target: &str, host: &str, status: u16, fields: Vec<Header>) -> Told {
        let start = sidelight_model::time::Timestamp(1);
        let line = Line { method: "GET", target, host, headers: Vec::new(), client: None, start };
        let mut told = line.told(1);
        told.exchange.response = Some(answer(status, fields));
        told
    }

    /// As the reader of sslsplit's logs makes it, which tell nothing of TLS.
    fn guessed(mut told: Told) -> Told {
        told.conn.client_tls = Some(std::sync::Arc::new(TlsSide {
            version: TlsVersion(0),
            cipher: String::new(),
            group: None,
            alpn: None,
            sni: None,
            hello: None,
            resumed: false,
            chain: Vec::new(),
            verified: None,
        }));
        told
    }

    fn place(observer: &mut Observer, told: &Told) -> (String, Asks) {
        let seen = observer.exchange(&told.conn, &told.exchange, false).expect("a registry's request");
        (seen.place.to_string(), seen.asks)
    }

    #[test]
    fn a_guessed_scheme_gives_way_to_the_one_that_was_named() {
        let mut observer = Observer::default();
        let field = Header::new("Www-Authenticate", "Bearer realm=\"http://t.test:5001/token\",service=\"r\"");
        place(&mut observer, &told("/v2/", "r.test", 401, vec![field]));
        let asked = told("/token?service=r", "t.test:5001", 200, Vec::new());
        assert_eq!(place(&mut observer, &asked).0, "https://t.test:5001/token");
        assert_eq!(place(&mut observer, &guessed(asked)).0, "http://t.test:5001/token");
    }

    #[test]
    fn a_storage_may_be_a_registry_itself() {
        let mut observer = Observer::default();
        let digest = format!("sha256:{}", "0".repeat(64));
        let blob = format!("/v2/a/blobs/{digest}");
        let there = vec![Header::new("Location", format!("https://s.test{blob}"))];
        place(&mut observer, &told(&blob, "r.test", 307, there));
        assert_eq!(place(&mut observer, &told(&blob, "s.test", 200, Vec::new())).1, Asks::Redirected);
        // To itself it redirects for another reason: to TLS, say.
        let back = vec![Header::new("Location", format!("https://r.test{blob}"))];
        place(&mut observer, &told(&blob, "r.test", 301, back));
        let asks = place(&mut observer, &told(&blob, "r.test", 200, Vec::new())).1;
        assert!(matches!(asks, Asks::Blob { .. }));
    }
}
