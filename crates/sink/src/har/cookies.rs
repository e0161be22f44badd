//! Cookies out of heads. In: fields. Out: cookies as HAR lists them. Spec: RFC 6265 §4.1 and §4.2.

use sidelight_model::flow::Header;
use sidelight_wire::har::Cookie;

/// The cookies that a request sends.
pub(super) fn sent(headers: &[Header]) -> Vec<Cookie> {
    let fields = headers.iter().filter(|header| header.is("cookie"));
    fields.flat_map(|header| text(header).split(';').filter_map(pair).collect::<Vec<_>>()).collect()
}

/// The cookies that a response sets.
pub(super) fn set(headers: &[Header]) -> Vec<Cookie> {
    headers.iter().filter(|header| header.is("set-cookie")).filter_map(|header| set_one(&text(header))).collect()
}

fn text(header: &Header) -> String {
    String::from_utf8_lossy(&header.value).into_owned()
}

/// A cookie without a name is none that HAR could hold; the field itself is among the headers.
fn pair(part: &str) -> Option<Cookie> {
    let (name, value) = part.trim().split_once('=')?;
    Some(Cookie { name: name.trim().to_owned(), value: value.trim().to_owned(), ..Cookie::default() })
}

fn set_one(field: &str) -> Option<Cookie> {
    let mut parts = field.split(';');
    let mut cookie = pair(parts.next()?)?;
    for attribute in parts {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim().to_owned();
        match name.trim().to_ascii_lowercase().as_str() {
            "path" => cookie.path = Some(value),
            "domain" => cookie.domain = Some(value),
            "expires" => cookie.expires = moment(&value),
            "httponly" => cookie.http_only = true,
            "secure" => cookie.secure = true,
            "samesite" => cookie.same_site = Some(value),
            _ => {}
        }
    }
    Some(cookie)
}

/// `Wed, 21 Oct 2026 07:28:00 GMT`, also with the hyphens of old, as RFC 3339. Another form is left to the header.
fn moment(date: &str) -> Option<String> {
    let date = date.replace('-', " ");
    let forms = ["%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %y %H:%M:%S GMT", "%A, %d %b %y %H:%M:%S GMT"];
    forms.iter().find_map(|form| {
        let parsed = jiff::fmt::strtime::parse(form, &date).ok()?.to_datetime().ok()?;
        Some(parsed.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_read_with_their_attributes() {
        let sent = sent(&[Header::new("Cookie", "a=1; b=x=y;c"), Header::new("cookie", "d=")]);
        let pairs: Vec<_> = sent.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "x=y"), ("d", "")]);
        let field =
            "sid=7; Path=/; Domain=a.test; Expires=Wed, 21-Oct-2026 07:28:00 GMT; HttpOnly; Secure; SameSite=Lax";
        let set = set(&[Header::new("Set-Cookie", field), Header::new("Set-Cookie", "odd")]);
        let expected = Cookie {
            name: "sid".into(),
            value: "7".into(),
            path: Some("/".into()),
            domain: Some("a.test".into()),
            expires: Some("2026-10-21T07:28:00Z".into()),
            http_only: true,
            secure: true,
            same_site: Some("Lax".into()),
        };
        assert_eq!(set, [expected]);
        assert_eq!(moment("soon"), None);
    }
}
