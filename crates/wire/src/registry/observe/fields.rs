//! URLs and header fields. In: their text. Out: places, parameters, what an answer says. Spec: RFC 3986, RFC 9110; draft-ietf-httpapi
//! (RateLimit fields), docker's `docker-ratelimit-source`.

use sidelight_model::flow::{Header, Response};
use sidelight_model::registry::seen::{Challenge, Place, Says, Seen};
use sidelight_model::token::Scope;

use super::super::parse_challenges;

/// The most characters of a text that is kept.
const LONGEST: usize = 512;
/// The most scopes of one text, and the most actions of one scope.
const MOST_SCOPES: usize = 64;
/// The most bytes of a URL that is read.
const LONGEST_URL: usize = 32 << 10;

pub(super) fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// The value of a field, when it is UTF-8.
pub(super) fn text(headers: &[Header], name: &str) -> Option<String> {
    Header::find(headers, name).map(cut)
}

/// A URL as its place and its query.
pub(super) fn place(url: &str) -> Option<(Place, String)> {
    if url.len() > LONGEST_URL {
        return None;
    }
    let url = url.split('#').next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(&*scheme, "http" | "https") {
        return None;
    }
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = before.find('/').map_or((before, "/"), |at| before.split_at(at));
    let host = host.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(port).unwrap_or(&host);
    // A name in a URL may be percent-encoded (RFC 3986); nobody does so, and clients refuse what is not UTF-8 then.
    (!host.is_empty() && !host.contains(['%', ' ']))
        .then(|| (Place { scheme, host: cut(host), path: path.chars().take(4 * LONGEST).collect() }, query.to_owned()))
}

/// Where `Location` leads, seen from `from`.
fn location(from: &Place, value: &str) -> Option<Place> {
    if value.contains("://") {
        return place(value).map(|it| it.0);
    }
    let path = value.split(['?', '#']).next().unwrap_or_default();
    if let Some(rest) = value.strip_prefix("//") {
        return place(&format!("{}://{rest}", from.scheme)).map(|it| it.0);
    }
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        let folder = from.path.rfind('/').map_or("/", |at| &from.path[..=at]);
        format!("{folder}{path}")
    };
    Some(Place { path: path.chars().take(4 * LONGEST).collect(), ..from.clone() })
}

/// The values of a parameter, percent-encoding undone.
pub(super) fn parameters<'q>(query: &'q str, name: &'q str) -> impl Iterator<Item = String> + 'q {
    query.split('&').take(256).filter_map(move |part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (key == name).then(|| decoded(value))
    })
}

/// The first value of a parameter.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    parameters(query, name).next()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex =
            after.get(..2).and_then(|it| std::str::from_utf8(it).ok()).and_then(|it| u8::from_str_radix(it, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the fields of an answer say.
pub(super) fn answer(seen: &mut Seen, response: &Response) {
    let headers = &response.headers;
    let field = |name: &str| text(headers, name);
    seen.announced = field("content-length").and_then(|it| it.trim().parse().ok());
    seen.challenge = headers.iter().filter(|it| it.is("www-authenticate")).find_map(|it| challenge(&seen.place, it));
    let is_upload = seen.asks.repository().is_some() && matches!(&*seen.method, "POST" | "PATCH");
    let range = if is_upload { field("range") } else { field("content-range") };
    let media_type = field("content-type").unwrap_or_default();
    seen.says = Says {
        location: Header::find(headers, "location").and_then(|it| location(&seen.place, it)),
        digest: field("docker-content-digest"),
        range,
        rate_limit: rate_limit(headers),
        retry_after: field("retry-after"),
        cache: cache(headers),
        server: field("server").or_else(|| field("via")),
        names_api: headers.iter().any(|it| it.is("docker-distribution-api-version")),
        media_type: media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
        ..Says::default()
    };
}

/// Scopes divided by blanks; those that are none are left out, and actions are put in order: registries write them in any.
pub(super) fn scopes(text: &str) -> Vec<Scope> {
    let ordered = |mut scope: Scope| {
        scope.actions.truncate(MOST_SCOPES);
        scope.actions.sort();
        scope
    };
    text.split_whitespace().take(MOST_SCOPES).filter_map(|word| cut(word).parse().ok()).map(ordered).collect()
}

fn challenge(from: &Place, field: &Header) -> Option<Challenge> {
    let value = std::str::from_utf8(&field.value).ok()?;
    let all = parse_challenges(value);
    let it = all.iter().find(|it| it.scheme == "bearer").or_else(|| all.first())?;
    let parameter = |name: &str| it.param(name).map(cut);
    let realm = parameter("realm").unwrap_or_default();
    let place = (it.scheme == "bearer" && !realm.is_empty()).then(|| location(from, &realm)).flatten();
    Some(Challenge {
        scheme: cut(&it.scheme),
        // A query may hold anything.
        realm: realm.split('?').next().unwrap_or_default().to_owned(),
        // Clients go to whole URLs alone.
        place: place.filter(|_| realm.contains("://")),
        service: parameter("service").unwrap_or_default(),
        scopes: it.param("scope").map(scopes).unwrap_or_default(),
        error: parameter("error"),
    })
}

fn rate_limit(headers: &[Header]) -> Vec<(String, String)> {
    let is_limit = |name: &str| {
        name.starts_with("ratelimit") || name.starts_with("x-ratelimit") || name == "docker-ratelimit-source"
    };
    let all = headers.iter().filter_map(|it| {
        let name = String::from_utf8_lossy(&it.name).to_ascii_lowercase();
        is_limit(&name).then(|| (cut(&name), cut(&String::from_utf8_lossy(&it.value))))
    });
    all.take(16).collect()
}

/// What a cache says of itself.
fn cache(headers: &[Header]) -> Option<String> {
    let names = ["x-cache", "x-cache-status", "x-proxy-cache", "cf-cache-status", "age"];
    names.iter().find_map(|name| Some(format!("{name}: {}", text(headers, name).filter(|it| !it.is_empty())?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_locations() {
        let (at, query) = place("HTTPS://user@R.Test:443/v2/?a=b#c").unwrap();
        assert_eq!((at.to_string().as_str(), query.as_str()), ("https://r.test/v2/", "a=b"));
        for (value, to) in [
            ("https://s.test/x?sig=1", "https://s.test/x"),
            ("/v2/a?b", "https://r.test/v2/a"),
            ("//s.test:5000/y", "https://s.test:5000/y"),
            ("z", "https://r.test/v2/z"),
        ] {
            assert_eq!(location(&at, value).unwrap().to_string(), to);
        }
        assert!(place("ftp://x/").is_none() && place("x").is_none() && place("http:///x").is_none());
    }

    #[test]
    fn parameters_are_decoded() {
        let query = "scope=repository%3Aa%2Fb%3Apull&scope=x+y&bad=%zz%4";
        assert_eq!(parameters(query, "scope").collect::<Vec<_>>(), ["repository:a/b:pull", "x y"]);
        assert_eq!(parameter(query, "bad").unwrap(), "%zz%4");
    }
}
