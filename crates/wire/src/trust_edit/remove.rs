//! The plan that makes a root no longer trust a certificate. In: a root, a request. Out: [`Plan`].
//!
//! Taken out of every store that holds it; where the distribution brings it, its own switch is set, so that the update command keeps it out.

use std::collections::HashSet;

use sidelight_model::trust::{Change, ChangeKind};

use super::family::{Family, PLAIN};
use super::hashed::{self, like, removed};
use super::places::{self, Carried};
use super::root::{Kind, Root, Sketch, file_at, folder_at, follow, within};
use super::{Anchor, Did, JavaStore, Left, Plan, Request, Step, StoreKind, bundle, debian, p11kit, settings};
use crate::pem;

/// Plans to take a certificate out of every store of a root.
pub fn remove(root: &dyn Root, request: &Request<'_>) -> Plan {
    let mut removing =
        Removing { root: Sketch::new(root), request, plan: Plan::default(), family: &PLAIN, seen: HashSet::new() };
    removing.all();
    removing.plan
}

struct Removing<'r> {
    root: Sketch<'r>,
    request: &'r Request<'r>,
    plan: Plan,
    family: &'static Family,
    seen: HashSet<String>,
}

impl Removing<'_> {
    fn anchor(&self) -> &Anchor {
        self.request.anchor
    }

    fn all(&mut self) {
        let detected = Family::detect(&self.root);
        self.family = detected.unwrap_or(&PLAIN);
        self.plan.family = detected.filter(|family| **family != PLAIN).map(|family| family.name);
        let carried = if self.request.system_only { Carried::default() } else { places::carried(&self.root) };
        // Folders by hash first: their links lead to the files that go next.
        self.hashed();
        let bundles: Vec<&str> =
            places::BUNDLES.iter().chain(self.family.bundles).chain(self.family.trusted).copied().collect();
        for path in places::existing(&self.root, bundles.into_iter()) {
            let serves = places::readers(&path, &self.root);
            self.pem(StoreKind::Bundle, &path, &serves);
        }
        for (path, serves) in places::PRODUCT_BUNDLES {
            if let Some(real) = file_at(&self.root, path) {
                self.pem(StoreKind::Bundle, &real, serves);
            }
        }
        for (variable, path, serves) in settings::files(self.request.env) {
            if let Some(real) = file_at(&self.root, &path) {
                self.pem(StoreKind::Bundle, &real, &format!("{serves} (by ${variable})"));
            }
        }
        for (path, serves) in &carried.bundles {
            self.pem(StoreKind::Vendored, path, serves);
        }
        for path in places::existing(&self.root, places::JAVA_STORES.iter().copied()).into_iter().chain(carried.java) {
            self.java(&path);
        }
        self.edk2();
        self.sources();
        for folder in carried.nss {
            self.nss(&folder);
        }
    }

    fn hashed(&mut self) {
        if !self.request.wants(StoreKind::Hashed) {
            return;
        }
        let known = self.family.hashed.iter().map(|hashed| hashed.folder);
        // Folders of links into others go first: their links lead nowhere afterwards.
        let mut folders: Vec<String> =
            ["/etc/ssl/certs", "/etc/pki/tls/certs"].into_iter().chain(known).map(str::to_owned).collect();
        folders.extend(settings::folders(self.request.env));
        folders.extend(self.request.openssl_dirs.iter().map(|folder| within(folder, "certs")));
        for folder in folders {
            let Some(real) = folder_at(&self.root, &folder).filter(|real| self.seen.insert(real.clone())) else {
                continue;
            };
            match hashed::without(&self.root, &real, self.anchor()) {
                Ok(changes) if changes.is_empty() => {}
                Ok(changes) => self.step(StoreKind::Hashed, &real, "OpenSSL by folder", changes),
                Err(error) => self.leave(StoreKind::Hashed, &real, error.to_string(), None),
            }
        }
    }

    /// A PEM file without it; a file that held nothing else is gone.
    fn pem(&mut self, kind: StoreKind, path: &str, serves: &str) {
        if !self.request.wants(kind) || !self.seen.insert(path.to_owned()) {
            return;
        }
        let Ok(old) = self.root.read(path) else { return };
        let Some(new) = bundle::without(&old, self.anchor()) else { return };
        if pem::read(&new).0.iter().all(|block| !block.is_certificate()) {
            self.plan.notes.push(format!("{path} holds no certificate any more: what reads it trusts nobody"));
        }
        let change = self.changed(path, new);
        self.step(kind, path, serves, vec![change]);
    }

    fn java(&mut self, path: &str) {
        if !self.request.wants(StoreKind::Java) || !self.seen.insert(path.to_owned()) {
            return;
        }
        let Ok(old) = self.root.read(path) else { return };
        if memchr::memmem::find(&old, self.anchor().der()).is_none() && !old.starts_with(&[0x30]) {
            return;
        }
        match self.without(&old) {
            Ok(None) => {}
            Ok(Some(new)) => {
                let change = self.changed(path, new);
                self.step(StoreKind::Java, path, "Java", vec![change]);
            }
            Err(why) => {
                let fix = format!("keytool -delete -alias ALIAS -keystore {path}");
                self.leave(StoreKind::Java, path, why, Some(fix));
            }
        }
    }

    fn without(&self, old: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let mut passwords = self.request.passwords.to_vec();
        passwords.extend(settings::java_store(self.request.env).1);
        passwords.extend(settings::debian_java(&self.root).1);
        passwords.push(String::new());
        let mut refused = "no password was given".to_owned();
        for password in passwords {
            match JavaStore::read(old, &password) {
                Ok(mut store) => {
                    if !store.certificates().contains(&self.anchor().der()) {
                        return Ok(None);
                    }
                    store.remove(self.anchor().der());
                    return store.write(&password).map(Some);
                }
                Err(why) => refused = why,
            }
        }
        Err(refused)
    }

    fn edk2(&mut self) {
        for path in self.family.edk2 {
            let Some(real) = file_at(&self.root, path).filter(|_| self.request.wants(StoreKind::Edk2)) else {
                continue;
            };
            let Ok(old) = self.root.read(&real) else { continue };
            if let Some(new) = p11kit::edk2_without(&old, self.anchor().der()).filter(|new| *new != old) {
                let change = self.changed(&real, new);
                self.step(StoreKind::Edk2, &real, "UEFI firmware", vec![change]);
            }
        }
    }

    /// The files that the distribution's command collects: the administrator's go, the distribution's are switched off.
    fn sources(&mut self) {
        if !self.request.wants(StoreKind::Anchors) {
            return;
        }
        if matches!(self.family.name, "Debian" | "Alpine") {
            for source in debian::sources(&self.root) {
                self.debian_source(&source);
            }
            return;
        }
        let Some(folder) = self.family.anchors else { return };
        let mut brought = false;
        for folder in std::iter::once(&folder).chain(self.family.sources) {
            let Ok(real) = follow(&self.root, folder) else { continue };
            for (entry, kind) in self.root.list(&real).unwrap_or_default() {
                let path = within(&real, &entry);
                let held = kind == Kind::File && self.root.read(&path).is_ok_and(|bytes| self.anchor().is_in(&bytes));
                if held && Some(*folder) == self.family.anchors {
                    self.own_source(&path);
                } else {
                    brought |= held;
                }
            }
        }
        if brought {
            self.block();
        }
    }

    fn debian_source(&mut self, source: &str) {
        let Some(real) = file_at(&self.root, source) else { return };
        if !self.root.read(&real).is_ok_and(|bytes| self.anchor().is_in(&bytes)) {
            return;
        }
        if !debian::is_distributions(source) {
            return self.own_source(&real);
        }
        let Some(conf) = debian::conf(&self.root) else { return };
        let Ok(old) = self.root.read(&conf) else { return };
        if let Some(new) = debian::switched_off(&old, source) {
            let change = self.changed(&conf, new);
            self.step(
                StoreKind::Anchors,
                &conf,
                "the distribution's own update command, which leaves it out from now on",
                vec![change],
            );
        }
    }

    /// A file of the administrator's: gone when it holds nothing else.
    fn own_source(&mut self, path: &str) {
        let serves = "the distribution's own update command";
        let Ok(old) = self.root.read(path) else { return };
        match bundle::without(&old, self.anchor()) {
            Some(rest) if pem::read(&rest).0.iter().any(pem::Block::is_certificate) => {
                let change = self.changed(path, rest);
                self.step(StoreKind::Anchors, path, serves, vec![change]);
            }
            _ => self.step(StoreKind::Anchors, path, serves, vec![removed(path.to_owned())]),
        }
    }

    /// p11-kit's way to keep a certificate out that a package brings.
    fn block(&mut self) {
        let Some(folder) = self.family.blocklist else { return };
        let Ok(real) = follow(&self.root, folder) else { return };
        let path = within(&real, &format!("{}.crt", self.anchor().name));
        let mut changes = Vec::new();
        if matches!(self.root.look(&real), Ok(None)) {
            changes.push(Change { path: real.clone(), kind: ChangeKind::Dir, mode: 0o755, uid: 0, gid: 0 });
        }
        changes.push(Change {
            path: path.clone(),
            kind: ChangeKind::File { bytes: self.anchor().pem().into_bytes() },
            mode: 0o644,
            uid: 0,
            gid: 0,
        });
        let serves = "the distribution's own update command, which leaves it out from now on";
        self.step(StoreKind::Anchors, &path, serves, changes);
    }

    fn nss(&mut self, folder: &str) {
        let database = within(folder, "cert9.db");
        if self.root.read(&database).is_ok_and(|bytes| memchr::memmem::find(&bytes, self.anchor().der()).is_some()) {
            let fix = format!("certutil -D -d sql:{folder} -n {}", self.anchor().name);
            self.leave(
                StoreKind::Nss,
                &database,
                "NSS's databases are written by its own certutil alone".to_owned(),
                Some(fix),
            );
        }
    }

    fn step(&mut self, kind: StoreKind, path: &str, serves: &str, changes: Vec<Change>) {
        for change in &changes {
            self.root.make(change.clone());
        }
        let (path, serves) = (path.to_owned(), serves.to_owned());
        self.plan.steps.push(Step { kind, path, did: Did::Removed, serves, notes: Vec::new(), changes });
    }

    fn leave(&mut self, kind: StoreKind, path: &str, why: String, fix: Option<String>) {
        self.plan.left.push(Left { kind, path: path.to_owned(), why, fix });
    }

    fn changed(&self, path: &str, bytes: Vec<u8>) -> Change {
        let (mode, uid, gid) = like(&self.root, path, 0o644);
        Change { path: path.to_owned(), kind: ChangeKind::File { bytes }, mode, uid, gid }
    }
}
