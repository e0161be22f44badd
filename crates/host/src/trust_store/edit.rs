//! A certificate added to or taken out of any root: a folder, a running container, this machine. In: a target, a certificate, the
//! journal. Out: the root with every store changed that its runtimes read, and the way back.

use super::apply::{apply, read_only};
use super::host::find_program;
use super::nss::{Copied, database};
use super::{Anchor, TrustStoreError, take_back_edit, undo};
use crate::files::{FileError, FolderRoot, Reach, Snapshot, within};
use crate::journal::{Action, Also, Deed, Edit, Entry, Journal, Transaction, Undone};
use sidelight_model::time::Timestamp;
use sidelight_wire::trust_edit::{self, Left, Plan, Request, Root, Sketch, Step, StoreKind};
use std::path::Path;

/// A root that is changed in place.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Where it is on this machine.
    pub root: &'a Path,
    /// What the user calls it, as the journal keeps it: `rootfs:/srv/root`, `container:web`, `pid:12`, `host`.
    pub place: &'a str,
    /// What tells it from another that gets the same name later.
    pub guard: Option<String>,
    /// Variables in effect in it.
    pub env: &'a [(String, String)],
    /// Passwords of Java stores.
    pub passwords: &'a [String],
    /// OPENSSLDIRs of its libraries.
    pub openssl_dirs: &'a [String],
    /// The kinds of stores that may be changed; `None`: all.
    pub only: Option<&'a [StoreKind]>,
}

/// What an edit did.
#[derive(Clone, Debug, Default)]
pub struct Edited {
    /// The plan that was carried out.
    pub plan: Plan,
    /// The changes in order; empty when there was nothing to do.
    pub actions: Vec<Action>,
}

impl Target<'_> {
    fn request<'r>(&'r self, anchor: &'r Anchor, at: Timestamp) -> Request<'r> {
        Request {
            anchor,
            at,
            env: self.env,
            passwords: self.passwords,
            openssl_dirs: self.openssl_dirs,
            only: self.only,
            system_only: false,
        }
    }

    fn deed(&self, anchor: &Anchor, further: &[(&Anchor, Plan)], removed: bool) -> Deed {
        let also = |(anchor, _): &(&Anchor, Plan)| Also {
            certificate: data_encoding::BASE64.encode(anchor.der()),
            sha256: anchor.sha256.clone(),
            name: anchor.name.clone(),
        };
        let also = further.iter().map(also).collect();
        let edit = Edit { removed, name: anchor.name.clone(), guard: self.guard.clone(), also };
        let certificate = data_encoding::BASE64.encode(anchor.der());
        let (place, sha256) = (self.place.to_owned(), anchor.sha256.clone());
        Deed { place, certificate, sha256, root: super::below(self.root), edit: Some(edit) }
    }
}

/// What [`add`] would do.
///
/// # Errors
/// When the root cannot be opened.
pub fn plan_add(target: &Target<'_>, anchor: &Anchor, at: Timestamp) -> Result<Plan, TrustStoreError> {
    let view = FolderRoot::open(target.root)?;
    Ok(with_certutil(trust_edit::add(&view, &target.request(anchor, at))))
}

/// What [`remove`] would do where the journal does not know the certificate.
///
/// # Errors
/// When the root cannot be opened.
pub fn plan_remove(target: &Target<'_>, anchor: &Anchor, at: Timestamp) -> Result<Plan, TrustStoreError> {
    let view = FolderRoot::open(target.root)?;
    Ok(trust_edit::remove(&view, &target.request(anchor, at)))
}

/// Adds a certificate to every store of a root that its runtimes read.
///
/// # Errors
/// When the root is read-only (nothing is touched then), or a step fails; the root is then put back as it was.
pub fn add(
    journal: &mut Journal,
    target: &Target<'_>,
    anchor: &Anchor,
    at: Timestamp,
) -> Result<Edited, TrustStoreError> {
    add_all(journal, target, std::slice::from_ref(anchor), at)
}

