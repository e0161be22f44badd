//! The system's trust store, by its family's rules. In: a machine and a certificate. Out: the certificate where the family puts it.

use super::family::Family;
use super::rebuild::{LARGEST, rebuild};
use super::{Anchor, Machine, Notes, TrustStoreError, find_host_bundles};
use crate::files::read_bounded;
use crate::journal::Transaction;
use std::path::Path;

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
    let family = Family::detect(root).ok_or_else(|| TrustStoreError::NoStore { root: root.to_owned() })?;
    let program = family.program(root);
    if program.is_some() {
        for folder in family.changed_below(root) {
            change.note_tree(&folder)?;
        }
    }
    let file = family.anchors_below(root).map(|folder| folder.join(format!("{}.crt", anchor.name)));
    if let Some(file) = &file {
        change.write(file, anchor.pem().as_bytes(), 0o644)?;
    }
    let Some((program, arguments)) = program else { return rebuild(change, machine, family, anchor, file.as_deref()) };
    let ran = change.run(&program, arguments)?;
    if change.is_rehearsal() {
        return Ok(Notes::new());
    }
    check(root, &program, anchor, &ran.said)?;
    Ok(notes(root, &ran.said))
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
