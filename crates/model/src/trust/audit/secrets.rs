//! T13: private keys in the image, those in layers below included. In: keys that were found. Out: issues. Keys are never shown.

use super::ground::{Ground, store_of};
use super::issue::{Check, Issue, Place, Severity};
use super::words;
use crate::trust::{File, KeyFound};

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let survey = ground.question.survey;
    let mut issues = Vec::new();
    let present = survey.files.values().map(|file| (file, false));
    for (file, hidden) in present.chain(survey.hidden.iter().map(|file| (file, true))) {
        let Some(store) = store_of(file) else { continue };
        issues.extend(store.keys.iter().filter_map(|key| one(ground, file, key, hidden)));
    }
    issues.extend(tests(ground));
    issues
}

/// The root whose key this is, if it is trusted in the image, and else the certificate.
fn owner(ground: &Ground<'_>, key: &KeyFound) -> (Option<String>, Option<String>) {
    let Some(public) = &key.public_key else { return (None, None) };
    let root = ground.held.iter().find(|held| held.cert.public_key == *public && held.cert.is_ca != Some(false));
    let any = ground.question.survey.pool.all().iter().find(|cert| cert.public_key == *public);
    (root.map(super::ground::Held::name), any.map(|cert| words::name(cert)))
}

fn is_host(ground: &Ground<'_>) -> bool {
    ground.question.survey.source == "host"
}

fn one(ground: &Ground<'_>, file: &File, key: &KeyFound, hidden: bool) -> Option<Issue> {
    let (root, cert) = owner(ground, key);
    if root.is_none() && (super::is_test_path(&file.path) || is_host(ground) && file.mode & 0o004 == 0) {
        // Keys of test suites are told together; a host keeps its own keys, and does well if others cannot read them.
        return None;
    }
    let encrypted = if key.encrypted { "encrypted " } else { "" };
    let whose = match (&root, &cert) {
        (Some(root), _) => format!("the {encrypted}private key of {root}, a root that the image trusts"),
        (None, Some(cert)) => format!("the {encrypted}private key of {cert}"),
        (None, None) => format!("a{} private key ({})", if key.encrypted { "n encrypted" } else { "" }, key.form),
    };
    let severity = match (root.is_some(), key.encrypted) {
        (true, _) | (false, false) => Severity::Critical,
        (false, true) => Severity::Error,
    };
    let (where_, layer) = if hidden {
        (
            format!("An upper layer hides {}, but everybody who has the image still has it", file.path),
            " in a lower layer",
        )
    } else {
        (file.path.clone(), "")
    };
    let summary = if hidden { format!("{where_}: {whose}") } else { format!("{where_} holds {whose}") };
    let what = if root.is_some() {
        "anyone who has the image can impersonate every service to it"
    } else {
        "anyone who has the image has the key"
    };
    let place = Place { hidden, ..Place::file(&file.path, file.layer).at(key.line) };
    let form = key.alias.as_ref().map_or_else(|| key.form.clone(), |alias| format!("{} ({alias})", key.form));
    let mut issue = Issue::new(Check::T13, severity, about(file, key), summary)
        .with_places([place])
        .with_evidence("private key", format!("{}{layer}", file.path), form)
        .with_evidence("means", "image", what);
    if let Some(public) = &key.public_key {
        issue = issue.with_evidence("public half", "sha256", crate::redact::sha256_hex(public));
    }
    if root.is_some() {
        issue = issue.with_fix(
            "Replace that root: its key is known to all who have the image",
            ground.remove_command(&root_hash(ground, key)),
        );
    }
    let advice = "Build without it; deleting it in a later step leaves it in the layer below. Then replace the key";
    Some(
        issue
            .with_fix(advice, "RUN --mount=type=secret,id=key,target=/run/secrets/key …")
            .with_fix("At run time, mount it", "docker run -v ./tls.key:/run/secrets/tls.key:ro …"),
    )
}

fn root_hash(ground: &Ground<'_>, key: &KeyFound) -> String {
    let found = ground.held.iter().find(|held| Some(&held.cert.public_key) == key.public_key.as_ref());
    found.map_or_else(String::new, |held| held.cert.sha256())
}

fn about(file: &File, key: &KeyFound) -> String {
    key.alias.as_ref().map_or_else(|| file.path.clone(), |alias| format!("{}#{alias}", file.path))
}

/// Keys of test suites: no secret, but told.
fn tests(ground: &Ground<'_>) -> Option<Issue> {
    let survey = ground.question.survey;
    let found: Vec<(&File, usize)> = survey
        .files
        .values()
        .filter(|file| super::is_test_path(&file.path))
        .filter_map(|file| Some((file, store_of(file)?)))
        .map(|(file, store)| (file, store.keys.iter().filter(|key| owner(ground, key).0.is_none()).count()))
        .filter(|(_, keys)| *keys > 0)
        .collect();
    if found.is_empty() {
        return None;
    }
    let number = found.iter().map(|(_, keys)| keys).sum();
    let paths: Vec<String> = found.iter().map(|(file, _)| file.path.clone()).collect();
    let summary = format!("{} in files of test suites: {}", words::count(number, "private key"), words::listed(&paths));
    let mut issue = Issue::new(Check::T13, Severity::Info, "tests", summary);
    for (file, keys) in found {
        issue = issue.with_places([Place::file(&file.path, file.layer)]).with_evidence(
            "private key",
            &file.path,
            words::count(keys, "key"),
        );
    }
    Some(issue.with_fix(
        "Leave the tests out of the image",
        "RUN find / -xdev -type d -name test -path '*python*' -prune -exec rm -rf {} +",
    ))
}
