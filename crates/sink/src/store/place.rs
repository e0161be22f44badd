//! Where requests go. In: a request and its connection. Out: what the columns of a flow say of it, as its URL has it.
//!
//! Requests of one connection mostly go to one place, so it is remembered: putting it together costs more than the rest of a row.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;
use sidelight_model::flow::{Authority, ConnectionRecord, Request, url};

use super::intern::{Interner, Names};

/// Connections whose place is remembered.
const MOST: usize = 2_000;

/// Where a request goes, as its URL has it, else its connection.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) scheme: Cow<'static, str>,
    /// Rows of the host, and of what stands before the target in the URL.
    pub(super) host: Option<i64>,
    pub(super) site: Option<i64>,
    pub(super) port: Option<u16>,
    /// Columns do not say all of it.
    pub(super) is_odd: bool,
    /// The connection is for another host.
    pub(super) is_elsewhere: bool,
}

/// Finds places. Its memory is only valid while nothing is rolled back or taken out.
#[derive(Default)]
pub(super) struct Places {
    /// The last one of each connection.
    known: HashMap<u64, Known>,
}

/// A place, and all that it depends on.
struct Known {
    record: Arc<ConnectionRecord>,
    scheme: Option<String>,
    authority: Option<String>,
    place: Place,
}

impl Places {
    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// The connection is over.
    pub(super) fn end(&mut self, record: &ConnectionRecord) {
        self.known.remove(&record.id.0);
    }

    /// The place of a request, or of a connection without any.
    pub(super) fn of(
        &mut self,
        db: &Connection,
        interner: &mut Interner,
        record: &Arc<ConnectionRecord>,
        request: Option<&Request>,
    ) -> rusqlite::Result<Place> {
        // Another kind of target makes another kind of URL.
        let usual = request.filter(|it| it.target.raw.starts_with(b"/") && it.target.raw.is_ascii());
        let Some(request) = usual else { return make(db, interner, record, request) };
        let (scheme, authority) = (&request.target.scheme, &request.target.authority);
        if let Some(known) = self.known.get(&record.id.0)
            && Arc::ptr_eq(&known.record, record)
            && (&known.scheme, &known.authority) == (scheme, authority)
        {
            return Ok(known.place.clone());
        }
        let place = make(db, interner, record, Some(request))?;
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let (scheme, authority) = (scheme.clone(), authority.clone());
        let known = Known { record: Arc::clone(record), scheme, authority, place: place.clone() };
        self.known.insert(record.id.0, known);
        Ok(place)
    }
}

fn make(
    db: &Connection,
    interner: &mut Interner,
    record: &ConnectionRecord,
    request: Option<&Request>,
) -> rusqlite::Result<Place> {
    let scheme = match request.and_then(|it| it.target.scheme.clone()) {
        Some(scheme) => Cow::Owned(scheme),
        None if record.is_https() => Cow::Borrowed("https"),
        None => Cow::Borrowed("http"),
    };
    let default_port = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    let said = request.and_then(|it| it.target.authority.as_deref());
    let read = said.map(|text| Authority::parse(text, Some(default_port)));
    let is_readable = !matches!(read, Some(Err(_)));
    let target = record.target.as_ref();
    let upstream = record.upstream.map(Authority::from);
    let named = read.and_then(Result::ok).or_else(|| target.cloned());
    let is_named = named.is_some();
    let place = named.or(upstream);
    let site = request.map(|it| site(record, it));
    Ok(Place {
        scheme,
        is_elsewhere: place.as_ref().map(|it| &it.host) != target.map(|it| &it.host),
        is_odd: !is_readable || !is_named || matches!(site, Some(None)),
        host: place.as_ref().map(|it| interner.name(db, Names::Host, &it.host.to_string())).transpose()?,
        port: place.map(|it| it.port),
        site: site.flatten().map(|it| interner.name(db, Names::Site, &it)).transpose()?,
    })
}

/// What stands before the target in the URL; `None` when the URL is not made so.
fn site(record: &ConnectionRecord, request: &Request) -> Option<String> {
    let raw = std::str::from_utf8(&request.target.raw).ok().filter(|raw| raw.is_ascii())?;
    url(record, request).strip_suffix(raw).map(str::to_owned)
}
