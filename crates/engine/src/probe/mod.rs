//! Gathers what can be seen of an endpoint. In: a question, and the ways there. Out: [`Facts`]. Nothing is judged here: what to
//! try next comes from `model::diagnose::plan`, and what it means from `model::diagnose::judge`.
//!
//! Every step is bounded: by the question's patience, by bytes, and by the number of rounds and attempts.

mod fetch;
mod handshake;
mod hello;
mod identity;
mod plain;
mod reach;
#[cfg(test)]
mod tests;
mod witness;

pub use identity::read_identity;

use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use sidelight_model::diagnose::{Ask, Attempt, Facts, Fetched, Plain, Question, Roots, Variant, plan};
use sidelight_model::flow::Authority;
use sidelight_model::x509::Anchors;
use tokio::sync::Semaphore;

use crate::dial::Proxy;
use crate::resolve::Resolver;
use crate::tls::{Trusted, Verifier};

/// Rounds of asking; each rests on what the one before it brought.
const MOST_ROUNDS: usize = 12;

/// Connections to one endpoint that are open at the same time.
const AT_ONCE: usize = 6;

/// An application protocol that nobody speaks, offered last: it says that the connection will end after the handshake because no more is
/// wanted. Without it, our own proxy would take the client for one that refuses its certificate, and leave it alone from then on.
pub const LOOK: &[u8] = b"sidelight-look";

/// How the endpoint is reached and by what it is judged.
pub struct Ways {
    /// Names to addresses.
    pub resolver: Resolver,
    /// Who that asks, for people, and its search list.
    pub resolver_name: (String, Vec<String>),
    /// The proxy.
    pub proxy: Option<Arc<Proxy>>,
    /// The client's certificate with its key, where they fit.
    pub identity: Option<Arc<CertifiedKey>>,
    /// The roots in DER, for the library's verdict.
    pub trusted: Trusted,
    /// Told before each round what is tried.
    pub progress: Option<Progress>,
}

/// Hears what is being tried.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

impl std::fmt::Debug for Ways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ways").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

/// What a step brought.
enum Brought {
    Attempt(Box<Attempt>),
    Plain(Plain),
    Suites(u16, Vec<String>),
    Issuers(Vec<Fetched>),
    Ocsp(Fetched),
    List(Fetched),
}

/// Tries the endpoint until nothing more can be learnt. `others` are roots for comparison.
pub async fn probe(question: Question, roots: Roots, others: Vec<(String, Anchors)>, ways: Arc<Ways>) -> Facts {
    let mut facts = Facts::new(question, roots);
    facts.others = others;
    let question = Arc::new(facts.question.clone());
    let told = |what: &str| {
        if let Some(progress) = &ways.progress {
            progress(what);
        }
    };
    told(&format!("{}: connecting", question.target));
    if let Some(conn) = reach::reach(&mut facts, &ways).await {
        told(&format!("{}: shaking hands", question.target));
        facts.attempts.push(handshake::attempt(&question, &ways, Variant::AsAsked, Some(conn)).await);
    } else if facts.proxy_failure.is_some() {
        facts.attempts.extend(around(&question, &ways).await);
    }
    for _ in 0..MOST_ROUNDS {
        facts.library = library(&facts, &ways);
        let asks = plan(&facts);
        if asks.is_empty() {
            break;
        }
        told(&format!("{}: {} further attempts", question.target, asks.len()));
        ask(&mut facts, &question, &ways, asks).await;
    }
    facts.library = library(&facts, &ways);
    facts
}

/// Connects once, as it was asked for, and tries nothing further: what is checked and what is kept come from the same connection.
/// It is marked as a look ([`LOOK`]), except after STARTTLS, where no application protocol is named.
pub async fn look(mut question: Question, ways: Arc<Ways>) -> Facts {
    if question.alpn.is_empty() && question.starttls.is_none() {
        question.alpn = [&b"h2"[..], b"http/1.1", LOOK].map(<[u8]>::to_vec).into();
    }
    let mut facts = Facts::new(question, Roots::default());
    let question = Arc::new(facts.question.clone());
    if let Some(conn) = reach::reach(&mut facts, &ways).await {
        facts.attempts.push(handshake::attempt(&question, &ways, Variant::AsAsked, Some(conn)).await);
    }
    facts
}

