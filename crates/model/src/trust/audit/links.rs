//! T11, hashed folders: links that lead nowhere or are named by the wrong hash, gaps, and roots that OpenSSL finds in the bundle
//! but not in the folder. In: links and files. Out: issues. Spec: OpenSSL's `X509_LOOKUP_hash_dir`.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::{Ground, store_of};
use super::issue::{Check, Issue, Place, Severity};
use super::role::{HASHED, Role};
use super::words::{count, listed, name};
use crate::trust::{CertId, Survey};
use crate::x509::{subject_hash, subject_hash_old};

/// A hashed folder as it is found.
#[derive(Debug, Default)]
struct Folder {
    path: String,
    /// Hash and number of each hash name.
    numbers: BTreeMap<String, BTreeSet<u32>>,
    /// Roots that are found by their hash.
    found: BTreeSet<CertId>,
    /// Links that lead to no certificate.
    dangling: Vec<(String, String)>,
    /// Hash names whose certificate has another hash: path, certificate, right hash.
    wrong: Vec<(String, CertId, String)>,
    /// Files with a certificate and an ordinary name.
    plain: BTreeMap<CertId, String>,
    /// Hash names of files with several certificates, of which only the first counts.
    several: Vec<(String, usize)>,
}

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    let survey = ground.question.survey;
    let folders: BTreeSet<String> = HASHED.iter().filter_map(|folder| survey.resolve(folder)).collect();
    let mut issues = Vec::new();
    for folder in folders {
        let folder = read(survey, folder);
        issues.extend(dangling(ground, &folder));
        issues.extend(wrong(ground, &folder));
        issues.extend(gaps(ground, &folder));
        issues.extend(unhashed(ground, &folder));
        issues.extend(bundle(ground, &folder));
    }
    issues
}

fn read(survey: &Survey, path: String) -> Folder {
    let prefix = format!("{path}/");
    let inside = |full: &str| full.strip_prefix(&prefix).filter(|name| !name.contains('/')).map(str::to_owned);
    let links = survey.links.range(prefix.clone()..).take_while(|(full, _)| full.starts_with(&prefix));
    let files = survey.files.range(prefix.clone()..).take_while(|(full, _)| full.starts_with(&prefix));
    let mut entries: BTreeMap<String, Option<&str>> =
        files.filter_map(|(full, _)| Some((inside(full)?, None))).collect();
    entries.extend(links.filter_map(|(full, target)| Some((inside(full)?, Some(target.as_str())))));
    let mut folder = Folder { path, ..Folder::default() };
    for (file, target) in entries {
        enter(survey, &mut folder, &file, target);
    }
    folder
}

fn enter(survey: &Survey, folder: &mut Folder, file: &str, target: Option<&str>) {
    let full = format!("{}/{file}", folder.path);
    let hash = hash_name(file);
    let store = survey.file(&full).and_then(store_of);
    let Some(first) = store.and_then(|store| store.entries.first()) else {
        if let Some(target) = target.filter(|_| hash.is_some() || is_certificate_name(file)) {
            folder.dangling.push((full, target.to_owned()));
        }
        return;
    };
    let entries = store.map_or(0, |store| store.entries.len());
    let Some((hash, number)) = hash else {
        if entries == 1 {
            folder.plain.insert(first.cert, full);
        }
        return;
    };
    if entries > 1 {
        folder.several.push((full.clone(), entries));
    }
    let subject = &survey.pool.get(first.cert).subject_der;
    let right = subject_hash(subject).unwrap_or_default();
    if hash == right {
        folder.found.insert(first.cert);
        folder.numbers.entry(hash).or_default().insert(number);
    } else if hash != subject_hash_old(subject) {
        folder.wrong.push((full, first.cert, right));
    }
}

/// `HHHHHHHH.N`; lists of revocations (`.rN`) are none.
fn hash_name(file: &str) -> Option<(String, u32)> {
    let (hash, number) = file.split_once('.')?;
    let hex = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !hex {
        return None;
    }
    Some((hash.to_owned(), number.parse().ok()?))
}

