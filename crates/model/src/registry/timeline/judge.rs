//! How a block went, and which step failed. In: a block's steps. Out: its [`Verdict`]. Why a step failed is [`super::refusal`]'s and
//! [`super::token`]'s business.

use super::super::seen::{Asks, Digest, Seen};
use super::refusal::refusal;
use super::{Action, Block, Outcome, State, Step, Verdict, What};
use crate::finding::{Cause, Evidence, Fix, Party};

/// Steps that are judged: of more, the last ones.
const MOST_JUDGED: usize = 4096;

/// How the note about an index begins.
const ONLY_INDEX: &str = "only the index was read";

/// A verdict before there is one.
pub(super) fn nothing() -> Verdict {
    Verdict {
        outcome: Outcome::Ok,
        cause: Cause::Ok,
        fault: Party::None,
        summary: String::new(),
        step: None,
        evidence: Vec::new(),
        fixes: Vec::new(),
        notes: Vec::new(),
    }
}

impl Verdict {
    /// Of a step that failed.
    pub(super) fn failed(cause: Cause, summary: impl Into<String>) -> Self {
        let outcome = if cause == Cause::Stopped { Outcome::Unfinished } else { Outcome::Failed };
        Self { outcome, cause, fault: cause.party(), summary: summary.into(), ..nothing() }
    }

    #[must_use]
    pub(super) fn with_evidence(mut self, what: &str, place: impl Into<String>, value: impl Into<String>) -> Self {
        self.evidence.push(Evidence { what: what.to_owned(), place: place.into(), value: value.into() });
        self
    }

    #[must_use]
    pub(super) fn with_fix(mut self, action: impl Into<String>, how: impl Into<String>) -> Self {
        self.fixes.push(Fix { action: action.into(), how: how.into() });
        self
    }

