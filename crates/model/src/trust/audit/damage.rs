//! T11, the bytes: what is wrong with a store, line by line, and which readers lose what of it. In: stores with their readings. Out: issues.

use super::ground::Ground;
use super::issue::{Affected, Check, Issue, Place, Severity};
use super::role::Role;
use super::words::count;
use crate::trust::{Entry, File, Format, Reader, Reading, Runtime, Store};

/// Losses that are told of one store one by one.
const MOST: usize = 12;

pub(super) fn check(ground: &Ground<'_>) -> Vec<Issue> {
    ground.stores().filter_map(|(file, store, role)| one(ground, file, store, role)).collect()
}

/// The readers that such a file is for, and whose they are.
fn readers_of(role: Role, format: Format) -> &'static [(Reader, &'static str, &'static [Runtime])] {
    use Runtime::{Curl, DotNet, Git, GnuTls, Go, Java, Node, Nss, OpenSsl, Python, RustNative, Wget};
    const PEM: &[(Reader, &str, &[Runtime])] = &[
        (Reader::OpenSslFile, "OpenSSL, curl and Python, given this file", &[Curl, OpenSsl, Python]),
        (Reader::OpenSslDefault, "OpenSSL and Python by default", &[OpenSsl, Python, DotNet]),
        (Reader::Go, "Go", &[Go]),
        (Reader::GnuTls, "GnuTLS (Debian's git and wget)", &[GnuTls, Git, Wget]),
        (Reader::Rustls, "Rust (rustls-native-certs)", &[RustNative]),
        (Reader::NodeExtra, "Node by NODE_EXTRA_CA_CERTS", &[Node]),
    ];
    const HASHED: &[(Reader, &str, &[Runtime])] =
        &[(Reader::OpenSslHashed, "OpenSSL by its hashed folder", &[OpenSsl, Python, Curl]), (Reader::Go, "Go", &[Go])];
    const VENDORED: &[(Reader, &str, &[Runtime])] =
        &[(Reader::OpenSslFile, "the package that reads this file", &[Python, OpenSsl])];
    const JAVA: &[(Reader, &str, &[Runtime])] = &[(Reader::JavaKeyStore, "Java", &[Java])];
    const NSS: &[(Reader, &str, &[Runtime])] = &[(Reader::Nss, "NSS", &[Nss])];
    match (role, format) {
        (Role::System | Role::Anchors, Format::Pem | Format::Der | Format::Pkcs7) => PEM,
        (Role::Hashed, _) => HASHED,
        (Role::Vendored, Format::Pem) => VENDORED,
        (Role::Java, _) => JAVA,
        (Role::Nss, _) => NSS,
        _ => &[],
    }
}

/// What one reader loses, in words.
struct Lost<'a> {
    who: &'static str,
    present: bool,
    reading: &'a Reading,
    number: usize,
}

fn one(ground: &Ground<'_>, file: &File, store: &Store, role: Role) -> Option<Issue> {
    let total = store.entries.iter().filter(|entry| entry.is_anchor).count();
    let readers = ground.question.readers;
    let here =
        |runtimes: &[Runtime]| readers.is_empty() || readers.iter().any(|reader| runtimes.contains(&reader.runtime));
    // A file among others in the administrator's folder is copied into the bundle, and is read there.
    let lost: Vec<Lost<'_>> = readers_of(role, store.format)
        .iter()
        .filter(|(reader, _, _)| !(role == Role::Anchors && *reader != Reader::OpenSslFile))
        .filter_map(|(reader, who, runtimes)| {
            let reading = store.reading(*reader)?;
            let number = if reading.fails.is_some() {
                total
            } else {
                reading.lost.iter().filter(|loss| loss.entry.is_some()).count()
            };
            (number > 0 || reading.fails.is_some()).then(|| Lost { who, present: here(runtimes), reading, number })
        })
        .collect();
    let read = role.is_trusted() && role != Role::Compiled;
    if !read || lost.is_empty() && store.faults.is_empty() {
        return None;
    }
    let bad = lost.iter().any(|lost| lost.present) || lost.is_empty() && store.format != Format::Pem;
    let severity = if bad { Severity::Error } else { Severity::Warn };
    let line = store.faults.iter().find_map(|fault| fault.line).or_else(|| first_line(store, &lost));
    let mut issue = Issue::new(Check::T11, severity, &file.path, summary(file, line, total, &lost))
        .with_places([Place::file(&file.path, file.layer).at(line)])
        .with_affected(lost.iter().map(|lost| affected(lost, total)));
    for fault in store.faults.iter().take(MOST) {
        let at = fault.line.map_or_else(|| file.path.clone(), |line| format!("{}:{line}", file.path));
        issue = issue.with_evidence("fault", at, &fault.what);
    }
    for lost in &lost {
        issue = evidence_of(issue, ground, file, store, lost);
    }
    Some(fix(issue, ground, file, role))
}