fn is_certificate_name(file: &str) -> bool {
    [".pem", ".crt", ".cer", ".cert"].iter().any(|end| file.ends_with(end))
}

fn dangling(ground: &Ground<'_>, folder: &Folder) -> Option<Issue> {
    let found = &folder.dangling;
    if found.is_empty() {
        return None;
    }
    let paths: Vec<String> = found.iter().map(|(path, _)| path.clone()).collect();
    let summary = format!(
        "{} in {} to no certificate: {}",
        if found.len() == 1 { "1 link leads".to_owned() } else { format!("{} links lead", found.len()) },
        folder.path,
        listed(&paths)
    );
    let mut issue = Issue::new(Check::T11, Severity::Error, format!("{}#dangling", folder.path), summary);
    for (path, target) in found {
        issue = issue.with_places([Place::file(path, None)]).with_evidence("link", path, format!("→ {target}"));
    }
    Some(issue.with_fix("Make the links anew", rehash(ground, folder)))
}

fn wrong(ground: &Ground<'_>, folder: &Folder) -> Option<Issue> {
    let found = &folder.wrong;
    if found.is_empty() {
        return None;
    }
    let paths: Vec<String> = found.iter().map(|(path, _, _)| path.clone()).collect();
    let summary = format!(
        "{} in {} by a hash that is not the certificate's, so OpenSSL never finds {}: {}",
        if found.len() == 1 { "1 link is named".to_owned() } else { format!("{} links are named", found.len()) },
        folder.path,
        if found.len() == 1 { "it" } else { "them" },
        listed(&paths)
    );
    let mut issue = Issue::new(Check::T11, Severity::Error, format!("{}#wrong", folder.path), summary);
    for (path, id, right) in found {
        let value = format!("{} has the hash {right}", name(ground.question.survey.pool.get(*id)));
        issue = issue.with_certs([*id]).with_places([Place::file(path, None)]).with_evidence("link", path, value);
    }
    Some(issue.with_fix("Make the links anew", rehash(ground, folder)))
}

/// OpenSSL counts up from `.0` and stops at the first number that is not there.
fn gaps(ground: &Ground<'_>, folder: &Folder) -> Option<Issue> {
    let gap = |numbers: &BTreeSet<u32>| {
        (0u32..).zip(numbers).find(|(wanted, number)| wanted != *number).map(|(wanted, _)| wanted)
    };
    let found: Vec<(&String, u32)> =
        folder.numbers.iter().filter_map(|(hash, numbers)| Some((hash, gap(numbers)?))).collect();
    if found.is_empty() {
        return None;
    }
    let names: Vec<String> = found.iter().map(|(hash, number)| format!("{hash}.{number}")).collect();
    let summary = format!("{} has no {}, so OpenSSL does not see the links after it", folder.path, listed(&names));
    let mut issue = Issue::new(Check::T11, Severity::Error, format!("{}#gap", folder.path), summary);
    for (hash, number) in found {
        let there: Vec<String> = folder.numbers[hash].iter().map(|number| format!("{hash}.{number}")).collect();
        issue = issue.with_evidence(
            "gap",
            format!("{}/{hash}.{number}", folder.path),
            format!("is missing; there are {}", there.join(", ")),
        );
    }
    Some(issue.with_fix("Make the links anew", rehash(ground, folder)))
}

/// Certificates that were put into the folder without a link, and that are not in the bundle either: only Go reads them.
fn unhashed(ground: &Ground<'_>, folder: &Folder) -> Vec<Issue> {
    let mut issues = Vec::new();
    let bundle = bundle_roots(ground);
    for (id, path) in &folder.plain {
        let survey = ground.question.survey;
        if folder.found.contains(id) || bundle.contains(id) || ground.is_ignored(Check::T11, survey.pool.get(*id)) {
            continue;
        }
        let cert = survey.pool.get(*id);
        let hash = subject_hash(&cert.subject_der).unwrap_or_default();
        let summary = format!(
            "{path} ({}) is read by Go alone: it is not in the bundle, and OpenSSL looks for {hash}.0",
            name(cert)
        );
        let file = path.rsplit('/').next().unwrap_or_default();
        issues.push(
            Issue::new(Check::T11, Severity::Error, path, summary)
                .with_certs([*id])
                .with_places([Place::file(path, survey.file(path).and_then(|file| file.layer))])
                .with_evidence("hash", path, format!("no link {}/{hash}.N leads to it", folder.path))
                .with_fix("Add it the way that every program finds it", ground.add_command(file))
                .with_fix(
                    "Or for OpenSSL alone",
                    format!("RUN ln -s {} {}/{hash}.0", super::words::quoted(file), folder.path),
                ),
        );
    }
    issues
}