/// As [`add`], several in one edit: all of them are added, or none.
///
/// # Errors
/// As [`add`].
pub fn add_all(
    journal: &mut Journal,
    target: &Target<'_>,
    anchors: &[Anchor],
    at: Timestamp,
) -> Result<Edited, TrustStoreError> {
    let plans =
        in_turn(target, anchors, |root, anchor| with_certutil(trust_edit::add(root, &target.request(anchor, at))))?;
    carry_out(journal, target, plans, false)
}

/// Takes a certificate out of every store of a root.
///
/// # Errors
/// As [`add`].
pub fn remove(
    journal: &mut Journal,
    target: &Target<'_>,
    anchor: &Anchor,
    at: Timestamp,
) -> Result<Edited, TrustStoreError> {
    remove_all(journal, target, std::slice::from_ref(anchor), at)
}

/// As [`remove`], several in one edit: all of them are taken out, or none.
///
/// # Errors
/// As [`add`].
pub fn remove_all(
    journal: &mut Journal,
    target: &Target<'_>,
    anchors: &[Anchor],
    at: Timestamp,
) -> Result<Edited, TrustStoreError> {
    let plans = in_turn(target, anchors, |root, anchor| trust_edit::remove(root, &target.request(anchor, at)))?;
    carry_out(journal, target, plans, true)
}

/// A plan for each, made for the root as those before will leave it.
fn in_turn<'a>(
    target: &Target<'_>,
    anchors: &'a [Anchor],
    plan: impl Fn(&dyn Root, &Anchor) -> Plan,
) -> Result<Vec<(&'a Anchor, Plan)>, TrustStoreError> {
    let view = FolderRoot::open(target.root)?;
    let mut sketch = Sketch::new(&view);
    let mut plans = Vec::new();
    for anchor in anchors {
        let plan = plan(&sketch, anchor);
        plan.changes().for_each(|change| sketch.make(change.clone()));
        plans.push((anchor, plan));
    }
    Ok(plans)
}

/// The edits of a root that were not taken back, the latest first.
pub fn find(known: &[Entry], place: &str, sha256: Option<&str>) -> Vec<Entry> {
    let wanted = |entry: &&Entry| {
        entry.deed.edit.is_some()
            && entry.deed.place == place
            && sha256.is_none_or(|wanted| entry.deed.is_about(wanted))
    };
    known.iter().rev().filter(wanted).cloned().collect()
}

/// Takes an edit back, byte for byte where nobody changed a store since.
///
/// # Errors
/// When the root is another than the one that was changed, or a path cannot be changed.
pub fn undo_edit(
    journal: &mut Journal,
    entry: &Entry,
    guard: Option<&str>,
    storepass: &str,
) -> Result<Undone, TrustStoreError> {
    let noted = entry.deed.edit.as_ref().and_then(|edit| edit.guard.as_deref());
    if noted.is_some() && noted != guard {
        return Err(TrustStoreError::Another { place: entry.deed.place.clone() });
    }
    undo(journal, entry, storepass)
}

fn carry_out(
    journal: &mut Journal,
    target: &Target<'_>,
    plans: Vec<(&Anchor, Plan)>,
    removed: bool,
) -> Result<Edited, TrustStoreError> {
    let (todo, nothing): (Vec<_>, Vec<_>) =
        plans.into_iter().partition(|(_, plan)| plan.changes().next().is_some() || by_certutil(plan));
    let whole = |todo: &[(&Anchor, Plan)]| merged(todo.iter().chain(&nothing).map(|(_, plan)| plan));
    let Some(((first, _), further)) = todo.split_first() else {
        return Ok(Edited { plan: whole(&todo), actions: Vec::new() });
    };
    let changes = || todo.iter().flat_map(|(_, plan)| plan.changes());
    if let Some(path) = read_only(target.root, changes()) {
        return Err(TrustStoreError::ReadOnly { path });
    }
    let mut change = journal.begin(target.deed(first, further, removed))?;
    let applied = apply(&mut change, target.root, changes())
        .and_then(|()| todo.iter().try_for_each(|(anchor, plan)| nss(&mut change, target.root, plan, anchor)));
    let finished = match applied {
        Ok(()) => change.finish().map_err(TrustStoreError::from),
        Err(error) => {
            drop(change);
            Err(error)
        }
    };
    match finished {
        Ok(actions) => Ok(Edited { plan: whole(&todo), actions }),
        Err(source) => Err(take_back_edit(journal, source)),
    }
}