/// Certificates from the address that a certificate names for its issuer; bounded in bytes and time.
pub async fn issuers_at(question: &Question, ways: &Ways, url: String) -> Vec<Fetched> {
    fetch::issuers(question, ways, url).await
}

/// The way around a proxy that gave no tunnel. What failed comes first among attempts.
async fn around(question: &Arc<Question>, ways: &Arc<Ways>) -> Vec<Attempt> {
    let failed = Attempt::new(
        Variant::AsAsked,
        sidelight_model::diagnose::End::NotConnected("the proxy gave no tunnel".to_owned()),
    );
    vec![failed, handshake::attempt(question, ways, Variant::Direct, None).await]
}

/// Does all that is asked, some at a time, and keeps the order of the questions.
async fn ask(facts: &mut Facts, question: &Arc<Question>, ways: &Arc<Ways>, asks: Vec<Ask>) {
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let ocsp = sidelight_model::diagnose::ocsp_issuer(facts);
    let running: Vec<_> = asks
        .into_iter()
        .map(|ask| {
            let (gate, question, ways, ocsp) = (gate.clone(), question.clone(), ways.clone(), ocsp.clone());
            tokio::spawn(async move {
                let _turn = gate.acquire().await;
                answer(&question, &ways, ask, ocsp.as_ref()).await
            })
        })
        .collect();
    for task in running {
        match task.await {
            Ok(Brought::Attempt(attempt)) => facts.attempts.push(*attempt),
            Ok(Brought::Plain(plain)) => facts.plain.push(plain),
            Ok(Brought::Suites(version, names)) => facts.suites.push((version, names)),
            Ok(Brought::Issuers(fetched)) => facts.issuers.extend(fetched),
            Ok(Brought::Ocsp(fetched)) => facts.ocsp.push(fetched),
            Ok(Brought::List(fetched)) => facts.lists.push(fetched),
            // A step that broke brought nothing; the plan does not wait for it for ever.
            Err(_) => {}
        }
    }
}

type Pair = (sidelight_model::x509::Certificate, sidelight_model::x509::Certificate);

async fn answer(question: &Question, ways: &Ways, ask: Ask, ocsp: Option<&Pair>) -> Brought {
    match ask {
        Ask::Try(variant @ (Variant::Every(_) | Variant::FiniteField(_))) => {
            Brought::Attempt(Box::new(hello::attempt(question, ways, variant).await))
        }
        Ask::Try(variant) => Brought::Attempt(Box::new(handshake::attempt(question, ways, variant, None).await)),
        Ask::Say(words) => Brought::Plain(plain::say(question, ways, words).await),
        Ask::Suites(version) => Brought::Suites(version, hello::suites(question, ways, version).await),
        Ask::Issuer(url) => Brought::Issuers(fetch::issuers(question, ways, url).await),
        Ask::Ocsp(url) => Brought::Ocsp(fetch::ocsp(question, ways, url, ocsp).await),
        Ask::List(url) => Brought::List(fetch::list(question, ways, url).await),
    }
}

/// The library's verdict on what was sent.
fn library(facts: &Facts, ways: &Ways) -> Option<Result<(), String>> {
    let attempt = facts.certified()?;
    let verifier = Verifier::new(&ways.trusted).ok()?;
    let chain: Vec<CertificateDer<'_>> = attempt.chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    Some(verifier.ask_library(&chain, &facts.question.name, facts.question.at))
}

/// This moment.
pub fn now() -> sidelight_model::time::Timestamp {
    SystemTime::now().into()
}

/// The place that TCP goes to: the endpoint, or another address of it.
fn destination(question: &Question, variant: &Variant) -> Authority {
    match variant {
        Variant::At(address) => Authority::from(*address),
        _ => question.target.clone(),
    }
}
