//! T13: private keys, those in layers below included. In: keys that were found, with the modes of their files. Out: one issue for each
//! kind of place, with all its files: what matters is told file by file, the rest is counted. Keys are never shown.

use std::collections::BTreeMap;

use super::fixture;
use super::ground::{Ground, Held, store_of};
use super::issue::{Check, Issue, Place, Severity};
use super::words::{self, count, listed};
use crate::trust::{File, KeyFound};

/// Keys of so many roots are told one by one; more are told together.
const ONE_BY_ONE: usize = 4;
/// Files in one command at the most.
const IN_COMMAND: usize = 8;

/// What a file with keys means; the order is that of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The key of a root that is trusted here.
    Root,
    /// Whoever has the image has the key.
    Given { encrypted: bool, hidden: bool },
    /// Every user of the running system can read it.
    Open { encrypted: bool },
    /// Tests, sources, documentation: no secret.
    Fixture,
    /// As a package on a running system brought it.
    Packaged,
    /// A group can read it.
    Group,
    /// As it should be.
    Own,
}

/// A file with keys.
struct Found<'g, 'a> {
    file: &'a File,
    keys: Vec<&'a KeyFound>,
    hidden: bool,
    root: Option<&'g Held<'a>>,
}

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let survey = ground.question.survey;
    let mut groups: BTreeMap<Kind, Vec<Found<'_, '_>>> = BTreeMap::new();
    let present = survey.files.values().map(|file| (file, false));
    for (file, hidden) in present.chain(survey.hidden.iter().map(|file| (file, true))) {
        let keys: Vec<&KeyFound> = store_of(file).into_iter().flat_map(|store| &store.keys).collect();
        if keys.is_empty() || ground.is_ignored_path(Check::T13, &file.path) {
            continue;
        }
        let root = keys.iter().find_map(|key| root_of(ground, key));
        let found = Found { file, keys, hidden, root };
        groups.entry(kind(ground, &found)).or_default().push(found);
    }
    let mut issues = Vec::new();
    for (kind, files) in groups {
        let apart = kind == Kind::Root && files.len() <= ONE_BY_ONE;
        let parts: Vec<&[Found<'_, '_>]> = if apart { files.chunks(1).collect() } else { vec![&files[..]] };
        issues.extend(parts.into_iter().map(|files| tell(ground, kind, files)));
    }
    issues
}

/// The trusted root whose key this is.
fn root_of<'g, 'a>(ground: &'g Ground<'a>, key: &KeyFound) -> Option<&'g Held<'a>> {
    let public = key.public_key.as_ref()?;
    ground.held.iter().find(|held| held.cert.public_key == *public && held.cert.is_ca != Some(false))
}

fn kind(ground: &Ground<'_>, found: &Found<'_, '_>) -> Kind {
    let path = found.file.path.as_str();
    let encrypted = found.keys.iter().all(|key| key.encrypted);
    if found.root.is_some() {
        Kind::Root
    } else if fixture::is(path) {
        Kind::Fixture
    } else if !ground.is_running() {
        Kind::Given { encrypted, hidden: found.hidden }
    } else if fixture::is_packaged(path) {
        Kind::Packaged
    } else if found.file.mode & 0o007 != 0 {
        Kind::Open { encrypted }
    } else if found.file.mode & 0o070 != 0 {
        Kind::Group
    } else {
        Kind::Own
    }
}

const fn severity(kind: Kind) -> Severity {
    match kind {
        Kind::Root | Kind::Given { encrypted: false, .. } => Severity::Critical,
        Kind::Given { encrypted: true, .. } | Kind::Open { encrypted: false } => Severity::Error,
        Kind::Open { encrypted: true } => Severity::Warn,
        Kind::Fixture | Kind::Packaged | Kind::Group | Kind::Own => Severity::Info,
    }
}