/// What all plans say, each thing once.
fn merged<'p>(plans: impl Iterator<Item = &'p Plan>) -> Plan {
    let mut whole = Plan::default();
    for plan in plans {
        whole.family = plan.family;
        whole.steps.extend(plan.steps.iter().cloned());
        join(&mut whole.variables, &plan.variables);
        join(&mut whole.left, &plan.left);
        join(&mut whole.notes, &plan.notes);
    }
    whole
}

fn join<T: Clone + PartialEq>(known: &mut Vec<T>, more: &[T]) {
    for it in more {
        if !known.contains(it) {
            known.push(it.clone());
        }
    }
}

/// The word by which a step of the plan says that certutil does it.
const BY_CERTUTIL: &str = "by certutil";

fn by_certutil(plan: &Plan) -> bool {
    plan.of(StoreKind::Nss).any(|step| step.notes.iter().any(|note| note == BY_CERTUTIL))
}

/// Where certutil is installed on this machine, databases of NSS are no longer left out.
fn with_certutil(mut plan: Plan) -> Plan {
    if find_program(Path::new("/"), "certutil").is_none() {
        return plan;
    }
    let (databases, left): (Vec<Left>, Vec<Left>) = plan.left.into_iter().partition(|left| left.kind == StoreKind::Nss);
    plan.left = left;
    for Left { kind, path, .. } in databases {
        let serves = "NSS: browsers and other programs of that profile".to_owned();
        plan.steps.push(Step {
            kind,
            path,
            did: trust_edit::Did::Added,
            serves,
            notes: vec![BY_CERTUTIL.to_owned()],
            changes: Vec::new(),
        });
    }
    plan
}

fn nss(change: &mut Transaction<'_>, root: &Path, plan: &Plan, anchor: &Anchor) -> Result<(), TrustStoreError> {
    let steps: Vec<&Step> =
        plan.of(StoreKind::Nss).filter(|step| step.notes.iter().any(|note| note == BY_CERTUTIL)).collect();
    if steps.is_empty() {
        return Ok(());
    }
    let certutil = find_program(Path::new("/"), "certutil").ok_or(TrustStoreError::NoCertutil)?;
    let mut file = tempfile::NamedTempFile::new().map_err(TrustStoreError::Temporary)?;
    std::io::Write::write_all(&mut file, anchor.pem().as_bytes()).map_err(TrustStoreError::Temporary)?;
    let file = file.path().to_string_lossy().into_owned();
    for step in steps {
        let path = within(root, &step.path);
        let folder = path.parent().unwrap_or(root);
        super::nss::note(change, folder)?;
        let arguments =
            |database: &str| ["-A", "-d", database, "-n", &anchor.name, "-t", "C,,", "-i", &file].map(str::to_owned);
        if root == Path::new("/") {
            change.run(&certutil, &arguments(&database(folder)).each_ref().map(String::as_str))?;
            continue;
        }
        let copy = Copied::of(change.reach(), folder)?;
        change.run(&certutil, &arguments(&database(copy.folder())).each_ref().map(String::as_str))?;
        for (path, bytes) in copy.changed(folder)? {
            change.write(&path, &bytes, 0o600)?;
        }
    }
    Ok(())
}

/// Whether what stands at a path is what a change wanted there: for checks after writing.
pub fn is_as_wanted(root: &Path, plan: &Plan) -> Result<bool, FileError> {
    use sidelight_model::trust::ChangeKind;
    use std::collections::BTreeMap;
    let reach = Reach::new(Some(root))?;
    let last: BTreeMap<&str, &ChangeKind> = plan.changes().map(|change| (change.path.as_str(), &change.kind)).collect();
    for (path, kind) in last {
        let now = reach.take(&within(root, path))?;
        let same = match (kind, &now) {
            (ChangeKind::File { bytes }, Snapshot::File { bytes: now, .. }) => bytes == now,
            (ChangeKind::Symlink { target }, Snapshot::Symlink { target: now, .. }) => Path::new(target) == now,
            (ChangeKind::Dir, Snapshot::Directory { .. }) | (ChangeKind::Remove, Snapshot::Absent) => true,
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}
