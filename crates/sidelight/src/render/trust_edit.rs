//! What was done to trust stores, for people. In: outcomes. Out: text: the answer first, then one line for each store.

use sidelight_model::trust::ChangeKind;
use sidelight_wire::trust_edit::{Did, Step, StoreKind};

use super::escape;
use crate::schema::trust_edit::Outcome;

/// Columns of a store's path before who reads it.
const PATH: usize = 54;

/// Fewer copies than this are shown one by one.
const FEW: usize = 4;

/// Copies that are named of many.
const NAMED: usize = 2;

/// The text for one certificate. `place`: what the user calls the source; `planned`: nothing was done.
pub(crate) fn edited(place: &str, outcome: &Outcome, planned: bool) -> String {
    let Outcome { anchor, plan, result, .. } = outcome;
    let name = escape::line(anchor.certificate.short_name());
    let (place, sha256) = (escape::line(place), &anchor.sha256[..16]);
    let answer = match *result {
        "already" => format!("{name} was trusted already in {place}: nothing had to be changed"),
        "absent" => format!("{name} is in no trust store of {place}"),
        "restored" => format!("{name} is taken out of {place}: everything is as it was before"),
        "removed" => format!("{name} is no longer trusted in {place}"),
        "planned" => {
            format!("{name} would be {} {place}", if removes(plan.steps.first()) { "taken out of" } else { "added to" })
        }
        "partly" => format!("{name} is now trusted in {place}, but not everywhere"),
        _ => format!("{name} is now trusted in {place}"),
    };
    let family = plan.family.map(|family| format!(", {family}")).unwrap_or_default();
    let mut text = format!("{answer}\n  SHA-256 {sha256}…{family}\n");
    let mut shown: Vec<&Step> = Vec::new();
    for step in &plan.steps {
        if shown.iter().any(|before| alike(before, step)) {
            continue;
        }
        shown.push(step);
        let group: Vec<&Step> = plan.steps.iter().filter(|other| alike(step, other)).collect();
        text += &if planned || group.len() < FEW {
            group.iter().map(|step| store(step, planned)).collect()
        } else {
            copies(&group)
        };
    }
    for variable in plan.variables.iter().filter(|variable| !variable.is_set) {
        let setting = format!("{}={}", variable.name, variable.value);
        text += &line("needs", &setting, &variable.serves);
    }
    for left in &plan.left {
        text += &line("left", &left.path, &left.why);
        if let Some(fix) = &left.fix {
            text += &format!("             do: {}\n", escape::line(fix));
        }
    }
    for note in &plan.notes {
        text += &format!("  note: {}\n", escape::line(note));
    }
    text
}

fn removes(step: Option<&Step>) -> bool {
    step.is_some_and(|step| step.did == Did::Removed)
}

/// Whether two steps do the same to copies of one package's bundle.
fn alike(one: &Step, other: &Step) -> bool {
    let key = |step: &Step| (step.kind == StoreKind::Vendored, step.did, step.serves.clone(), step.notes.clone());
    std::ptr::eq(one, other) || (one.kind == StoreKind::Vendored && key(one) == key(other))
}

/// Many copies of one bundle, such as each virtual environment's: how many, and where the first lie.
fn copies(group: &[&Step]) -> String {
    let Some(first) = group.first() else { return String::new() };
    let serves = if first.did == Did::Removed { String::new() } else { format!("serve {}", first.serves) };
    let mut text = line(word(first.did, false), &format!("{} copies of one bundle", group.len()), &serves);
    for step in &group[..NAMED.min(group.len())] {
        text += &format!("               {}\n", escape::line(&step.path));
    }
    if group.len() > NAMED {
        text += &format!("               and {} more (--json names all)\n", group.len() - NAMED);
    }
    for note in &first.notes {
        text += &format!("               {}\n", escape::line(note));
    }
    text
}

fn word(did: Did, planned: bool) -> &'static str {
    match (did, planned) {
        (Did::Already, _) => "held by",
        (Did::Added, false) => "added to",
        (Did::Added, true) => "add to",
        (Did::Created, false) => "made",
        (Did::Created, true) => "make",
        (Did::Removed, false) => "taken out of",
        (Did::Removed, true) => "take out of",
    }
}

