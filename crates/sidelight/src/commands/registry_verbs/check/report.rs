//! What a check found. In: steps and findings. Out: [`Report`], shown by `render` and `schema`.

use sidelight_model::finding::{Cause, Finding};
use sidelight_model::registry::Reference;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// As it should.
    Good,
    /// It goes on, but oddly.
    Odd,
    /// It ends here.
    Bad,
}

/// One step of the conversation.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// `dns`, `tcp`, `proxy`, `tls`, `ping`, `token`, `manifest`, `platform`, `blob`.
    pub(crate) name: &'static str,
    /// Whom it was with: `registry`, `token server`, `storage`.
    pub(crate) party: &'static str,
    /// Host and port.
    pub(crate) at: String,
    /// How it went.
    pub(crate) state: State,
    /// What was seen.
    pub(crate) words: String,
}

/// One place that was asked: a mirror, or the registry.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// Where.
    pub(crate) place: String,
    /// Whether it stands in for the registry.
    pub(crate) is_mirror: bool,
    /// Whether certificates were not verified, and why.
    pub(crate) insecure: Option<String>,
    /// The steps, in order.
    pub(crate) steps: Vec<Step>,
    /// Why it failed, or that it did not.
    pub(crate) finding: Finding,
    /// What the client prints for it; empty: nothing fails.
    pub(crate) prints: Option<String>,
}

impl Way {
    /// Whether the image can be pulled this way.
    pub(crate) fn is_good(&self) -> bool {
        self.finding.cause == Cause::Ok
    }
}

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The image.
    pub(crate) image: Reference,
    /// The client whose settings counted.
    pub(crate) client: &'static str,
    /// The platform that was looked for.
    pub(crate) platform: String,
    /// The ways that were tried, in the client's order.
    pub(crate) ways: Vec<Way>,
    /// The files that counted.
    pub(crate) read: Vec<String>,
    /// Whose environment named the proxies.
    pub(crate) environment_of: Option<String>,
    /// What is odd about the client's settings.
    pub(crate) notes: Vec<String>,
}

impl Report {
    /// Whether the client gets the image.
    pub(crate) fn is_pullable(&self) -> bool {
        self.ways.iter().any(Way::is_good)
    }

    /// The way that answers: the one that works, else the registry itself, which is asked last; where a `hosts.toml` names it as a
    /// host besides, as that has it.
    pub(crate) fn decisive(&self) -> Option<&Way> {
        let last = self.ways.last()?;
        self.ways.iter().find(|way| way.is_good()).or_else(|| self.ways.iter().find(|way| way.place == last.place))
    }

    /// What the client prints when no way works. containerd tells of the first failure that is no 404, the others of the last.
    pub(crate) fn prints(&self) -> Option<&str> {
        if self.is_pullable() {
            return None;
        }
        let is_absent = |way: &&Way| {
            let absent = [Cause::ManifestUnknown, Cause::RepositoryUnknown, Cause::NotARegistry];
            absent.contains(&way.finding.cause)
        };
        let first = self.ways.iter().find(|way| !is_absent(way)).filter(|_| self.client == "containerd");
        first.or_else(|| self.decisive())?.prints.as_deref()
    }
}
