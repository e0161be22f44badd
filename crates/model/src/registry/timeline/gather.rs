//! The requests of a block as steps. In: [`Seen`] in the order of time. Out: [`Step`]s.
//!
//! A blob's redirection, its retries and its ranges are one step; so is an upload with its chunks, and with the questions before and
//! after it whether the blob is there.

use std::collections::HashMap;

use super::super::seen::{Asks, Digest, Place, Seen};
use super::{State, Step, What};

/// Steps that are looked at again for one that goes on.
const MOST_RECENT: usize = 512;

/// Requests of a step that are looked at again for where they led.
const MOST_TRIES: usize = 64;

/// Gathers steps.
pub(super) fn steps(seen: Vec<Seen>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for it in seen {
        let at = goes_on(&steps, &it).unwrap_or(steps.len());
        match steps.get_mut(at) {
            Some(step) => step.seen.push(it),
            None => {
                let what = what(&it);
                steps.push(Step { what, seen: vec![it], state: State::Done });
            }
        }
        settle_upload(&mut steps, at);
    }
    name_parts(&mut steps);
    let changes =
        |it: &Step| matches!(it.what, What::PutManifest(_) | What::Upload(_) | What::Mount(..) | What::Delete(_));
    let is_change = steps.iter().any(changes);
    for step in &mut steps {
        step.state = state(step, is_change);
    }
    steps
}

fn what(seen: &Seen) -> What {
    match &seen.asks {
        Asks::Connection => What::Connect,
        Asks::Ping => What::Ping,
        Asks::Token { .. } => What::Token,
        Asks::Manifest { reference, .. } | Asks::Blob { digest: reference, .. } if seen.method == "DELETE" => {
            What::Delete(reference.clone())
        }
        Asks::Manifest { reference, .. } if seen.is_read() => What::Manifest(reference.clone()),
        Asks::Manifest { reference, .. } => What::PutManifest(reference.clone()),
        Asks::Blob { digest, .. } if seen.method == "HEAD" => What::Look(digest.clone()),
        Asks::Blob { digest, .. } => What::Blob(digest.clone()),
        Asks::UploadStart { digest: Some(digest), from: Some(from), .. } if seen.status != Some(202) => {
            What::Mount(digest.clone(), from.clone())
        }
        Asks::UploadStart { digest, .. } => What::Upload(digest.clone()),
        Asks::UploadEnd { digest, .. } => What::Upload(Some(digest.clone())),
        Asks::UploadChunk { .. } | Asks::UploadState { .. } => What::Upload(None),
        Asks::Referrers { digest, .. } => What::Referrers(digest.clone()),
        Asks::Tags { .. } => What::Tags,
        Asks::Catalog => What::Catalog,
        // Storage of which nobody told that it belongs to a registry.
        Asks::Redirected => What::Blob(seen.place.path.clone()),
    }
}

/// The step that this request goes on with.
fn goes_on(steps: &[Step], seen: &Seen) -> Option<usize> {
    let recent = || steps.iter().enumerate().rev().take(MOST_RECENT);
    let find = |is: &dyn Fn(&Step) -> bool| recent().find(|(_, step)| is(step)).map(|(at, _)| at);
    let leads = |step: &Step, place: &Place| {
        step.seen
            .iter()
            .rev()
            .take(MOST_TRIES)
            .any(|it| it.says.location.as_ref().is_some_and(|it| it.host == place.host && it.path == place.path))
    };
    match &seen.asks {
        Asks::Redirected => find(&|step| leads(step, &seen.place)),
        Asks::Blob { digest, .. } if seen.method == "GET" => {
            find(&|step| step.what == What::Blob(digest.clone()) && !is_settled(step))
        }
        Asks::Blob { digest, .. } if seen.method == "HEAD" => find(&|step| {
            let is_written = step.what == What::Upload(Some(digest.clone()));
            is_written || (step.what == What::Look(digest.clone()) && step.last().is_some_and(is_retried))
        }),
        Asks::UploadChunk { .. } | Asks::UploadEnd { .. } | Asks::UploadState { .. } => {
            let at = find(&|step| matches!(step.what, What::Upload(_)) && leads(step, &seen.place));
            // Logs do not tell where an upload goes on.
            at.or_else(|| find(&|step| matches!(step.what, What::Upload(None)) && seen.partial))
        }
        Asks::UploadStart { .. } => find(&|step| {
            let is_same = step.last().is_some_and(|it| it.asks == seen.asks && is_retried(it));
            matches!(step.what, What::Upload(_) | What::Mount(..)) && is_same
        }),
        Asks::Manifest { .. } => {
            let is_again = |it: &Seen| {
                let is_led =
                    it.says.location.as_ref().is_some_and(|to| it.is_redirect() && to.site() == seen.place.site());
                let is_retried = is_retried(it) && it.status != Some(401);
                it.asks == seen.asks && it.method == seen.method && (is_retried || is_led)
            };
            find(&|step| step.last().is_some_and(is_again))
        }
        Asks::Token { .. } => {
            // A server that knows no POST is asked with GET.
            let (at, last) = steps.iter().enumerate().next_back()?;
            let last = last.last().filter(|it| it.place == seen.place && !it.is_ok() && it.method != seen.method)?;
            matches!(last.status, Some(401 | 404 | 405)).then_some(at)
        }
        _ => None,
    }
}

