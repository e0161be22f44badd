//! A root whose programs put links in the place of folders while it is changed: nothing outside of it changes.

use super::*;
use crate::files::{Snapshot, within};
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(20);

/// A root, what stands outside of it, and the journal.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// A look-alike of Debian; `outside` has all the names that an edit would write, as this machine has.
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let bundle = include_str!("../../tests/fixtures/ca-2.pem");
        for place in [world.root(), world.outside()] {
            for folder in ["etc/ssl/certs", "usr/local/share/ca-certificates"] {
                fs::create_dir_all(place.join(folder)).unwrap();
            }
            fs::write(place.join("etc/ca-certificates.conf"), "").unwrap();
            fs::write(place.join("etc/ssl/certs/ca-certificates.crt"), bundle).unwrap();
        }
        world
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    fn journal(&self, on_step: impl FnMut(&str) + 'static) -> Journal {
        Journal::open(&self.folder.path().join("state"), WAIT, Box::new(on_step)).unwrap()
    }

    /// Every name and content outside.
    fn all_outside(&self) -> Vec<(PathBuf, Snapshot)> {
        let tree = crate::journal::tree(&crate::files::Reach::Plain, &self.outside()).unwrap();
        tree.into_iter().map(|path| (path.clone(), Snapshot::take(&path).unwrap())).collect()
    }
}

fn anchor() -> Anchor {
    let pem = include_str!("../../tests/fixtures/ca-1.pem");
    Anchor::new(&sidelight_wire::pem::read(pem.as_bytes()).0.remove(0).data).unwrap()
}

fn target<'a>(root: &'a Path, passwords: &'a [String]) -> Target<'a> {
    Target { root, place: "rootfs:/hostile", guard: None, env: &[], passwords, openssl_dirs: &[], only: None }
}

/// Moves a folder away and puts an absolute link to the same folder outside in its place.
fn swap(root: &Path, outside: &Path, folder: &str) {
    fs::rename(root.join(folder), root.join("moved")).unwrap();
    symlink(outside.join(folder), root.join(folder)).unwrap();
}

const FOLDERS: [&str; 4] = ["etc/ssl/certs", "etc/ssl", "etc", "usr/local/share/ca-certificates"];

#[test]
fn a_link_that_comes_between_plan_and_write_leads_nowhere() {
    for folder in FOLDERS {
        let world = World::new();
        let before = world.all_outside();
        let (root, outside) = (world.root(), world.outside());
        let (swap_root, swap_outside) = (root.clone(), outside.clone());
        let mut journal = world.journal(move |step| {
            if step == "began" {
                swap(&swap_root, &swap_outside, folder);
            }
        });
        let failed = add(&mut journal, &target(&root, &[]), &anchor(), Timestamp::from_secs(1)).unwrap_err();
        assert!(root.join(folder).is_symlink(), "the link came while the root was changed");
        assert!(failed.to_string().contains(root.to_str().unwrap()), "{failed}");
        assert!(matches!(failed, TrustStoreError::TakenBack { .. }), "{failed}");
        assert!(world.all_outside() == before, "{folder}: something outside of the root was changed");
    }
}

#[test]
fn a_link_that_comes_between_two_writes_leads_nowhere() {
    for folder in FOLDERS {
        for number in 1..8 {
            let world = World::new();
            let before = world.all_outside();
            let (root, outside) = (world.root(), world.outside());
            let (swap_root, swap_outside) = (root.clone(), outside.clone());
            let mut steps = 0;
            let mut journal = world.journal(move |_| {
                steps += 1;
                if steps == number {
                    swap(&swap_root, &swap_outside, folder);
                }
            });
            // Whether it goes through depends on what was written before the link came.
            let _ = add(&mut journal, &target(&root, &[]), &anchor(), Timestamp::from_secs(1));
            assert!(root.join(folder).is_symlink());
            assert!(
                world.all_outside() == before,
                "{folder}, step {number}: something outside of the root was changed"
            );
        }
    }
}

#[test]
fn a_link_that_comes_before_undoing_leads_nowhere() {
    for folder in FOLDERS {
        let world = World::new();
        let (root, outside) = (world.root(), world.outside());
        let mut journal = world.journal(|_| ());
        add(&mut journal, &target(&root, &[]), &anchor(), Timestamp::from_secs(1)).unwrap();
        // Outside stands the very same: an undo that goes there finds all as it was left, and would put back and remove.
        fs::remove_dir_all(&outside).unwrap();
        copy(&root, &outside);
        let before = world.all_outside();
        swap(&root, &outside, folder);
        let entry = journal.entries()[0].clone();
        assert_eq!(entry.deed.root.as_deref(), Some(root.as_path()));
        let _ = undo_edit(&mut journal, &entry, None, STOREPASS);
        assert!(world.all_outside() == before, "{folder}: something outside of the root was changed");
    }
}

