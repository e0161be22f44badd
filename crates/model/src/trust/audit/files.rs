//! T11, the files themselves: empty stores, and stores that others may write. In: files with modes and owners. Out: issues.

use super::ground::{Ground, store_of};
use super::issue::{Check, Issue, Place, Severity};
use super::role::Role;
use super::words::{self, count, listed};
use crate::trust::File;

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let mut issues: Vec<Issue> = ground.question.survey.files.values().filter_map(|file| empty(ground, file)).collect();
    issues.extend(writable(ground));
    issues.extend(outside(ground));
    issues.extend(locked(ground));
    issues
}

/// A bundle without a certificate in it.
fn empty(ground: &Ground<'_>, file: &File) -> Option<Issue> {
    let named = Role::of(file) == Role::System
        || ground.question.readers.iter().any(|reader| reader.files.contains(&file.path));
    let none = store_of(file).is_none_or(|store| store.entries.is_empty() && !store.locked);
    let is_store = !matches!(file.content, crate::trust::Content::Program(..) | crate::trust::Content::Text(_));
    if !named || !none || !is_store {
        return None;
    }
    let what = if file.size == 0 { "is empty (0 bytes)" } else { "holds no certificate" };
    let readers: Vec<String> = ground
        .question
        .readers
        .iter()
        .filter(|reader| reader.files.contains(&file.path))
        .map(|reader| reader.name.clone())
        .collect();
    let who = if readers.is_empty() {
        "its readers trust nobody".to_owned()
    } else {
        format!("{} have no root from it", listed(&readers))
    };
    let issue = Issue::new(Check::T11, Severity::Error, &file.path, format!("{} {what}: {who}", file.path))
        .with_places([Place::file(&file.path, file.layer)])
        .with_evidence("size", &file.path, format!("{} bytes", file.size))
        .with_fix("Put roots in", super::update_command(ground));
    Some(issue)
}

/// What it is about, how bad it is, what to say of it, and which files it means.
type Kind = (&'static str, Severity, &'static str, fn(&File) -> bool);

/// Whoever may write a store decides whom the image trusts.
fn writable(ground: &Ground<'_>) -> Vec<Issue> {
    let stores: Vec<&File> = ground
        .stores()
        .filter(|(_, _, role)| role.is_trusted() && *role != Role::Compiled)
        .map(|(file, _, _)| file)
        .collect();
    let kinds: [Kind; 3] = [
        ("world-writable", Severity::Error, "may be changed by every user of the container", |file| {
            file.mode & 0o002 != 0
        }),
        ("group-writable", Severity::Warn, "may be changed by a group", |file| file.mode & 0o022 == 0o020),
        ("owner", Severity::Info, "may be changed by a user other than root", |file| {
            file.uid != 0 && file.mode & 0o222 == 0o200
        }),
    ];
    let mut issues = Vec::new();
    for (about, severity, what, fits) in kinds {
        let found: Vec<&&File> = stores.iter().filter(|file| fits(file)).collect();
        if found.is_empty() {
            continue;
        }
        let paths: Vec<String> = found.iter().map(|file| file.path.clone()).collect();
        let summary = if found.len() == 1 {
            format!("{} {what}", paths[0])
        } else {
            format!("{} {what}: {}", count(found.len(), "trust store"), listed(&paths))
        };
        let mut issue = Issue::new(Check::T11, severity, about, summary);
        for file in &found {
            issue = issue.with_places([Place::file(&file.path, file.layer)]).with_evidence(
                "mode",
                &file.path,
                format!("{:04o}, owner {}:{}", file.mode & 0o7777, file.uid, file.gid),
            );
        }
        let shown: Vec<String> = paths.iter().take(8).map(|path| words::quoted(path)).collect();
        issues.push(issue.with_fix(
            "Leave them to root",
            super::as_run(ground, &format!("RUN chown root:root {0} && chmod go-w {0}", shown.join(" "))),
        ));
    }
    issues
}

/// Links of trust that climb out of the root: they lead elsewhere as soon as the folder is read from outside.
fn outside(ground: &Ground<'_>) -> Option<Issue> {
    let survey = ground.question.survey;
    let bears_on_trust = |path: &str| {
        super::role::HASHED.iter().any(|folder| path.starts_with(folder))
            || path.contains("/ca-certificates")
            || path.contains("cacert")
            || path.contains("ca-bundle")
    };
    let found: Vec<(&String, &String)> =
        survey.links.iter().filter(|(path, target)| bears_on_trust(path) && climbs_out(path, target)).collect();
    if found.is_empty() {
        return None;
    }
    let paths: Vec<String> = found.iter().map(|(path, _)| (*path).clone()).collect();
    let summary = format!("{} of trust climb out of the root: {}", count(found.len(), "link"), listed(&paths));
    let mut issue = Issue::new(Check::T11, Severity::Error, "outside", summary);
    for (path, target) in found {
        issue = issue.with_places([Place::file(path, None)]).with_evidence("link", path, format!("→ {target}"));
    }
    Some(issue.with_fix("Link to a path within the image", "RUN ln -sfn certs/ca-certificates.crt /etc/ssl/cert.pem"))
}

fn climbs_out(path: &str, target: &str) -> bool {
    let mut depth: usize = if target.starts_with('/') { 0 } else { path.matches('/').count().saturating_sub(1) };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// Keystores that could not be opened.
fn locked(ground: &Ground<'_>) -> Option<Issue> {
    let locked = ground.stores().filter(|(file, store, _)| store.locked && !super::fixture::is(&file.path));
    let found: Vec<&File> = locked.map(|(file, _, _)| file).collect();
    if found.is_empty() {
        return None;
    }
    let paths: Vec<String> = found.iter().map(|file| file.path.clone()).collect();
    let summary =
        format!("{} could not be read for want of a password: {}", count(found.len(), "keystore"), listed(&paths));
    let mut issue = Issue::new(Check::T11, Severity::Info, "locked", summary);
    issue.places = found.iter().map(|file| Place::file(&file.path, file.layer)).collect();
    Some(issue.with_evidence(
        "keystore",
        &found[0].path,
        "none of the usual passwords opens it; nothing in it was checked",
    ))
}

#[cfg(test)]
mod tests {
    use super::climbs_out;

    #[test]
    fn links_that_climb() {
        assert!(!climbs_out("/etc/ssl/cert.pem", "../../usr/share/x"));
        assert!(climbs_out("/etc/ssl/cert.pem", "../../../host/x"));
        assert!(climbs_out("/etc/ssl/cert.pem", "/../x"));
        assert!(!climbs_out("/etc/ssl/cert.pem", "certs/x"));
    }
}