/// The line of the first entry that someone loses.
fn first_line(store: &Store, lost: &[Lost<'_>]) -> Option<usize> {
    let losses = lost.iter().flat_map(|lost| &lost.reading.lost);
    losses.filter_map(|loss| store.entries.get(loss.entry?)?.line).min()
}

fn summary(file: &File, line: Option<usize>, total: usize, lost: &[Lost<'_>]) -> String {
    let at = line.map_or_else(String::new, |line| format!(" at line {line}"));
    let mut worst: Vec<&Lost<'_>> = lost.iter().filter(|lost| lost.present).collect();
    if worst.is_empty() {
        worst = lost.iter().collect();
    }
    worst.sort_by_key(|lost| std::cmp::Reverse(lost.number));
    let told: Vec<String> = worst
        .iter()
        .take(2)
        .map(|lost| match (lost.number, total) {
            (0, _) => format!("{} reads nothing of it", lost.who),
            (number, total) if number >= total => format!("{}: all of its {} lost", lost.who, count(total, "root")),
            (number, total) => format!("{}: {number} of its {} lost", lost.who, count(total, "root")),
        })
        .collect();
    let told = if told.is_empty() { "every reader here copes".to_owned() } else { told.join("; ") };
    format!("{} is damaged{at}. {told}", file.path)
}

fn affected(lost: &Lost<'_>, total: usize) -> Affected {
    let silently = lost.reading.fails.is_none() && lost.reading.lost.iter().any(|loss| loss.silent);
    let silently = if silently { ", without a word" } else { "" };
    let effect = match &lost.reading.fails {
        Some(error) => format!("refuses the file: {error}"),
        None if lost.number >= total => format!("loses all of {total}{silently}"),
        None => format!("loses {} of {total}{silently}", lost.number),
    };
    Affected { who: lost.who.to_owned(), effect }
}

fn evidence_of(mut issue: Issue, ground: &Ground<'_>, file: &File, store: &Store, lost: &Lost<'_>) -> Issue {
    // Whole-file losses say all in one clause.
    if lost.reading.fails.is_some() {
        return issue;
    }
    for loss in lost.reading.lost.iter().take(MOST) {
        let entry = loss.entry.and_then(|index| store.entries.get(index));
        let cert = |entry: &Entry| super::words::name(ground.question.survey.pool.get(entry.cert));
        let name = entry.map_or_else(|| "a block".to_owned(), cert);
        let line = entry.and_then(|entry| entry.line);
        let at = line.map_or_else(|| file.path.clone(), |line| format!("{}:{line}", file.path));
        issue.certs.extend(entry.map(|entry| entry.cert).filter(|id| !issue.certs.contains(id)));
        issue = issue.with_evidence("lost", at, format!("{name}, by {}: {}", lost.who, loss.why));
    }
    let rest = lost.reading.lost.len().saturating_sub(MOST);
    if rest > 0 {
        issue = issue.with_evidence("lost", lost.who, format!("and {rest} more"));
    }
    issue
}

fn fix(issue: Issue, ground: &Ground<'_>, file: &File, role: Role) -> Issue {
    let rebuilt = format!(
        "sidelight trust export {} --store {} --format pem -o fixed.pem",
        ground.source(),
        super::words::quoted(&file.path)
    );
    let issue = if matches!(role, Role::System | Role::Vendored) {
        issue.with_fix(
            "Write it anew from what can be read of it, and copy that over it",
            format!("{rebuilt}\nCOPY fixed.pem {}", file.path),
        )
    } else {
        issue
    };
    match role {
        Role::System | Role::Hashed => {
            issue.with_fix("Or let the distribution make it again", super::rebuild_command(ground))
        }
        _ => issue,
    }
}
