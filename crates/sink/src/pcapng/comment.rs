//! What the comments on packets say. In: what is known of a connection. Out: one line, when it says something new.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use sidelight_model::flow::{Authority, Direction, EventKind, Host, Leg, Verdict};

use crate::record::ConnectionRecord;

/// Bytes of a comment that come from outside.
const LONGEST_PART: usize = 256;

/// The comments of one connection: each conversation of it is commented on its first packet, and again when more is known.
#[derive(Debug)]
pub(super) struct Comments {
    /// What was said last on the legs and on the decrypted conversation.
    said: [String; 3],
    /// Whether something may have to be said there.
    news: [bool; 3],
    /// How the decrypted conversation differs from what it was.
    remark: Option<String>,
}

impl Default for Comments {
    fn default() -> Self {
        Self { said: Default::default(), news: [true; 3], remark: None }
    }
}

impl Comments {
    const DECRYPTED: usize = 2;

    /// Takes note when an event tells something that comments say.
    pub(super) fn learn(&mut self, kind: &EventKind) {
        let news = matches!(
            kind,
            EventKind::Process(_)
                | EventKind::Target(_)
                | EventKind::Hello(_)
                | EventKind::ClientTls(_)
                | EventKind::Decided(_)
        );
        if news {
            self.news = [true; 3];
        }
    }

    /// A new conversation on this leg must be commented afresh.
    pub(super) fn renew(&mut self, leg: Option<Leg>) {
        let place = leg.map_or(Self::DECRYPTED, Leg::index);
        self.said[place].clear();
        self.news[place] = true;
    }

    /// How the decrypted conversation differs from what it was.
    pub(super) fn set_remark(&mut self, remark: Option<String>) {
        self.remark = remark;
    }

    /// The comment on the next packet of a leg, if there is to be one.
    pub(super) fn leg(&mut self, conn: &ConnectionRecord, leg: Leg) -> Option<String> {
        self.next(leg.index(), || about(conn, leg_name(leg)))
    }

    /// The comment on the next packet of the decrypted conversation, if there is to be one.
    pub(super) fn decrypted(&mut self, conn: &ConnectionRecord) -> Option<String> {
        let remark = self.remark.clone();
        self.next(Self::DECRYPTED, || {
            let mut text = about(conn, "decrypted");
            if let Some(remark) = remark {
                let _ = write!(text, "; {remark}");
            }
            text
        })
    }

    fn next(&mut self, place: usize, text: impl FnOnce() -> String) -> Option<String> {
        if !std::mem::take(&mut self.news[place]) {
            return None;
        }
        let text = text();
        (self.said[place] != text).then(|| {
            self.said[place].clone_from(&text);
            text
        })
    }
}

/// The name of a leg in comments.
pub(super) const fn leg_name(leg: Leg) -> &'static str {
    match leg {
        Leg::Client => "client leg",
        Leg::Server => "service leg",
    }
}

/// The comment on a gap.
pub(super) fn gap(direction: Direction, bytes: u64) -> String {
    let who = match direction {
        Direction::ToServer => "client",
        Direction::ToClient => "service",
    };
    format!("sidelight: {bytes} bytes from the {who} before this packet are missing here")
}

/// `sidelight: connection 7, client leg; curl[1234]; container 0123456789ab; to registry.test:443; SNI registry.test; intercept`.
fn about(conn: &ConnectionRecord, part: &str) -> String {
    let mut text = format!("sidelight: connection {}, {part}", conn.id.0);
    if let Some(process) = &conn.process {
        let _ = write!(text, "; {}[{}]", plain(&process.name), process.pid);
        if let Some(container) = &process.container {
            let _ = write!(text, "; container {}", plain(container.get(..12).unwrap_or(container)));
        }
    }
    if let Some(target) = &conn.target {
        let _ = write!(text, "; to {}", plain(&target.to_string()));
    }
    let sni = conn.hello.as_ref().and_then(|hello| hello.sni.as_deref());
    if let Some(sni) = sni.or_else(|| conn.client_tls.as_ref().and_then(|side| side.sni.as_deref())) {
        let _ = write!(text, "; SNI {}", plain(sni));
    }
    if let Some(decision) = &conn.decision {
        let verdict = match decision.verdict {
            Verdict::Intercept => "intercept",
            Verdict::Plain => "plain",
            Verdict::Relay => "relay",
            Verdict::Refuse => "refuse",
        };
        let _ = write!(text, "; {verdict}");
        if !decision.because.is_empty() {
            let _ = write!(text, " ({})", plain(&decision.because));
        }
    }
    text
}

/// Words from outside, without what could be taken for the end of a line or of a part, and not too long.
fn plain(text: &str) -> String {
    let odd = |c: char| c.is_control() || c == ';';
    let mut length = 0;
    text.chars()
        .map(|c| if odd(c) { '\u{fffd}' } else { c })
        .take_while(|c| {
            length += c.len_utf8();
            length <= LONGEST_PART
        })
        .collect()
}

/// The name that an event tells of an address: the service was asked for by name, and reached there.
pub(super) fn name_of<'c>(conn: &'c ConnectionRecord, kind: &EventKind) -> Option<(IpAddr, &'c str)> {
    if !matches!(kind, EventKind::Upstream(_) | EventKind::Target(_)) {
        return None;
    }
    name(conn, conn.upstream?, conn.target.as_ref()?)
}

/// The name of the address at which a service was reached.
pub(super) fn name<'c>(
    conn: &ConnectionRecord,
    upstream: SocketAddr,
    target: &'c Authority,
) -> Option<(IpAddr, &'c str)> {
    // What was reached is a further proxy there, which has another name.
    let chained = conn.opened.as_ref().is_some_and(|opened| &*opened.mode == "upstream");
    let address = upstream.ip().to_canonical();
    match &target.host {
        Host::Name(name) if !chained && !address.is_loopback() && !address.is_unspecified() => Some((address, name)),
        _ => None,
    }
}
