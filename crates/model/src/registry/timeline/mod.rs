//! What clients did with registries: each pull, push and login as a block of steps with a verdict. In: [`Seen`] requests in the
//! order of their beginnings. Out: [`Block`]s. Spec: OCI distribution-spec 1.1, distribution's token authentication.
//!
//! Requests are sorted into blocks by who asks, which registry and which repository (`group`); a block's requests are gathered into
//! steps (`gather`); then the steps are judged (`judge`).

mod fit;
mod gather;
mod group;
mod judge;
mod process;
mod refusal;
#[cfg(test)]
mod tests;
mod token;

use std::collections::HashSet;

use super::Program;
use super::seen::{Asks, Caller, Descriptor, Digest, Manifest, Seen};
use crate::finding::{Cause, Evidence, Fix, Party};
use crate::time::Timestamp;

/// What a client wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// To read an image.
    Pull,
    /// To write one.
    Push,
    /// To remove something.
    Delete,
    /// To prove who it is.
    Login,
    /// To list repositories or tags, or to look at what is there.
    Look,
    /// To connect: nothing more was seen.
    Connect,
}

impl Action {
    /// The word for it in text and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Login => "login",
            Self::Look => "look",
            Self::Connect => "connect",
        }
    }
}

/// One pull, push or login.
#[derive(Clone, Debug)]
pub struct Block {
    /// What the client wanted.
    pub action: Action,
    /// The registry.
    pub host: String,
    /// The repository.
    pub repository: Option<String>,
    /// The tag, or the digest.
    pub reference: Option<String>,
    /// Who asked.
    pub caller: Caller,
    /// The program by its user agent.
    pub program: Program,
    /// In the order of their beginnings.
    pub steps: Vec<Step>,
    /// How it went.
    pub verdict: Verdict,
}

/// One step: one thing that the client wanted, with all requests that it took.
#[derive(Clone, Debug)]
pub struct Step {
    /// What.
    pub what: What,
    /// The requests; never empty.
    pub seen: Vec<Seen>,
    /// How it ended.
    pub state: State,
}

/// What a step is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A connection on which nothing was asked.
    Connect,
    /// Is the API there, and may I enter?
    Ping,
    /// A token.
    Token,
    /// A manifest is read.
    Manifest(String),
    /// A manifest is written.
    PutManifest(String),
    /// The configuration of an image is read.
    Config(String),
    /// A layer is read; its number from 1 and of how many, the lowest first.
    Layer(String, usize, usize),
    /// A blob is read, of which no manifest tells what it is.
    Blob(String),
    /// Is a blob there?
    Look(String),
    /// A blob is written; its digest is unknown until the end.
    Upload(Option<String>),
    /// A blob is taken from another repository.
    Mount(String, String),
    /// What refers to a manifest.
    Referrers(String),
    /// The tags of a repository.
    Tags,
    /// The repositories.
    Catalog,
    /// A manifest or blob is removed.
    Delete(String),
}

impl What {
    /// The word for it in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ping => "ping",
            Self::Token => "token",
            Self::Manifest(_) => "manifest",
            Self::PutManifest(_) => "put_manifest",
            Self::Config(_) => "config",
            Self::Layer(..) => "layer",
            Self::Blob(_) => "blob",
            Self::Look(_) => "blob_check",
            Self::Upload(_) => "upload",
            Self::Mount(..) => "mount",
            Self::Referrers(_) => "referrers",
            Self::Tags => "tags",
            Self::Catalog => "catalog",
            Self::Delete(_) => "delete",
        }
    }

    /// The tag or digest that it is about.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Manifest(it)
            | Self::PutManifest(it)
            | Self::Config(it)
            | Self::Layer(it, ..)
            | Self::Blob(it)
            | Self::Look(it)
            | Self::Upload(Some(it))
            | Self::Mount(it, _)
            | Self::Referrers(it)
            | Self::Delete(it) => Some(it),
            Self::Connect | Self::Ping | Self::Token | Self::Upload(None) | Self::Tags | Self::Catalog => None,
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// As it should.
    Done,
    /// The registry wants to know who asks; nothing is wrong with that.
    Challenged,
    /// It is not there, and that is what the client wanted to know.
    Absent,
    /// The registry sent the client to another host, and what it did there was not recorded.
    Elsewhere,
    /// Refused, or wrong.
    Failed,
    /// Broken off.
    Cut,
}

