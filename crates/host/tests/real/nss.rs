//! certutil and its databases: found by it after installing, byte for byte as before after uninstalling.

use crate::private::{add, assert_same};
use sidelight_host::journal::Journal;
use sidelight_host::trust_store::{Anchor, Machine, Place, STOREPASS, install, uninstall};
use sidelight_testkit::Issuer;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn certutil(folder: &Path, arguments: &[&str]) -> bool {
    let database = format!("sql:{}", folder.display());
    Command::new("certutil").args(["-d", &database]).args(arguments).output().unwrap().status.success()
}

struct Home {
    folder: tempfile::TempDir,
    state: tempfile::TempDir,
    anchor: Anchor,
}

impl Home {
    fn new() -> Self {
        let anchor = Anchor::new(Issuer::root("sidelight test CA").der()).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap(), anchor }
    }

    fn with_profile(&self) -> std::path::PathBuf {
        let profile = self.folder.path().join(".mozilla/firefox/x.default");
        std::fs::create_dir_all(&profile).unwrap();
        assert!(certutil(&profile, &["-N", "--empty-password"]));
        profile
    }

    fn holds_us(&self, folder: &Path) -> bool {
        certutil(folder, &["-L", "-n", &self.anchor.name])
    }

    fn journal(&self) -> Journal {
        Journal::open(self.state.path(), Duration::ZERO, Box::new(|_| ())).unwrap()
    }

    fn install(&self) {
        let home = Some(self.folder.path());
        let machine = Machine { root: Path::new("/"), home, java_home: None, storepass: STOREPASS };
        install(&mut self.journal(), &machine, &Place::Nss, &self.anchor).unwrap();
    }

    fn uninstall(&self) {
        let mut journal = self.journal();
        let entry = journal.entries()[0].clone();
        assert!(uninstall(&mut journal, &entry, STOREPASS).unwrap().unclear.is_empty());
        assert!(journal.entries().is_empty());
    }
}

#[test]
fn a_profile_is_put_back() {
    let home = Home::new();
    let profile = home.with_profile();
    let mut before = BTreeMap::new();
    add(home.folder.path(), &mut before);
    home.install();
    assert!(home.holds_us(&profile));
    home.uninstall();
    let mut after = BTreeMap::new();
    add(home.folder.path(), &mut after);
    assert_same(&before, &after, "the profile");
}

#[test]
fn chromiums_database_is_made_and_removed() {
    let home = Home::new();
    home.install();
    assert!(home.holds_us(&home.folder.path().join(".pki/nssdb")));
    home.uninstall();
    assert_eq!(std::fs::read_dir(home.folder.path()).unwrap().count(), 0);
}

#[test]
fn a_database_in_use_loses_our_entry_alone() {
    let home = Home::new();
    let profile = home.with_profile();
    home.install();
    let open = std::fs::File::open(profile.join("cert9.db")).unwrap();
    home.uninstall();
    assert!(!home.holds_us(&profile));
    drop(open);

    home.install();
    let theirs = Issuer::root("their CA");
    let file = theirs.write_to(&home.folder.path().join("theirs.pem"));
    assert!(certutil(&profile, &["-A", "-n", "theirs", "-t", "C,,", "-i", file.to_str().unwrap()]));
    home.uninstall();
    assert!(!home.holds_us(&profile));
    assert!(certutil(&profile, &["-L", "-n", "theirs"]));
}
