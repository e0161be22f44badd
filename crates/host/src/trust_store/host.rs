//! The system's trust store, by its family's rules. In: a machine and a certificate. Out: the certificate where the family puts it.

use super::apply::apply;
use super::{Anchor, Machine, Notes, TrustStoreError, find_host_bundles};
use crate::files::{FolderRoot, read_bounded, resolve_in_root, within};
use crate::journal::Transaction;
use sidelight_model::time::Timestamp;
use sidelight_wire::trust_edit::{self, Family, PROGRAM_FOLDERS, Request};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The largest bundle.
const LARGEST: u64 = 16 << 20;

/// The hooks of update commands whose work is known to be in the folders that were noted.
const KNOWN_HOOKS: &[&str] = &["jks-keystore", "java-cacerts", "certhash", "ca-certificates-java"];

/// Puts the certificate into the folder for anchors and has the family's own command collect it; where there is none to run, does what
/// it would do.
pub(super) fn install(
    change: &mut Transaction<'_>,
    machine: &Machine<'_>,
    anchor: &Anchor,
) -> Result<Notes, TrustStoreError> {
    let root = machine.root;
    let view = FolderRoot::open(root)?;
    let family = Family::detect(&view).ok_or_else(|| TrustStoreError::NoStore { root: root.to_owned() })?;
    if let Some((program, arguments)) = update_program(root, family) {
        return by_command(change, root, family, &program, arguments, anchor);
    }
    let passwords = [machine.storepass.to_owned()];
    let request = Request {
        anchor,
        at: Timestamp::from(SystemTime::now()),
        env: &[],
        passwords: &passwords,
        openssl_dirs: &[],
        only: None,
        system_only: true,
    };
    let plan = trust_edit::add(&view, &request);
    apply(change, root, plan.changes())?;
    let left = plan.left.iter().map(|left| format!("{} was left as it is: {}", left.path, left.why));
    Ok(left.chain(plan.notes.clone()).collect())
}

/// Has the family's own command collect the certificate.
fn by_command(
    change: &mut Transaction<'_>,
    root: &Path,
    family: &Family,
    program: &Path,
    arguments: &[&str],
    anchor: &Anchor,
) -> Result<Notes, TrustStoreError> {
    for folder in changed_below(root, family) {
        change.note_tree(&folder)?;
    }
    if let Some(folder) = family.anchors {
        let file = real(root, folder).join(format!("{}.crt", anchor.name));
        change.write(&file, anchor.pem().as_bytes(), 0o644)?;
    }
    let ran = change.run(program, arguments)?;
    if change.is_rehearsal() {
        return Ok(Notes::new());
    }
    check(root, program, anchor, &ran.said)?;
    Ok(notes(root, &ran.said))
}

/// The folders that the update program changes, as they are really found.
fn changed_below(root: &Path, family: &Family) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = family.changed.iter().map(|folder| real(root, folder)).collect();
    // A folder within another is noted with it.
    let whole = folders.clone();
    folders.retain(|folder| !whole.iter().any(|other| other != folder && folder.starts_with(other)));
    folders.dedup();
    folders
}

/// The path of the update program, where it can be run: on this machine itself, never one from another root.
fn update_program(root: &Path, family: &Family) -> Option<(PathBuf, &'static [&'static str])> {
    let (program, arguments) = family.update?;
    if root != Path::new("/") {
        return None;
    }
    Some((find_program(root, program)?, arguments))
}

/// A path with the links in it followed; as written where it does not exist.
fn real(root: &Path, path: &str) -> PathBuf {
    resolve_in_root(root, Path::new(path)).unwrap_or_else(|_| within(root, path))
}

/// A program in the folders for an administrator's programs.
pub(super) fn find_program(root: &Path, name: &str) -> Option<PathBuf> {
    PROGRAM_FOLDERS.iter().map(|folder| within(root, folder).join(name)).find(|path| path.is_file())
}

/// A command that ends well has not always done its work: what counts is the bundle.
fn check(root: &Path, program: &Path, anchor: &Anchor, said: &str) -> Result<(), TrustStoreError> {
    let bundles = find_host_bundles(root);
    let Some(first) = bundles.first().cloned() else { return Err(TrustStoreError::NoStore { root: root.to_owned() }) };
    for bundle in bundles {
        if anchor.is_in(&read_bounded(&bundle, LARGEST)?) {
            return Ok(());
        }
    }
    Err(TrustStoreError::NotTaken { program: program.to_owned(), bundle: first, said: said.to_owned() })
}

fn notes(root: &Path, said: &str) -> Notes {
    let mut notes: Notes = said
        .lines()
        .filter(|line| line.starts_with("E: "))
        .map(|line| format!("the update command reported: {}", &line[3..]))
        .collect();
    let folder = crate::files::within(root, "/etc/ca-certificates/update.d");
    let hooks = crate::files::regular_files(&folder, 1000).unwrap_or_default();
    for hook in hooks {
        let name = hook.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !KNOWN_HOOKS.contains(&name.as_str()) {
            notes.push(format!("the hook {} ran; what it changed beyond the trust store is not noted", hook.display()));
        }
    }
    notes
}