fn tell(ground: &Ground<'_>, kind: Kind, files: &[Found<'_, '_>]) -> Issue {
    let summary = match files {
        [one] if severity(kind) > Severity::Info => of_one(ground, kind, one),
        _ => of_all(ground, kind, files),
    };
    let mut issue = Issue::new(Check::T13, severity(kind), about(kind, files), summary);
    for found in files {
        issue = issue.with_places([place(found)]);
        issue = if kind == Kind::Fixture { counted(issue, found) } else { key_by_key(issue, ground, found) };
        issue = issue.with_certs(found.root.map(|held| held.id));
    }
    fix(issue, ground, kind, files)
}

fn place(found: &Found<'_, '_>) -> Place {
    let line = found.keys.iter().filter_map(|key| key.line).min();
    Place { hidden: found.hidden, ..Place::file(&found.file.path, found.file.layer).at(line) }
}

/// The same from one audit to the next, and another when other files come to a group that matters.
fn about(kind: Kind, files: &[Found<'_, '_>]) -> String {
    let one = |found: &Found<'_, '_>| match &found.keys[..] {
        [KeyFound { alias: Some(alias), .. }] => format!("{}#{alias}", found.file.path),
        _ => found.file.path.clone(),
    };
    match (kind, files) {
        (Kind::Fixture, _) => "tests".to_owned(),
        (Kind::Packaged, _) => "packages".to_owned(),
        (Kind::Group, _) => "group".to_owned(),
        (Kind::Own, _) => "own".to_owned(),
        (_, [found]) => one(found),
        (_, files) => {
            let all: Vec<String> = files.iter().map(one).collect();
            format!("set-{}", &crate::redact::sha256_hex(all.join("\n").as_bytes())[..16])
        }
    }
}

/// `the private key of Corp Root, a root that the image trusts`.
fn whose(ground: &Ground<'_>, found: &Found<'_, '_>) -> String {
    let encrypted = found.keys.iter().all(|key| key.encrypted);
    let word = if encrypted { "encrypted " } else { "" };
    if let Some(root) = found.root {
        return format!("the {word}private key of {}, a root that the {} trusts", root.name(), ground.thing());
    }
    if found.keys.len() > 1 {
        return count(found.keys.len(), &format!("{word}private key"));
    }
    match owner(ground, found.keys[0]) {
        Some(name) => format!("the {word}private key of {name}"),
        None if encrypted => format!("an encrypted private key ({})", found.keys[0].form),
        None => format!("a private key ({})", found.keys[0].form),
    }
}

/// The certificate that this key is of.
fn owner(ground: &Ground<'_>, key: &KeyFound) -> Option<String> {
    let public = key.public_key.as_ref()?;
    let cert = ground.question.survey.pool.all().iter().find(|cert| cert.public_key == *public)?;
    Some(words::name(cert))
}

fn of_one(ground: &Ground<'_>, kind: Kind, found: &Found<'_, '_>) -> String {
    let (path, whose) = (&found.file.path, whose(ground, found));
    if found.hidden {
        return format!("An upper layer hides {path}, but everybody who has the image still has it: {whose}");
    }
    match kind {
        Kind::Open { .. } => format!("{path} holds {whose}, and every user can read it"),
        _ => format!("{path} holds {whose}"),
    }
}

fn of_all(ground: &Ground<'_>, kind: Kind, files: &[Found<'_, '_>]) -> String {
    let paths: Vec<String> = files.iter().map(|found| found.file.path.clone()).collect();
    let number = files.iter().map(|found| found.keys.len()).sum();
    let (paths, thing) = (listed(&paths), ground.thing());
    let keys = count(number, "private key");
    match kind {
        Kind::Root => format!("{} hold keys of roots that the {thing} trusts: {paths}", count(files.len(), "file")),
        Kind::Given { encrypted, hidden: false } => {
            format!(
                "{} with {}private keys: {paths}",
                count(files.len(), "file"),
                if encrypted { "encrypted " } else { "" }
            )
        }
        Kind::Given { hidden: true, .. } => format!(
            "Upper layers hide {} with private keys, but everybody who has the image still has them: {paths}",
            count(files.len(), "file")
        ),
        Kind::Open { .. } => {
            format!("{} with private keys can be read by every user: {paths}", count(files.len(), "file"))
        }
        Kind::Fixture => {
            format!("{keys} in tests, source code and documentation, which are no secret: {}", folders(files))
        }
        Kind::Packaged => format!("{keys} as packages bring them, known to all who have the package: {paths}"),
        Kind::Group => format!("{keys} can be read by a group, not by every user: {paths}"),
        Kind::Own => format!("{keys} can be read by the owner alone, as it should be"),
    }
}

