//! What to try next. In: what was seen so far. Out: the attempts that can still tell causes apart; none when nothing can.
//!
//! Each question is asked once. The plan only grows by what was learnt, so that asking ends after a few rounds.

use std::net::SocketAddr;

use super::details::Details;
use super::facts::{End, Facts, Late, PlainWords, Variant};
use crate::flow::Host;
use crate::x509::Certificate;

/// Fetched issuers, each a step further up.
const MOST_ISSUERS: usize = 4;

/// Addresses of one name that are tried besides the first.
const MOST_ADDRESSES: usize = 8;

/// Versions before TLS 1.3, the newest first.
const OLD_VERSIONS: [u16; 4] = [0x0303, 0x0302, 0x0301, 0x0300];

/// Something to try.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// A handshake of this kind.
    Try(Variant),
    /// Words without TLS.
    Say(PlainWords),
    /// The suites that the server takes with this version.
    Suites(u16),
    /// The certificate of an issuer.
    Issuer(String),
    /// An OCSP response for the leaf, by its issuer.
    Ocsp(String),
    /// A revocation list.
    List(String),
}

/// What to try now, all of it at the same time if need be. Empty: nothing more can be learnt.
pub fn plan(facts: &Facts) -> Vec<Ask> {
    let Some(main) = facts.main() else { return Vec::new() };
    let mut asks = match &main.end {
        End::NotConnected(_) | End::StarttlsRefused(_) => Vec::new(),
        End::Finished => after_success(facts),
        End::NotTls(..) => Vec::new(),
        _ => after_failure(facts),
    };
    asks.extend(everywhere(facts));
    let mut unique: Vec<Ask> = Vec::new();
    for ask in asks {
        if !done(facts, &ask) && !unique.contains(&ask) {
            unique.push(ask);
        }
    }
    unique
}

fn done(facts: &Facts, ask: &Ask) -> bool {
    match ask {
        Ask::Try(variant) => facts.attempt(variant).is_some(),
        Ask::Say(words) => facts.plain.iter().any(|plain| plain.words == *words),
        Ask::Suites(version) => facts.suites.iter().any(|(known, _)| known == version),
        Ask::Issuer(url) => facts.issuers.len() >= MOST_ISSUERS || facts.issuers.iter().any(|it| it.url == *url),
        Ask::Ocsp(url) => facts.ocsp.iter().any(|it| it.url == *url),
        Ask::List(url) => facts.lists.iter().any(|it| it.url == *url),
    }
}

/// The way around the proxy, and other addresses.
fn everywhere(facts: &Facts) -> Vec<Ask> {
    let mut asks = Vec::new();
    let failed = facts.main().is_some_and(|main| !main.finished());
    if facts.question.proxy.is_some() {
        asks.push(Ask::Try(Variant::Direct));
        return asks;
    }
    if facts.question.every_address || failed {
        let used = facts.main().and_then(|main| main.peer);
        let known = facts.resolution.addresses.iter().flatten().flatten();
        let others = known.map(|ip| SocketAddr::new(*ip, facts.question.target.port)).filter(|it| Some(*it) != used);
        asks.extend(others.take(MOST_ADDRESSES).map(|address| Ask::Try(Variant::At(address))));
    }
    asks
}

fn after_success(facts: &Facts) -> Vec<Ask> {
    let Some(main) = facts.main() else { return Vec::new() };
    let mut asks = Vec::new();
    asks.extend(with_name(facts));
    if main.request.is_some() && is_quiet(main.late.as_ref()) && facts.question.starttls.is_none() {
        asks.push(Ask::Try(Variant::Http));
    }
    if main.presented && late_refusal(facts) {
        asks.push(Ask::Try(Variant::Anonymous));
    }
    asks.extend(OLD_VERSIONS.map(|version| Ask::Try(Variant::Every(version))));
    let versions = facts.versions();
    asks.extend(versions.iter().filter(|version| **version >= 0x0303).map(|version| Ask::Suites(*version)));
    if facts.suites.iter().flat_map(|(_, names)| names).any(|name| name.contains("_DHE_")) {
        asks.push(Ask::Try(Variant::FiniteField(0x0303)));
    }
    asks.extend(fetches(facts));
    asks
}

const fn is_quiet(late: Option<&Late>) -> bool {
    matches!(late, None | Some(Late::Quiet))
}

fn late_refusal(facts: &Facts) -> bool {
    facts.attempts.iter().any(|attempt| !is_quiet(attempt.late.as_ref()))
}

/// With the name that was left out, where there is one.
fn with_name(facts: &Facts) -> Option<Ask> {
    match (&facts.question.sni, &facts.question.name) {
        (None, Host::Name(name)) => Some(Ask::Try(Variant::WithSni(name.clone()))),
        _ => None,
    }
}