#[test]
fn a_link_to_a_folder_inside_is_followed_inside() {
    let world = World::new();
    let before = world.all_outside();
    let root = world.root();
    // The same absolute path within the root: what a program in there would see.
    let inside = within(&root, world.outside().to_str().unwrap());
    let (swap_root, swap_outside, swap_inside) = (root.clone(), world.outside(), inside.clone());
    let mut journal = world.journal(move |step| {
        if step == "began" {
            fs::create_dir_all(swap_inside.join("etc")).unwrap();
            swap(&swap_root, &swap_outside, "etc/ssl/certs");
            fs::create_dir_all(swap_inside.join("etc/ssl/certs")).unwrap();
        }
    });
    add(&mut journal, &target(&root, &[]), &anchor(), Timestamp::from_secs(1)).unwrap();
    assert!(fs::read_to_string(inside.join("etc/ssl/certs/ca-certificates.crt")).unwrap().ends_with(&anchor().pem()));
    assert!(world.all_outside() == before);
    let entry = journal.entries()[0].clone();
    undo_edit(&mut journal, &entry, None, STOREPASS).unwrap();
    assert!(fs::read_dir(inside.join("etc/ssl/certs")).unwrap().next().is_none());
    assert!(world.all_outside() == before);
}

fn two() -> [Anchor; 2] {
    let other = include_str!("../../tests/fixtures/ca-2.pem");
    [anchor(), Anchor::any(&sidelight_wire::pem::read(other.as_bytes()).0.remove(0).data).unwrap()]
}

#[test]
fn of_two_certificates_both_are_added_or_none() {
    let world = World::new();
    let root = world.root();
    fs::write(root.join("etc/ssl/certs/ca-certificates.crt"), "# nothing yet\n").unwrap();
    let before = snapshots(&root);
    let two = two();
    // A folder stands where the second one's file is to be.
    let blocked = root.join(format!("usr/local/share/ca-certificates/{}.crt", two[1].name));
    let in_the_way = blocked.clone();
    let first = root.join(format!("usr/local/share/ca-certificates/{}.crt", two[0].name));
    let was_there = std::rc::Rc::new(std::cell::Cell::new(false));
    let seen = was_there.clone();
    let mut journal = world.journal(move |step| {
        if step == "began" {
            fs::create_dir(&in_the_way).unwrap();
        }
        seen.set(seen.get() || first.exists());
    });
    let failed = add_all(&mut journal, &target(&root, &[]), &two, Timestamp::from_secs(1)).unwrap_err();
    assert!(matches!(failed, TrustStoreError::TakenBack { .. }), "{failed}");
    assert!(was_there.get(), "the first was never installed, so nothing was taken back");
    assert!(journal.entries().is_empty(), "{:?}", journal.entries());
    fs::remove_dir(&blocked).unwrap();
    assert_eq!(differing(&snapshots(&root), &before), Vec::<PathBuf>::new());

    drop(journal);
    let mut journal = world.journal(|_| ());
    add_all(&mut journal, &target(&root, &[]), &two, Timestamp::from_secs(1)).unwrap();
    let bundle = root.join("etc/ssl/certs/ca-certificates.crt");
    let text = fs::read_to_string(&bundle).unwrap();
    assert!(two.iter().all(|anchor| text.contains(&anchor.pem())), "{text}");
    assert_eq!(journal.entries().len(), 1, "one edit");
    assert!(two.iter().all(|anchor| find(journal.entries(), "rootfs:/hostile", Some(&anchor.sha256)).len() == 1));
    // Somebody else adds to the bundle, so that it cannot be put back as it was: both are taken out of it.
    fs::write(&bundle, format!("{text}# somebody's\n")).unwrap();
    let entry = journal.entries()[0].clone();
    undo_edit(&mut journal, &entry, None, STOREPASS).unwrap();
    assert_eq!(fs::read_to_string(&bundle).unwrap(), "# nothing yet\n# somebody's\n");
    fs::remove_file(&bundle).unwrap();
    assert_eq!(differing(&snapshots(&root), &before), [bundle]);
}

/// The paths at which not the same stands.
fn differing(one: &[(PathBuf, Option<Snapshot>)], other: &[(PathBuf, Option<Snapshot>)]) -> Vec<PathBuf> {
    let both = [(one, other), (other, one)];
    both.iter().flat_map(|(of, not)| of.iter().filter(|it| !not.contains(it))).map(|(path, _)| path.clone()).collect()
}

/// Every name below a folder, with what stands there; of folders that they are there, for their times change with what comes and goes in them.
fn snapshots(folder: &Path) -> Vec<(PathBuf, Option<Snapshot>)> {
    let tree = crate::journal::tree(&crate::files::Reach::Plain, folder).unwrap();
    let taken =
        |path: &Path| Some(Snapshot::take(path).unwrap()).filter(|it| !matches!(it, Snapshot::Directory { .. }));
    tree.into_iter().map(|path| (path.clone(), taken(&path))).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&path, &target);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path).unwrap(), target).unwrap();
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}