fn store(step: &Step, planned: bool) -> String {
    let word = word(step.did, planned);
    let serves = if step.did == Did::Removed { String::new() } else { format!("serves {}", step.serves) };
    let mut text = line(word, &step.path, &serves);
    if planned {
        for change in &step.changes {
            let told = match &change.kind {
                ChangeKind::File { bytes } => {
                    format!("write {} ({} bytes, {:04o})", change.path, bytes.len(), change.mode)
                }
                ChangeKind::Symlink { target } => format!("link {} -> {target}", change.path),
                ChangeKind::Dir => format!("make the folder {}", change.path),
                ChangeKind::Remove => format!("remove {}", change.path),
            };
            text += &format!("               {}\n", escape::line(&told));
        }
    }
    for note in &step.notes {
        text += &format!("               {}\n", escape::line(note));
    }
    text
}

fn line(word: &str, path: &str, serves: &str) -> String {
    let row = format!("  {word:<12} {}  {}", escape::pad(&escape::line(path), PATH), escape::line(serves));
    format!("{}\n", row.trim_end())
}

#[cfg(test)]
mod tests {
    use sidelight_host::trust_store::Anchor;
    use sidelight_model::time::Timestamp;
    use sidelight_wire::trust_edit::{MemoryRoot, Request, add};

    use super::*;

    #[test]
    fn one_line_for_each_store() {
        let issuer = sidelight_testkit::Issuer::root("corp\u{1b}[31m root");
        let anchor = Anchor::any(issuer.der()).unwrap();
        let mut root = MemoryRoot::default();
        root.file("/etc/ssl/certs/ca-certificates.crt", Some(Vec::new()), 0o644, 0, 0);
        root.file("/usr/bin/node", None, 0o755, 0, 0);
        root.file("/x/.pki/nssdb/cert9.db", Some(Vec::new()), 0o644, 0, 0);
        let request = Request {
            anchor: &anchor,
            at: Timestamp::default(),
            env: &[],
            passwords: &[],
            openssl_dirs: &[],
            only: None,
            system_only: false,
        };
        let plan = add(&root, &request);
        let outcome = Outcome { anchor, plan, result: "partly", warnings: Vec::new() };
        let text = edited("rootfs:/srv", &outcome, false);
        assert!(
            text.starts_with("corp\\x1b[31m root is now trusted in rootfs:/srv, but not everywhere\n  SHA-256 "),
            "{text}"
        );
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].starts_with("  added to     /etc/ssl/certs/ca-certificates.crt  "), "{text}");
        assert!(lines[2].contains("serves curl, wget, git, Go"), "{text}");
        assert!(lines[3].contains("needs        NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt"), "{text}");
        assert!(lines[4].starts_with("  left         /x/.pki/nssdb/cert9.db"), "{text}");
        assert!(lines[5].starts_with("             do: certutil -A -d sql:/x/.pki/nssdb"), "{text}");
    }

    #[test]
    fn many_copies_of_one_bundle_are_one_line() {
        let issuer = sidelight_testkit::Issuer::root("corp root");
        let anchor = Anchor::any(issuer.der()).unwrap();
        let step = |number: usize| Step {
            kind: StoreKind::Vendored,
            path: format!("/venv-{number}/certifi/cacert.pem"),
            did: Did::Added,
            serves: "Python requests".to_owned(),
            notes: Vec::new(),
            changes: Vec::new(),
        };
        let told = |count: usize| {
            let plan = sidelight_wire::trust_edit::Plan { steps: (0..count).map(step).collect(), ..Default::default() };
            edited("x", &Outcome { anchor: anchor.clone(), plan, result: "added", warnings: Vec::new() }, false)
        };
        assert_eq!(told(3).matches("added to     /venv-").count(), 3);
        let many = told(16);
        assert_eq!(many.matches("added to").count(), 1, "{many}");
        assert!(
            many.contains("  added to     16 copies of one bundle") && many.contains("serve Python requests"),
            "{many}"
        );
        assert!(many.contains("/venv-1/certifi") && !many.contains("/venv-2/certifi"), "{many}");
        assert!(many.contains("and 14 more (--json names all)"), "{many}");
    }
}