fn after_failure(facts: &Facts) -> Vec<Ask> {
    let Some(main) = facts.main() else { return Vec::new() };
    if main.request.is_some() {
        // It is about the client's certificate: what is offered makes no difference.
        let mut asks = if main.presented { vec![Ask::Try(Variant::Anonymous)] } else { Vec::new() };
        asks.extend(fetches(facts));
        return asks;
    }
    let mut asks: Vec<Ask> = Vec::new();
    asks.extend(with_name(facts));
    if matches!(main.end, End::ChainTooLarge(_)) {
        return asks;
    }
    asks.extend([Variant::Again, Variant::Small, Variant::Tls12].map(Ask::Try));
    if facts.question.sni.is_some() {
        asks.push(Ask::Try(Variant::WithoutSni));
        asks.push(Ask::Try(Variant::WithSni(OTHER_NAME.to_owned())));
    }
    if matches!(&main.end, End::Alert(alert) if alert.number == 120) {
        asks.push(Ask::Try(Variant::WithoutAlpn));
    }
    let first_round: bool = asks.iter().all(|ask| done(facts, ask));
    if !first_round || any_modern(facts) {
        asks.extend(fetches(facts));
        return asks;
    }
    asks.extend(OLD_VERSIONS.map(|version| Ask::Try(Variant::Every(version))));
    let legacy_done = asks.iter().all(|ask| done(facts, ask));
    if legacy_done && facts.attempts.iter().all(|attempt| !attempt.spoke_tls()) && facts.question.starttls.is_none() {
        asks.extend(plain_words(facts));
    }
    asks.extend(fetches(facts));
    asks
}

/// A name that no filter and no server knows (RFC 6761 reserves `.test`… and `.invalid`).
pub(super) const OTHER_NAME: &str = "sidelight-probe.invalid";

/// Whether some present-day attempt was answered.
fn any_modern(facts: &Facts) -> bool {
    facts.attempts.iter().skip(1).any(|attempt| !matches!(attempt.variant, Variant::Every(_)) && attempt.answered)
}

/// Silence first: most servers of plain protocols say what they are.
fn plain_words(facts: &Facts) -> Vec<Ask> {
    let told = |words: PlainWords| facts.plain.iter().any(|plain| plain.words == words);
    if facts.plain.iter().any(|plain| !plain.heard.is_empty()) {
        return Vec::new();
    }
    if !told(PlainWords::Silence) {
        return vec![Ask::Say(PlainWords::Silence)];
    }
    [PlainWords::Http, PlainWords::Starttls("postgres"), PlainWords::Starttls("ldap"), PlainWords::Starttls("xmpp")]
        .map(Ask::Say)
        .to_vec()
}

/// Missing issuers, then what is known of revocation.
fn fetches(facts: &Facts) -> Vec<Ask> {
    if !facts.question.may_fetch {
        return Vec::new();
    }
    let climbed = super::chain::climb(facts);
    let Some(top) = climbed.path.last() else { return Vec::new() };
    if !climbed.anchored && !top.is_self_issued() {
        return top.issuer_urls.iter().filter(|url| fetchable(url)).take(2).cloned().map(Ask::Issuer).collect();
    }
    let (Some(leaf), Some(_)) = (climbed.path.first(), climbed.path.get(1)) else { return Vec::new() };
    let ocsp = first_url(&Details::of(leaf).ocsp_urls).map(Ask::Ocsp);
    let answered = facts.ocsp.iter().any(|fetched| fetched.body.is_ok());
    let mut asks: Vec<Ask> = ocsp.clone().into_iter().collect();
    let without_leaf = usize::from(answered);
    let settled = ocsp.is_none_or(|ask| done(facts, &ask));
    if settled {
        let listed = climbed.path.iter().take(climbed.path.len() - 1).skip(without_leaf).take(3);
        asks.extend(listed.filter_map(|cert| first_url(&Details::of(cert).crl_urls)).map(Ask::List));
    }
    asks
}

fn first_url(urls: &[String]) -> Option<String> {
    urls.iter().find(|url| fetchable(url)).cloned()
}

/// Plain HTTP alone: what is fetched is signed, and TLS would ask the same questions again.
fn fetchable(url: &str) -> bool {
    url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")) && url.len() <= 2048
}

/// The issuer that an OCSP response for the leaf has to come from.
pub fn ocsp_issuer(facts: &Facts) -> Option<(Certificate, Certificate)> {
    let climbed = super::chain::climb(facts);
    Some((climbed.path.first()?.clone(), climbed.path.get(1)?.clone()))
}