/// Whether the step came to its end, so that the same request is another one.
fn is_settled(step: &Step) -> bool {
    let is_it =
        |it: &Seen| it.is_ok() && !is_short(it) && !is_beginning(it) && !matches!(it.digest, Digest::Differs { .. });
    step.last().is_some_and(is_it)
}

/// A range that ends before the content does: `bytes 0-499/1000`.
fn is_beginning(seen: &Seen) -> bool {
    let ends_before = |range: &str| {
        let (range, all) = range.trim_start_matches("bytes").trim().split_once('/')?;
        let end: u64 = range.split_once('-')?.1.parse().ok()?;
        Some(end.saturating_add(1) < all.parse().ok()?)
    };
    let range = seen.says.range.as_deref();
    // Logs do not tell the range.
    seen.status == Some(206) && (range.and_then(ends_before) == Some(true) || (seen.partial && range.is_none()))
}

/// Whether clients make a request again that was answered so.
fn is_retried(seen: &Seen) -> bool {
    seen.cut.is_some() || matches!(seen.status, None | Some(401 | 408 | 429 | 500..))
}

/// Less came than was announced.
pub(super) fn is_short(seen: &Seen) -> bool {
    seen.method != "HEAD"
        && !seen.partial
        && seen.status.is_some_and(|status| (200..300).contains(&status))
        && seen.announced.is_some_and(|announced| seen.received < announced)
}

/// An upload that just ended takes its digest from that end, and the question before it whether the blob is there.
fn settle_upload(steps: &mut Vec<Step>, at: usize) {
    let ended = match steps[at].last().map(|it| (&it.asks, it.is_ok())) {
        Some((Asks::UploadEnd { digest, .. }, _)) => Some(digest.clone()),
        Some((Asks::UploadStart { digest: Some(digest), .. }, true)) => Some(digest.clone()),
        _ => None,
    };
    let is_upload = matches!(steps[at].what, What::Upload(_) | What::Mount(..));
    let Some(digest) = ended.filter(|_| is_upload) else { return };
    if let What::Upload(known) = &mut steps[at].what {
        *known = Some(digest.clone());
    }
    let look = What::Look(digest);
    let first = at.saturating_sub(MOST_RECENT);
    if let Some(before) = (first..at).rev().find(|before| steps[*before].what == look) {
        let asked = std::mem::take(&mut steps[before].seen);
        steps[at].seen.splice(0..0, asked);
        let mut upload = steps.remove(at);
        // The step stands where it began: with the question.
        std::mem::swap(&mut steps[before], &mut upload);
    }
}

/// Says of blobs what they are, where a manifest of the block tells.
fn name_parts(steps: &mut [Step]) {
    let mut parts: HashMap<String, Option<(usize, usize)>> = HashMap::new();
    for manifest in steps.iter().filter_map(Step::manifest) {
        for (at, layer) in manifest.layers.iter().enumerate() {
            parts.entry(layer.digest.clone()).or_insert(Some((at + 1, manifest.layers.len())));
        }
        parts.extend(manifest.config.iter().map(|it| (it.digest.clone(), None)));
    }
    for step in steps {
        let What::Blob(digest) = &step.what else { continue };
        step.what = match parts.get(digest) {
            Some(Some((number, of))) => What::Layer(digest.clone(), *number, *of),
            Some(None) => What::Config(digest.clone()),
            None => continue,
        };
    }
}

fn state(step: &Step, is_change: bool) -> State {
    let Some(last) = step.last() else { return State::Failed };
    if step.seen.iter().any(|it| it.finding.is_some()) || matches!(step.digest(), Digest::Differs { .. }) {
        return State::Failed;
    }
    if last.is_challenged() {
        return State::Challenged;
    }
    let Some(status) = last.status else { return State::Cut };
    if (last.cut.is_some() || is_short(last)) && last.method != "HEAD" {
        return State::Cut;
    }
    match (&step.what, status) {
        (What::Token, 200..=299)
            if !matches!(last.content, super::super::seen::Content::Grant { .. }) && !last.partial =>
        {
            State::Failed
        }
        (_, 200..=299 | 304) if !is_page(last) => State::Done,
        (_, 300..=399) => match &last.says.location {
            Some(to) if !step.seen.iter().any(|it| it.place.site() == to.site()) => State::Elsewhere,
            // Round in a circle, or nowhere.
            _ => State::Failed,
        },
        (What::Look(_) | What::Referrers(_), 404) => State::Absent,
        (What::Manifest(_), 404) if is_change => State::Absent,
        _ => State::Failed,
    }
}

/// A web page instead of what a registry answers.
fn is_page(seen: &Seen) -> bool {
    matches!(seen.content, super::super::seen::Content::Page { .. })
}
