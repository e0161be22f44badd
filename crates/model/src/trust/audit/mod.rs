//! The audit: what is wrong with the trust of an image, worst first. In: a survey, what its programs read, Mozilla's list, the time.
//! Out: [`Report`]. Each family of checks has a file; docs/audit.md says what each means and what to do.

mod authority;
mod copies;
mod damage;
mod disagree;
mod duplicates;
mod facts;
mod files;
mod fixture;
mod ground;
mod issue;
mod keys;
mod known;
mod links;
mod loose;
mod mozilla;
mod policy;
mod private;
mod role;
mod secrets;
mod set_uid;
mod settings;
mod switched_off;
mod unread;
mod validity;
mod words;

#[cfg(test)]
pub(super) mod forge;
#[cfg(test)]
mod tests;

pub use fixture::is_packed;
pub use ground::{Question, Reads};
pub use issue::{Affected, CONFIG, Check, Ignore, Issue, Place, Severity};
pub use policy::{Policy, Rule};
pub use role::Role;
pub use words::name as certificate_name;

use ground::Ground;
pub(super) use ground::{is_root, store_of};

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The worst first; of one severity by the order of the checks.
    pub issues: Vec<Issue>,
    /// Issues that were left out because the user said so.
    pub ignored: usize,
}

impl Report {
    /// How many of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.issues.iter().filter(|issue| issue.severity == severity).count()
    }

    /// The worst severity; `None` when nothing was found.
    pub fn worst(&self) -> Option<Severity> {
        self.issues.iter().map(|issue| issue.severity).max()
    }
}

/// Makes every check.
pub fn audit(question: Question<'_>) -> Report {
    let ground = Ground::new(question);
    let families: [fn(&Ground<'_>) -> Vec<Issue>; 16] = [
        validity::check,
        authority::check,
        keys::check,
        duplicates::check,
        mozilla::check,
        copies::check,
        private::check,
        damage::check,
        links::check,
        files::check,
        disagree::check,
        secrets::check,
        unread::check,
        switched_off::check,
        set_uid::check,
        policy::check,
    ];
    let mut report = Report::default();
    for mut issue in families.iter().flat_map(|family| family(&ground)) {
        if leave_out(&ground, &mut issue) {
            report.ignored += 1;
        } else {
            report.issues.push(issue);
        }
    }
    report.issues.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then(a.check.cmp(&b.check))
            .then_with(|| (&a.summary, &a.about).cmp(&(&b.summary, &b.about)))
    });
    report
}

/// Whether the user does not want to hear of it; places that he does not want to hear of are taken out of it.
fn leave_out(ground: &Ground<'_>, issue: &mut Issue) -> bool {
    let named: Vec<Option<&str>> =
        ground.question.ignore.iter().filter(|it| it.check == issue.check).map(|it| it.only.as_deref()).collect();
    if named.iter().any(|only| only.is_none_or(|only| only == issue.about)) {
        return true;
    }
    let before = issue.places.len();
    issue.places.retain(|place| !named.contains(&Some(place.path.as_str())));
    before > 0 && issue.places.is_empty()
}

/// The family of a distribution, as far as commands differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Debian,
    Alpine,
    Rhel,
    Suse,
    Arch,
    Unknown,
}

fn family(ground: &Ground<'_>) -> Family {
    let survey = ground.question.survey;
    let ids: String = settings::texts(survey)
        .filter(|(file, _)| matches!(file.path.as_str(), "/etc/os-release" | "/usr/lib/os-release"))
        .flat_map(|(_, text)| text.lines().filter(|line| line.starts_with("ID")))
        .collect::<Vec<&str>>()
        .join(" ");
    let has = |path: &str| survey.files.keys().any(|known| known.starts_with(path));
    let words: &[(&[&str], Family)] = &[
        (&["alpine", "wolfi", "chainguard"], Family::Alpine),
        (&["debian", "ubuntu"], Family::Debian),
        (&["rhel", "fedora", "centos", "amzn", "rocky", "alma"], Family::Rhel),
        (&["suse", "sles"], Family::Suse),
        (&["arch"], Family::Arch),
    ];
    let told = words.iter().find(|(names, _)| names.iter().any(|name| ids.contains(name))).map(|(_, family)| *family);
    told.unwrap_or_else(|| {
        if has("/etc/pki/ca-trust/") {
            Family::Rhel
        } else if has("/var/lib/ca-certificates/") {
            Family::Suse
        } else if has("/etc/alpine-release") {
            Family::Alpine
        } else if has("/etc/ca-certificates.conf") || has("/etc/debian_version") {
            Family::Debian
        } else {
            Family::Unknown
        }
    })
}

/// The build step that brings the distribution's roots up to date.
fn update_command(ground: &Ground<'_>) -> &'static str {
    let command = match family(ground) {
        Family::Debian => "RUN apt-get update && apt-get install -y --only-upgrade ca-certificates",
        Family::Alpine => "RUN apk upgrade --no-cache ca-certificates-bundle",
        Family::Rhel => "RUN dnf update -y ca-certificates",
        Family::Suse => "RUN zypper -n update ca-certificates-mozilla",
        Family::Arch => "RUN pacman -Syu --noconfirm ca-certificates-mozilla",
        Family::Unknown => "docker build --pull .   # with a newer base image in its FROM",
    };
    as_run(ground, command)
}

/// A build step as it is run by hand, where there is nothing to build.
fn as_run<'c>(ground: &Ground<'_>, step: &'c str) -> &'c str {
    if ground.is_running() { step.strip_prefix("RUN ").unwrap_or(step) } else { step }
}

/// The build step that makes the distribution's stores anew.
fn rebuild_command(ground: &Ground<'_>) -> String {
    let step = match family(ground) {
        Family::Debian => "RUN update-ca-certificates --fresh",
        Family::Alpine | Family::Suse => "RUN update-ca-certificates",
        Family::Rhel | Family::Arch => "RUN update-ca-trust extract",
        Family::Unknown => return ground.add_command("ROOT.pem"),
    };
    as_run(ground, step).to_owned()
}