impl State {
    /// The word for it in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Challenged => "challenged",
            Self::Absent => "absent",
            Self::Elsewhere => "elsewhere",
            Self::Failed => "failed",
            Self::Cut => "cut",
        }
    }
}

/// How a block went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// All that was asked was given.
    Ok,
    /// A step failed.
    Failed,
    /// It stopped before its end, and nothing in the traffic says why.
    Unfinished,
}

impl Outcome {
    /// The word for it in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unfinished => "unfinished",
        }
    }
}

/// The verdict on a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it went.
    pub outcome: Outcome,
    /// The cause; [`Cause::Ok`] where there is none.
    pub cause: Cause,
    /// Who has to change something.
    pub fault: Party,
    /// One sentence for a person.
    pub summary: String,
    /// Index of the step that failed.
    pub step: Option<usize>,
    /// Facts that support it.
    pub evidence: Vec<Evidence>,
    /// What to do, the most likely first.
    pub fixes: Vec<Fix>,
    /// What else is worth to know.
    pub notes: Vec<String>,
}

/// Puts requests in order. `seen` need not be sorted; those without times stay in their order.
pub fn build(mut seen: Vec<Seen>) -> Vec<Block> {
    seen.sort_by_key(|it| it.start);
    group::groups(seen).into_iter().map(block).collect()
}

fn block(group: group::Group) -> Block {
    let steps = gather::steps(group.seen);
    let action = action(&steps);
    let reference = reference(&steps, action);
    let agent = steps.iter().flat_map(|it| &it.seen).map(|it| it.caller.agent.as_str()).find(|it| !it.is_empty());
    let program = Program::of(agent.unwrap_or_default());
    let (host, repository, caller) = (group.host, group.repository, group.caller);
    let mut block = Block { action, host, repository, reference, caller, program, steps, verdict: judge::nothing() };
    block.verdict = judge::judge(&block);
    block
}

fn action(steps: &[Step]) -> Action {
    let any = |is: &dyn Fn(&What) -> bool| steps.iter().any(|step| is(&step.what));
    let wants = |action: &str| {
        let scopes = |seen: &Seen| match &seen.asks {
            Asks::Token { scopes, .. } => scopes.iter().any(|it| it.actions.iter().any(|known| known == action)),
            _ => false,
        };
        steps.iter().flat_map(|step| &step.seen).any(scopes)
    };
    if any(&|it| matches!(it, What::PutManifest(_) | What::Upload(_) | What::Mount(..))) {
        return Action::Push;
    }
    if any(&|it| matches!(it, What::Delete(_))) {
        return Action::Delete;
    }
    if any(&|it| matches!(it, What::Manifest(_) | What::Config(_) | What::Layer(..) | What::Blob(_))) {
        return Action::Pull;
    }
    if any(&|it| matches!(it, What::Tags | What::Catalog | What::Referrers(_))) {
        return Action::Look;
    }
    match () {
        () if wants("push") || any(&|it| matches!(it, What::Look(_))) => Action::Push,
        () if wants("pull") => Action::Pull,
        () if any(&|it| matches!(it, What::Ping | What::Token)) => Action::Login,
        () => Action::Connect,
    }
}

/// The tag, or the digest where there is no tag.
fn reference(steps: &[Step], action: Action) -> Option<String> {
    let all = || {
        steps.iter().filter_map(move |step| match (&step.what, action) {
            (What::PutManifest(it), Action::Push) | (What::Delete(it), Action::Delete) => Some(it),
            (What::Manifest(it), Action::Pull | Action::Look) => Some(it),
            _ => None,
        })
    };
    all().find(|it| !it.contains(':')).or_else(|| all().next()).cloned()
}