    #[must_use]
    pub(super) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Judges a block.
pub(super) fn judge(block: &Block) -> Verdict {
    let mut verdict = match failing(block) {
        Some(at) => {
            let mut verdict = refusal(block, &block.steps[at]);
            verdict.step = Some(at);
            if verdict.evidence.is_empty()
                && let Some(last) = block.steps[at].last()
            {
                verdict = verdict.with_evidence("request", flow(last), request(last));
            }
            verdict
        }
        None => finished(block),
    };
    // What the verdict says already needs no note.
    let is_said = |note: &String| verdict.cause == Cause::PlatformMissing && note.starts_with(ONLY_INDEX);
    let notes: Vec<String> = notes(block).into_iter().filter(|note| !is_said(note)).collect();
    verdict.notes.extend(notes);
    verdict
}

/// `flow 12`, as `flows show` takes it; whom it was asked of, where the source has no numbers.
pub(super) fn flow(seen: &Seen) -> String {
    seen.flow.map_or_else(|| seen.place.host.clone(), |flow| format!("flow {flow}"))
}

/// `GET https://…: 404 Not Found`, in short.
pub(super) fn request(seen: &Seen) -> String {
    let answer = match (seen.status, &seen.cut) {
        (Some(status), None) => status.to_string(),
        (Some(status), Some(cut)) => format!("{status}, then {cut}"),
        (None, Some(cut)) => format!("no answer: {cut}"),
        (None, None) => "no answer".to_owned(),
    };
    match &seen.asks {
        Asks::Connection => format!("connection to {}", seen.place.host),
        _ => format!("{} {}: {answer}", seen.method, seen.place),
    }
}

/// The step because of which it did not work: of those that failed and were not made good later, the first. What a client breaks
/// off itself because of it comes after.
fn failing(block: &Block) -> Option<usize> {
    let first = block.steps.len().saturating_sub(MOST_JUDGED);
    let is_whole = is_whole(block);
    // A connection that a client left unused beside others is no failure, if all went well without it.
    let is_spare = |at: &usize| is_whole && block.steps[*at].what == What::Connect;
    let bad: Vec<usize> = (first..block.steps.len()).filter(|at| is_bad(block, *at) && !is_spare(at)).collect();
    let of = |state: State| bad.iter().copied().find(|at| block.steps[*at].state == state);
    let first = of(State::Failed).or_else(|| of(State::Cut)).or_else(|| of(State::Challenged))?;
    // docker asks for the head alone, and then for the whole: that answer has the reason in it.
    let asks = |at: usize| (block.steps[at].what.name(), block.steps[at].what.reference());
    let is_head = |at: usize| block.steps[at].last().is_some_and(|it| it.method == "HEAD");
    let whole = bad.into_iter().find(|at| *at > first && asks(*at) == asks(first) && !is_head(*at));
    Some(whole.filter(|_| is_head(first)).unwrap_or(first))
}

/// Whether everything that the image has was read, or written with its manifest.
fn is_whole(block: &Block) -> bool {
    let done = |is: &dyn Fn(&What) -> bool| block.steps.iter().any(|it| it.state == State::Done && is(&it.what));
    match block.action {
        Action::Pull => done(&|it| matches!(it, What::Config(_) | What::Layer(..))) && block.not_fetched().is_empty(),
        Action::Push => done(&|it| matches!(it, What::PutManifest(_))),
        _ => false,
    }
}

fn is_bad(block: &Block, at: usize) -> bool {
    let step = &block.steps[at];
    let later = &block.steps[at + 1..];
    match step.state {
        State::Done | State::Absent | State::Elsewhere => false,
        // A challenge is answered by a token, or by the same request with a login, or by any that is let in.
        State::Challenged => !later
            .iter()
            .any(|it| it.what == What::Token || (it.what != What::Connect && it.state != State::Challenged)),
        State::Failed | State::Cut => !later.iter().any(|it| makes_good(step, it)),
    }
}

/// Whether `later` is what `step` should have been.
fn makes_good(step: &Step, later: &Step) -> bool {
    let host = |step: &Step| step.last().map(|it| it.place.host.clone());
    // Whoever is answered by that host came through after all: without TLS, say.
    if step.what == What::Connect && later.last().is_some_and(|it| it.status.is_some()) && host(step) == host(later) {
        return true;
    }
    let is_same = step.what.name() == later.what.name() && step.what.reference() == later.what.reference();
    // With another token the client was let in; what it was told then is the answer.
    let status = |step: &Step| step.last().and_then(|it| it.status);
    if is_same && status(step) == Some(401) && status(later).is_some_and(|it| it != 401) {
        return true;
    }
    if !matches!(later.state, State::Done | State::Elsewhere) {
        return false;
    }
    match (&step.what, &later.what) {
        // The name may be another: after a refused connection, any that works counts.
        (What::Connect, other) => *other != What::Connect,
        (What::Token, What::Token) => true,
        (What::Token | What::Ping, What::Manifest(_) | What::Config(_) | What::Layer(..) | What::Upload(_)) => true,
        _ => is_same,
    }
}

fn finished(block: &Block) -> Verdict {
    let steps =
        |is: &dyn Fn(&What) -> bool| block.steps.iter().filter(|it| is(&it.what) && it.state == State::Done).count();
    let blobs = steps(&|it| matches!(it, What::Config(_) | What::Layer(..) | What::Blob(_)));
    let is_read = |it: &&Step| {
        matches!(it.what, What::Manifest(_)) && it.last().is_some_and(|it| it.method == "GET" && it.is_ok())
    };
    let manifests = block.steps.iter().filter(is_read).count();
    let looked = steps(&|it| matches!(it, What::Manifest(_))) > 0;
    let summary = match block.action {
        Action::Pull if blobs == 0 && manifests == 0 && !looked => return stopped(block, "no manifest was read"),
        Action::Pull if blobs == 0 && manifests == 0 => "the manifest is there; it was not read".to_owned(),
        Action::Pull if blobs == 0 => match unusable(block) {
            Some(verdict) => return verdict,
            None => format!("{} read; no blob was asked for", counted(manifests, "manifest")),
        },
        Action::Pull => format!("{} and {} read", counted(manifests, "manifest"), counted(blobs, "blob")),
        Action::Push => {
            let written = steps(&|it| matches!(it, What::PutManifest(_)));
            if written == 0 {
                return stopped(block, "no manifest was written");
            }
            let uploads = steps(&|it| matches!(it, What::Upload(_)));
            let mounts = steps(&|it| matches!(it, What::Mount(..)));
            let there = steps(&|it| matches!(it, What::Look(_)));
            let parts = [(uploads, "uploaded"), (mounts, "mounted"), (there, "there already")];
            let parts = parts.iter().filter(|(number, _)| *number > 0);
            let blobs: Vec<String> = parts.map(|(number, how)| format!("{} {how}", counted(*number, "blob"))).collect();
            format!("{} written; {}", counted(written, "manifest"), blobs.join(", "))
        }
        Action::Login => "the registry let the client in".to_owned(),
        Action::Delete => "the registry removed it".to_owned(),
        Action::Look => "the registry answered".to_owned(),
        Action::Connect => "the connection stood; nothing was asked".to_owned(),
    };
    Verdict { summary: summary.trim_end_matches("; ").to_owned(), ..nothing() }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The last manifest that was read, where it tells why the client asked for nothing after it.
fn unusable(block: &Block) -> Option<Verdict> {
    let is_read = |it: &&Step| matches!(it.what, What::Manifest(_)) && it.last().is_some_and(|it| it.method == "GET");
    let at = block.steps.iter().rposition(|it| is_read(&it))?;
    let step = &block.steps[at];
    let last = step.last()?;
    let verdict = media_type(block, last).or_else(|| platform(block, last))?;
    Some(Verdict { step: Some(at), ..verdict })
}

/// Media types of manifests that today's clients take.
const KNOWN_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

fn media_type(block: &Block, last: &Seen) -> Option<Verdict> {
    let kind = last.says.media_type.as_str();
    if last.partial || KNOWN_TYPES.contains(&kind) {
        return None;
    }
    if kind.starts_with("application/vnd.docker.distribution.manifest.v1") {
        let text = format!("{} has a manifest of the first schema, which today's clients refuse", block.image());
        return Some(
            Verdict::failed(Cause::ManifestSchemaOld, text).with_evidence("Content-Type", flow(last), kind).with_fix(
                "pull it with an old client and push it again, or build it anew",
                format!("skopeo copy --format v2s2 docker://{0} docker://{0}", block.image()),
            ),
        );
    }
    // What is no image has types of its own.
    if kind.contains("vnd.") {
        return None;
    }
    let said = if kind.is_empty() { "without a media type".to_owned() } else { format!("as `{kind}`") };
    let verdict = Verdict::failed(
        Cause::MediaTypeWrong,
        format!("the manifest of {} comes {said}, and the client could make nothing of it", block.image()),
    );
    Some(verdict.with_evidence("Content-Type", flow(last), if kind.is_empty() { "none" } else { kind }).with_fix(
        "let the proxy or cache hand Content-Type on, and keep answers apart by Accept",
        format!("curl -sI -H 'Accept: application/vnd.oci.image.index.v1+json' {}", last.place),
    ))
}

/// An index without the client's platform.
fn platform(block: &Block, last: &Seen) -> Option<Verdict> {
    let index = last.manifest().filter(|it| !it.manifests.is_empty())?;
    let (wanted, who) = client_platform(block);
    let offered: Vec<&str> = index.manifests.iter().filter_map(|it| it.platform.as_deref()).collect();
    let suits = |it: &&&str| **it == wanted || it.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('/'));
    if offered.is_empty() || offered.iter().any(|it| suits(&it)) {
        return None;
    }
    let real: Vec<&str> = offered.into_iter().filter(|it| !it.starts_with("unknown")).take(16).collect();
    let text = format!("{} is not there for {wanted}: the index has {}", block.image(), real.join(", "));
    let verdict = Verdict::failed(Cause::PlatformMissing, text)
        .with_evidence("platforms in the index", flow(last), real.join(", "))
        .with_evidence("platform of the client", who, wanted.clone())
        .with_fix(
            "build and push the image for that platform, or ask for one that is there",
            format!("docker buildx build --platform {wanted} -t {} --push .", block.image()),
        );
    Some(verdict.with_note("a client that wanted the index alone (skopeo inspect, crane manifest) is content with it"))
}

/// `linux/amd64`, and who says so: docker names it in its agent; of others it is this machine's.
fn client_platform(block: &Block) -> (String, &'static str) {
    let agent = block.steps.iter().flat_map(|it| &it.seen).map(|it| it.caller.agent.as_str()).find(|it| !it.is_empty());
    let word = |name: &str| agent?.split_whitespace().find_map(|it| it.strip_prefix(name));
    if let (Some(os), Some(architecture)) = (word("os/"), word("arch/")) {
        return (format!("{os}/{architecture}").chars().take(64).collect(), "its user agent");
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    (format!("linux/{architecture}"), "this machine")
}

/// Nothing failed, but it is not at its end.
fn stopped(block: &Block, what: &str) -> Verdict {
    let platform =
        block.steps.iter().rev().find_map(|it| Some((it, it.manifest()?))).filter(|(_, it)| !it.manifests.is_empty());
    let last = block.steps.last();
    let after = last.and_then(Step::last).map(request).unwrap_or_default();
    let mut verdict =
        Verdict::failed(Cause::Stopped, format!("the client stopped: {what}, and nothing failed in what was recorded"));
    verdict.step = block.steps.len().checked_sub(1);
    if let Some(last) = last.and_then(Step::last) {
        verdict = verdict.with_evidence("last request", flow(last), after);
    }
    if platform.is_some() {
        verdict =
            verdict.with_note("the index was read and nothing after it: see whether it has the client's platform");
    }
    verdict.with_fix("see what the client itself says", "the client's own log, or its message")
}

/// What is worth to know, whatever the verdict.
fn notes(block: &Block) -> Vec<String> {
    let mut notes = Vec::new();
    let all = || block.steps.iter().flat_map(|step| &step.seen);
    let missing = block.not_fetched();
    if block.action == Action::Pull
        && !missing.is_empty()
        && block.steps.iter().any(|it| matches!(it.what, What::Config(_) | What::Layer(..)))
    {
        let bytes: u64 = missing.iter().map(|it| it.size).fold(0, u64::saturating_add);
        let words = if block.verdict_is_open() { "never asked for" } else { "not asked for: the client had it" };
        notes.push(format!("of the image {} ({bytes} bytes): {words}", counted(missing.len(), "part")));
    }
    if let Some(index) = only_index(block) {
        notes.push(index);
    }
    let unrecorded = block.steps.iter().filter(|it| *it.digest() == Digest::NotRecorded).count();
    if unrecorded > 0 {
        notes.push(format!(
            "{} with content that was not recorded whole: digests not verified (recordings keep more with --body-limit)",
            counted(unrecorded, "step")
        ));
    }
    if all().any(|it| it.partial) {
        notes.push("the source holds no bodies, or no heads: what depends on them is not told".to_owned());
    }
    let hosts: Vec<&str> = block
        .steps
        .iter()
        .filter(|it| it.state == State::Elsewhere)
        .filter_map(|it| it.last()?.says.location.as_ref().map(|it| it.host.as_str()))
        .collect();
    if let Some(host) = hosts.first() {
        notes.push(format!("{} sent on to {host}; what came of it was not recorded", counted(hosts.len(), "request")));
    }
    if let Some(mirror) = all().find_map(|it| it.says.namespace.as_deref()).filter(|it| *it != block.host) {
        notes.push(format!("{} stands in for {mirror}", block.host));
    }
    notes
}

/// A pull that ended with an index says which platforms there are.
fn only_index(block: &Block) -> Option<String> {
    let manifests: Vec<_> =
        block.steps.iter().filter(|it| matches!(it.what, What::Manifest(_))).filter_map(Step::manifest).collect();
    let is_all = !manifests.is_empty() && manifests.iter().all(|it| !it.manifests.is_empty());
    let index = manifests.last().filter(|_| is_all && block.action == Action::Pull)?;
    let platforms: Vec<&str> = index.manifests.iter().filter_map(|it| it.platform.as_deref()).take(16).collect();
    Some(format!("{ONLY_INDEX}; it has {}: a client for another platform stops here", platforms.join(", ")))
}

impl Block {
    /// Whether something failed, so that what is missing may be missing because of it.
    fn verdict_is_open(&self) -> bool {
        failing(self).is_some()
    }
}