fn bundle_roots(ground: &Ground<'_>) -> BTreeSet<CertId> {
    let systems = ground.stores().filter(|(_, _, role)| *role == Role::System);
    systems.flat_map(|(_, store, _)| store.entries.iter().map(|entry| entry.cert)).collect()
}

/// The bundle and the folder should hold the same.
fn bundle(ground: &Ground<'_>, folder: &Folder) -> Option<Issue> {
    let bundle = bundle_roots(ground);
    if folder.found.is_empty() || bundle.is_empty() {
        return None;
    }
    let told = |id: &&CertId| !ground.is_ignored(Check::T11, ground.question.survey.pool.get(**id));
    let only_bundle: Vec<CertId> = bundle.difference(&folder.found).filter(told).copied().collect();
    // A server's own certificate (Debian's snake oil) is put into the folder alone, and is a root for nobody.
    let is_root = |id: &&CertId| ground.question.survey.pool.get(**id).is_ca != Some(false);
    let only_folder: Vec<CertId> = folder.found.difference(&bundle).filter(told).filter(is_root).copied().collect();
    if only_bundle.is_empty() && only_folder.is_empty() {
        return None;
    }
    let names =
        |ids: &[CertId]| -> Vec<String> { ids.iter().map(|id| name(ground.question.survey.pool.get(*id))).collect() };
    let part = |ids: &[CertId], place: &str| {
        (!ids.is_empty()).then(|| format!("{} only in the {place} ({})", count(ids.len(), "root"), listed(&names(ids))))
    };
    let parts: Vec<String> =
        [part(&only_bundle, "bundle"), part(&only_folder, "folder")].into_iter().flatten().collect();
    let summary = format!("The bundle and the hashed folder {} disagree: {}", folder.path, parts.join(", "));
    let private = ground
        .held
        .iter()
        .any(|held| !held.is_public() && (only_bundle.contains(&held.id) || only_folder.contains(&held.id)));
    let severity = if private { Severity::Error } else { Severity::Warn };
    let mut issue = Issue::new(Check::T11, severity, format!("{}#bundle", folder.path), summary);
    for (ids, what) in [(only_bundle, "only in the bundle"), (only_folder, "only in the folder")] {
        for id in ids {
            let cert = ground.question.survey.pool.get(id);
            let at = ground.held.iter().find(|held| held.id == id).and_then(|held| held.spots.first());
            let at = at.map_or(folder.path.as_str(), |spot| spot.file.path.as_str());
            issue = issue.with_certs([id]).with_evidence("root", at, format!("{} is {what}", name(cert)));
        }
    }
    Some(issue.with_fix("Make both anew", super::rebuild_command(ground)))
}

fn rehash(ground: &Ground<'_>, folder: &Folder) -> String {
    let command = super::rebuild_command(ground);
    if command.contains("update-ca-certificates") {
        command
    } else {
        let step = format!("RUN openssl rehash {}", folder.path);
        super::as_run(ground, &step).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::hash_name;

    #[test]
    fn hash_names() {
        assert_eq!(hash_name("0a1b2c3d.12"), Some(("0a1b2c3d".to_owned(), 12)));
        for other in ["0A1B2C3D.0", "0a1b2c3d.r0", "0a1b2c3.0", "ca.pem", "0a1b2c3d"] {
            assert_eq!(hash_name(other), None, "{other}");
        }
    }
}