/// The folders of fixtures, those with most files first.
fn folders(files: &[Found<'_, '_>]) -> String {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for found in files {
        *numbers.entry(fixture::folder(&found.file.path).unwrap_or(&found.file.path)).or_default() += 1;
    }
    let mut numbers: Vec<(&str, usize)> = numbers.into_iter().collect();
    numbers.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let names: Vec<String> = numbers.iter().map(|(folder, number)| format!("{folder} ({number})")).collect();
    listed(&names)
}

fn counted(issue: Issue, found: &Found<'_, '_>) -> Issue {
    issue.with_evidence("private key", &found.file.path, count(found.keys.len(), "key"))
}

fn key_by_key(mut issue: Issue, ground: &Ground<'_>, found: &Found<'_, '_>) -> Issue {
    for key in &found.keys {
        let mut parts =
            vec![key.alias.as_ref().map_or_else(|| key.form.clone(), |alias| format!("{} ({alias})", key.form))];
        parts.extend(owner(ground, key).map(|name| format!("of {name}")));
        if ground.is_running() {
            parts.push(format!("mode {:04o}, owner {}:{}", found.file.mode & 0o7777, found.file.uid, found.file.gid));
        }
        parts.extend(found.hidden.then(|| "in a lower layer".to_owned()));
        parts.extend(
            key.public_key.as_ref().map(|public| format!("public half sha256 {}", crate::redact::sha256_hex(public))),
        );
        issue = issue.with_evidence("private key", &found.file.path, parts.join(", "));
    }
    issue
}

fn fix(mut issue: Issue, ground: &Ground<'_>, kind: Kind, files: &[Found<'_, '_>]) -> Issue {
    let thing = ground.thing();
    let who = if ground.is_running() { "can read the file" } else { "has the image" };
    let who = if thing == "folder" { "has the folder" } else { who };
    match kind {
        Kind::Root => {
            issue = issue.with_evidence("means", thing, format!("whoever {who} can impersonate every service to it"));
            for root in files.iter().filter_map(|found| found.root).take(ONE_BY_ONE) {
                let action = format!("Replace that root: its key is known to all who {}", plural(who));
                issue = issue.with_fix(action, ground.remove_command(&root.cert.sha256()));
            }
        }
        Kind::Given { .. } | Kind::Open { .. } => {
            issue = issue.with_evidence("means", thing, format!("whoever {who} has the key"));
        }
        Kind::Fixture if !ground.is_running() => {
            let folder = files.iter().find_map(|found| fixture::folder(&found.file.path)).unwrap_or_default();
            return issue
                .with_fix("Leave such files out of the image", format!("RUN rm -rf {}", words::quoted(folder)));
        }
        Kind::Fixture | Kind::Packaged | Kind::Group | Kind::Own => return issue,
    }
    if ground.is_running() {
        let paths: Vec<String> = files.iter().take(IN_COMMAND).map(|found| words::quoted(&found.file.path)).collect();
        return issue.with_fix(
            "Leave them to their owner; then replace those that others may have read",
            format!("chmod go= {}", paths.join(" ")),
        );
    }
    let advice = "Build without it; deleting it in a later step leaves it in the layer below. Then replace the key";
    issue
        .with_fix(advice, "RUN --mount=type=secret,id=key,target=/run/secrets/key …")
        .with_fix("At run time, mount it", "docker run -v ./tls.key:/run/secrets/tls.key:ro …")
}

/// The same verb after `all who`.
fn plural(who: &str) -> String {
    who.strip_prefix("has ").map_or_else(|| who.to_owned(), |rest| format!("have {rest}"))
}