impl Step {
    /// Its last request.
    pub fn last(&self) -> Option<&Seen> {
        self.seen.last()
    }

    /// When it began and ended, where the source tells times.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let start = self.seen.iter().filter_map(|it| it.start).min()?;
        let end = self.seen.iter().filter_map(|it| it.end.or(it.answered).or(it.start)).max()?;
        Some((start, end.max(start)))
    }

    /// Bytes of what the step was for: read, or written.
    pub fn bytes(&self) -> u64 {
        let count = |of: fn(&Seen) -> u64| self.seen.iter().map(of).fold(0, u64::saturating_add);
        match self.what {
            What::Upload(_) | What::PutManifest(_) => count(|it| it.sent),
            _ => {
                // What a redirection or a refusal says is not what was wanted.
                let is_ok = |it: &Seen| it.status.is_some_and(|status| (200..300).contains(&status));
                let wanted = |it: &&Seen| is_ok(it) && it.method != "HEAD";
                self.seen.iter().filter(wanted).map(|it| it.received).fold(0, u64::saturating_add)
            }
        }
    }

    /// Bytes a second while they flowed; `None` where times or bytes are too few to tell.
    pub fn speed(&self) -> Option<u64> {
        let is_upload = matches!(self.what, What::Upload(_));
        let flowed = self.seen.iter().filter_map(|it| {
            let from = if is_upload { it.start? } else { it.answered.or(it.start)? };
            Some(it.end?.since(from))
        });
        let micros = flowed.map(|it| it.as_micros()).fold(0, u128::saturating_add);
        if micros < 1_000 || self.bytes() < 10_000 {
            return None;
        }
        u64::try_from(u128::from(self.bytes()) * 1_000_000 / micros).ok()
    }

    /// Whether content and digest agree; the worst of its requests counts, then the last that tells.
    pub fn digest(&self) -> &Digest {
        let differs = self.seen.iter().find(|it| matches!(it.digest, Digest::Differs { .. }));
        let told = || self.seen.iter().rev().find(|it| it.digest != Digest::NotCompared);
        differs.or_else(told).map_or(&Digest::NotCompared, |it| &it.digest)
    }

    /// The manifest that was read or written.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.seen.iter().rev().find_map(Seen::manifest)
    }

    /// The requests that were answered by another host than the registry.
    pub fn storage(&self) -> Option<&Seen> {
        self.seen.iter().rev().find(|it| it.asks == Asks::Redirected)
    }
}

impl Seen {
    /// The manifest in it.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.content {
            super::seen::Content::Manifest(manifest) => Some(manifest),
            _ => None,
        }
    }
}

impl Block {
    /// When it began and ended, where the source tells times.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let spans = || self.steps.iter().filter_map(Step::span);
        Some((spans().map(|it| it.0).min()?, spans().map(|it| it.1).max()?))
    }

    /// The image, as people write it: `HOST/NAME:TAG`.
    pub fn image(&self) -> String {
        let mut text = self.host.clone();
        if let Some(repository) = &self.repository {
            text = format!("{text}/{repository}");
            if let Some(reference) = &self.reference {
                let mark = if reference.contains(':') { '@' } else { ':' };
                text = format!("{text}{mark}{reference}");
            }
        }
        text
    }

    /// The parts of the image that its manifests name and that no step fetched: the client had them, or never came so far.
    pub fn not_fetched(&self) -> Vec<&Descriptor> {
        let fetched =
            self.steps.iter().filter(|it| matches!(it.what, What::Config(_) | What::Layer(..) | What::Blob(_)));
        let mut known: HashSet<&str> = fetched.filter_map(|it| it.what.reference()).collect();
        let manifests = self.steps.iter().filter(|it| matches!(it.what, What::Manifest(_))).filter_map(Step::manifest);
        let parts = manifests.flat_map(|it| it.config.iter().chain(&it.layers));
        parts.filter(|it| known.insert(&it.digest)).collect()
    }
}

/// `once`, `3 times`.
fn times(number: usize) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}
