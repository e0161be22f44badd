//! Whether a request goes on with what its client did before, or begins something new. In: a group, a request. Out: yes or no.
//!
//! Clients do not say where a pull ends. What tells: a ping that waits, another tag, a request that was answered for good and is
//! made again, one without the token that was there already, and long silence.

use super::super::seen::{Asks, Content, Credentials, Seen};
use super::group::Group;

pub(super) use super::super::seen::Place;

/// After so many microseconds of silence, it is something new.
const SILENCE: i64 = 600_000_000;

/// Requests of a group that are looked at again.
const MOST_RECENT: usize = 512;

impl Group {
    pub(super) fn recent(&self) -> impl Iterator<Item = &Seen> {
        self.seen.iter().rev().take(MOST_RECENT)
    }

    /// Whether a manifest of the group names what `seen` reads, or an upload of the group is what it goes on with.
    pub(super) fn names(&self, seen: &Seen) -> bool {
        match &seen.asks {
            Asks::Blob { digest, .. } if seen.is_read() => self.named.contains(digest),
            Asks::Manifest { reference, .. } if seen.is_read() => self.named.contains(reference),
            Asks::UploadChunk { .. } | Asks::UploadEnd { .. } | Asks::UploadState { .. } => {
                self.uploads.contains(&seen.place.site())
            }
            _ => false,
        }
    }

    /// Whether a manifest was read whole.
    fn has_read(&self) -> bool {
        self.recent().any(|it| matches!(it.asks, Asks::Manifest { .. }) && it.method == "GET" && it.is_ok())
    }

    /// Whether a manifest was written under a tag.
    fn has_pushed(&self) -> bool {
        self.recent().any(|it| is_tag(it) && it.method == "PUT" && it.is_ok())
    }

    /// Whether a manifest was written under this tag.
    fn has_put(&self, tag: &str) -> bool {
        let is_it = |it: &Seen| matches!(&it.asks, Asks::Manifest { reference, .. } if reference == tag);
        self.recent().any(|it| it.method == "PUT" && it.is_ok() && is_it(it))
    }

    fn has_blobs(&self) -> bool {
        self.recent().any(|it| matches!(it.asks, Asks::Blob { .. }) && it.method == "GET" && it.is_ok())
    }

    /// The tag that it reads.
    fn tag(&self) -> Option<&str> {
        self.recent().filter(|it| is_tag(it)).find_map(|it| match &it.asks {
            Asks::Manifest { reference, .. } => Some(reference.as_str()),
            _ => None,
        })
    }
}

/// Whether it is about a manifest by its tag.
fn is_tag(seen: &Seen) -> bool {
    matches!(&seen.asks, Asks::Manifest { reference, .. } if !reference.contains(':'))
}

/// `sha256-…`: the tags under which signatures and referrers are kept.
fn is_companion(tag: &str) -> bool {
    tag.strip_prefix("sha256-")
        .is_some_and(|rest| rest.get(..64).is_some_and(|hex| hex.bytes().all(|it| it.is_ascii_hexdigit())))
}

/// Whether `seen` begins something new rather than goes on with `group`. `is_waiting`: a ping of the client waits.
pub(super) fn begins_anew(group: &Group, seen: &Seen, is_waiting: bool) -> bool {
    if let (Some(latest), Some(start)) = (group.latest(), seen.start)
        && start.0.saturating_sub(latest.0) > SILENCE
    {
        return true;
    }
    match &seen.asks {
        Asks::Token { .. } => is_waiting,
        Asks::Manifest { reference, .. } if seen.is_read() && is_tag(seen) => {
            !is_companion(reference) && (is_waiting || is_other_read(group, seen, reference))
        }
        Asks::Manifest { reference, .. } if seen.method == "GET" => {
            let same = |it: &Seen| matches!(&it.asks, Asks::Manifest { reference: known, .. } if known == reference);
            group.has_blobs() && group.recent().any(|it| same(it) && it.method == "GET" && it.is_ok())
        }
        Asks::Blob { .. } if seen.method == "HEAD" => begins_push(group, is_waiting),
        Asks::UploadStart { .. } => begins_push(group, is_waiting),
        _ => false,
    }
}

fn begins_push(group: &Group, is_waiting: bool) -> bool {
    group.has_pushed() || (is_waiting && group.has_read())
}

fn is_other_read(group: &Group, seen: &Seen, tag: &str) -> bool {
    if group.tag().is_some_and(|known| known != tag && !is_companion(known)) || group.has_put(tag) {
        return true;
    }
    let same = |it: &&Seen| matches!(&it.asks, Asks::Manifest { reference, .. } if reference == tag);
    let shows_nothing = seen.credentials == Credentials::None;
    let was_known =
        group.recent().filter(same).any(|it| !matches!(it.credentials, Credentials::None | Credentials::Unknown));
    let token_failed = group
        .recent()
        .find(|it| matches!(it.asks, Asks::Token { .. }))
        .is_some_and(|it| !it.is_ok() || matches!(it.content, Content::Unreadable(_) | Content::Page { .. }));
    if shows_nothing && (was_known || token_failed) {
        return true;
    }
    let answered =
        group.recent().filter(same).find(|it| it.method == seen.method && it.cut.is_none()).and_then(|it| it.status);
    match (&*seen.method, answered) {
        // A registry that is busy or broken is asked again by the same pull.
        (_, Some(300..=399 | 401 | 408 | 429 | 500..) | None) => false,
        (_, Some(400..)) => true,
        ("GET", Some(_)) => true,
        (_, Some(_)) => group.has_read(),
    }
}
