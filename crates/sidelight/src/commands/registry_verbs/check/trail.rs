//! What happened in a conversation, as it went. In: the registry client's events. Out: steps for people, and the facts by which a
//! refusal is judged.

use std::sync::{Arc, Mutex, PoisonError};

use sidelight_engine::registry_client::{Event, Listener, Party, Proof, Url};
use sidelight_model::flow::{Authority, TlsSide};
use sidelight_model::token::Presented;
use sidelight_model::x509::Certificate;
use sidelight_wire::registry::Challenge;

use super::report::{State, Step};

/// The most events that are kept.
const MOST: usize = 20_000;

/// Takes events from the client.
#[derive(Clone, Default)]
pub(super) struct Trail {
    events: Arc<Mutex<Vec<Event>>>,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    /// By whom.
    pub(super) party: Party,
    /// What was asked.
    pub(super) url: Option<Url>,
    /// How the request said who asks.
    pub(super) proof: Proof,
    /// The status.
    pub(super) status: u16,
    /// The fields.
    pub(super) fields: Vec<(String, String)>,
}

impl Answered {
    /// A field's value.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the body is a page for people.
    pub(super) fn is_page(&self) -> bool {
        self.field("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
    }
}

impl Trail {
    pub(super) fn listener(&self) -> Listener {
        let events = self.events.clone();
        Arc::new(move |event: &Event| {
            let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
            if events.len() < MOST {
                events.push(event.clone());
            }
        })
    }

    fn all(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answers so far, each with its question.
    pub(super) fn answers(&self) -> Vec<Answered> {
        let (mut found, mut asked) = (Vec::new(), None);
        for event in self.all() {
            match event {
                Event::Asked { url, proof, .. } => asked = Some((url, proof)),
                Event::Answered { party, status, fields } => {
                    let (url, proof) = asked.take().map_or((None, Proof::Nobody), |(url, proof)| (Some(url), proof));
                    found.push(Answered { party, url, proof, status, fields });
                }
                _ => {}
            }
        }
        found
    }

    /// The last answer of the registry or its storage.
    pub(super) fn last_answer(&self) -> Option<Answered> {
        self.answers().pop()
    }

    /// The first challenge.
    pub(super) fn challenges(&self) -> Option<Vec<Challenge>> {
        self.all().into_iter().find_map(|event| match event {
            Event::Challenged { challenges } => Some(challenges),
            _ => None,
        })
    }

    /// The last token that was granted, and for what it was asked.
    pub(super) fn token(&self) -> Option<(String, Box<Presented>)> {
        self.all().into_iter().rev().find_map(|event| match event {
            Event::Granted { scope, token, .. } => Some((scope, token)),
            _ => None,
        })
    }

    /// Where the registry sent the client for what it has.
    pub(super) fn redirects(&self) -> Vec<(Url, Url)> {
        let redirected = |event| match event {
            Event::Redirected { from, to, .. } => Some((from, to)),
            _ => None,
        };
        self.all().into_iter().filter_map(redirected).collect()
    }

    /// Steps for what happened from the `from`th event on, and how many events there are now. A place is told once.
    pub(super) fn steps(&self, from: usize, known: &[Step]) -> (Vec<Step>, usize) {
        let all = self.all();
        let mut steps: Vec<Step> = Vec::new();
        for event in all.iter().skip(from) {
            let more = match event {
                Event::Connected { party, to, address, proxy, tls } => {
                    connected(*party, to, &address.to_string(), proxy.as_ref(), tls.as_deref())
                }
                Event::Granted { scope, expires_in, token } => granted(&all, scope, *expires_in, token),
                Event::Resumed { what, at, why } => {
                    let words = format!("{what} broke off at byte {at} and was taken up again: {why}");
                    vec![Step { name: "blob", party: "registry", at: String::new(), state: State::Odd, words }]
                }
                _ => Vec::new(),
            };
            for step in more {
                let same = |it: &Step| it.name == step.name && it.at == step.at && it.words == step.words;
                if !known.iter().chain(&steps).any(same) {
                    steps.push(step);
                }
            }
        }
        (steps, all.len())
    }
}

/// A party's name.
pub(super) const fn party_name(party: Party) -> &'static str {
    match party {
        Party::Registry => "registry",
        Party::TokenServer => "token server",
        Party::Storage => "storage",
    }
}

pub(super) fn step(name: &'static str, party: Party, at: &Authority, state: State, words: String) -> Step {
    Step { name, party: party_name(party), at: at.to_string(), state, words }
}

fn connected(
    party: Party,
    to: &Authority,
    address: &str,
    proxy: Option<&Authority>,
    tls: Option<&TlsSide>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    match proxy {
        Some(proxy) => steps.push(step("proxy", party, to, State::Good, format!("through {proxy} ({address})"))),
        None => {
            let ip = address.rsplit_once(':').map_or(address, |(ip, _)| ip);
            if to.host.ip().is_none() {
                steps.push(step("dns", party, to, State::Good, format!("{} is {ip}", to.host)));
            }
            steps.push(step("tcp", party, to, State::Good, format!("{address} answers")));
        }
    }
    steps.push(match tls {
        None => step("tls", party, to, State::Odd, "none: plain HTTP, which is allowed here".to_owned()),
        Some(side) => {
            let leaf = side.chain.first().and_then(|der| Certificate::parse(der).ok());
            let until = leaf.map_or(String::new(), |leaf| {
                format!(", certificate of {} until {}", leaf.issuer, leaf.not_after.date())
            });
            match &side.verified {
                Some(Err(why)) => {
                    step("tls", party, to, State::Odd, format!("{}{until}; not verified: {why}", side.version.name()))
                }
                _ => step("tls", party, to, State::Good, format!("{}{until}", side.version.name())),
            }
        }
    });
    steps
}

fn granted(all: &[Event], scope: &str, expires_in: u64, token: &Presented) -> Vec<Step> {
    let asked = all.iter().rev().find_map(|event| match event {
        Event::Asked { party: Party::TokenServer, url, proof, .. } => Some((url, *proof)),
        _ => None,
    });
    let Some((url, proof)) = asked else { return Vec::new() };
    let who = if proof == Proof::Nobody { "as nobody" } else { "with a login" };
    let kid = if token.header.kid.is_empty() { String::new() } else { format!(", key {}", token.header.kid) };
    let words = format!("granted {who} for `{scope}`, {expires_in} s{kid}");
    let state = if url.tls || url.is_loopback() { State::Good } else { State::Odd };
    vec![step("token", Party::TokenServer, &url.authority, state, words)]
}
