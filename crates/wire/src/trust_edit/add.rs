//! The plan that makes a root trust a certificate. In: a root, a request. Out: [`Plan`].

mod beyond;

use std::collections::HashSet;

use sidelight_model::trust::{Change, ChangeKind};
use sidelight_model::x509::{Certificate, fingerprint};

use super::family::{DEBIAN, Family, PLAIN, Style};
use super::places::{self, Carried};
use super::root::{Found, Kind, Root, Sketch, file_at, folder_at, follow, name, parent, place_for, within};
use super::stores::{self, Alias, Outcome};
use super::{Anchor, Did, Left, Plan, Request, Step, StoreKind, bundle, debian, hashed, p11kit, settings};
use crate::pem;

/// Where a root without any bundle gets one: Go, GnuTLS, curl and most others look there first.
const NEW_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why no bundle is made.
const NO_FILE: &str = "a link stands there that leads to no place for a file";

/// Plans to add a certificate wherever a runtime of the root looks for roots.
pub fn add(root: &dyn Root, request: &Request<'_>) -> Plan {
    let owner = root.look("/").ok().flatten().map_or((0, 0), |found| (found.uid, found.gid));
    let (plan, seen) = (Plan::default(), HashSet::new());
    let mut adding = Adding { root: Sketch::new(root), request, plan, family: &PLAIN, seen, owner };
    adding.all();
    adding.plan
}

/// A plan in the making.
struct Adding<'r> {
    /// The root with what is planned so far.
    root: Sketch<'r>,
    request: &'r Request<'r>,
    plan: Plan,
    family: &'static Family,
    /// Stores that were looked at: one file under several names is changed once.
    seen: HashSet<String>,
    /// Whom the root folder belongs to.
    owner: (u32, u32),
}

impl Adding<'_> {
    fn anchor(&self) -> &Anchor {
        self.request.anchor
    }

    fn all(&mut self) {
        let detected = Family::detect(&self.root);
        self.family = detected.unwrap_or(&PLAIN);
        self.plan.family = detected.filter(|family| **family != PLAIN).map(|family| family.name);
        let carried = if self.request.system_only { Carried::default() } else { places::carried(&self.root) };
        if carried.cut_short {
            self.plan.notes.push(
                "the root has more files than were looked through; bundles of packages may be missing here".to_owned(),
            );
        }
        self.same_name();
        // Debian's bundle is judged by the sources as they are before ours is among them.
        let regular = self.is_regular();
        let anchor_file = self.anchors();
        self.system_bundles(regular);
        self.hashed(anchor_file.as_deref());
        self.java_system(anchor_file.as_deref());
        self.edk2();
        if !self.request.system_only {
            self.settings();
            self.openssl_dirs(&carried.crypto);
            self.carried(&carried, anchor_file.as_deref());
        }
        if matches!(self.family.name, "Debian" | "Alpine") {
            for hook in debian::unknown_hooks(&self.root) {
                self.plan.notes.push(format!(
                    "the hook /etc/ca-certificates/update.d/{hook} was not run: what it makes may lack the certificate"
                ));
            }
        }
    }

    /// A root of the same name with another key: both stand side by side, and clients try both.
    fn same_name(&mut self) {
        let Some(bundle) = places::existing(&self.root, places::BUNDLES.iter().copied()).into_iter().next() else {
            return;
        };
        let Ok(bytes) = self.root.read(&bundle) else { return };
        let ours = &self.anchor().certificate;
        let other = pem::read(&bytes).0.iter().filter(|block| block.is_certificate()).find_map(|block| {
            let other = Certificate::parse(&block.data).ok()?;
            (other.subject_der == ours.subject_der && other.der != ours.der).then_some(other)
        });
        if let Some(other) = other {
            let key = if other.public_key == ours.public_key { "the same key" } else { "another key" };
            let (name, sha256) = (other.subject, fingerprint(&other.der));
            self.plan.notes.push(format!(
                "{bundle} holds a root of the same name with {key} already ({name}, SHA-256 {sha256}); it stays"
            ));
        }
    }

    /// Whether Debian's bundle is what its sources make, so that the update command would change nothing else.
    fn is_regular(&self) -> Option<Vec<u8>> {
        if *self.family != DEBIAN {
            return None;
        }
        let made = debian::bundle(&self.root, &debian::sources(&self.root))?;
        let bundle = file_at(&self.root, NEW_BUNDLE)?;
        (self.root.read(&bundle).ok()? == made).then_some(made)
    }

    // ---- the administrator's folder ----

    /// Puts the certificate into the folder for anchors. Out: the file that holds it there, alone, as links to it are written.
    fn anchors(&mut self) -> Option<String> {
        let folder = self.family.anchors?;
        if let Some(source) = self.source() {
            let alone =
                self.root.read(&file_at(&self.root, &source)?).is_ok_and(|bytes| pem::read(&bytes).0.len() == 1);
            self.already(StoreKind::Anchors, &source, "the distribution's own update command");
            return alone.then_some(source);
        }
        if !self.request.wants(StoreKind::Anchors) {
            return None;
        }
        let real = follow(&self.root, folder).ok()?;
        let path = within(&real, &format!("{}.crt", self.anchor().name));
        let change = self.new_file(&path, self.anchor().pem().into_bytes(), 0o644);
        self.step(
            StoreKind::Anchors,
            &path,
            Did::Added,
            "the distribution's own update command, which keeps it from now on",
            vec![change],
        );
        Some(within(folder, name(&path)))
    }

    /// A file that the distribution's command collects and that holds the certificate already.
    fn source(&self) -> Option<String> {
        let holds = |path: &String| {
            file_at(&self.root, path)
                .and_then(|real| self.root.read(&real).ok())
                .is_some_and(|bytes| self.anchor().is_in(&bytes))
        };
        if matches!(self.family.name, "Debian" | "Alpine") {
            return debian::sources(&self.root).into_iter().find(holds);
        }
        let folders = self.family.anchors.iter().chain(self.family.sources);
        let files = folders.flat_map(|folder| {
            let real = follow(&self.root, folder).unwrap_or_default();
            let entries = self.root.list(&real).unwrap_or_default();
            entries.into_iter().filter(|(_, kind)| *kind == Kind::File).map(move |(entry, _)| within(&real, &entry))
        });
        files.into_iter().find(holds)
    }

    // ---- bundles ----

    fn system_bundles(&mut self, regular: Option<Vec<u8>>) {
        let known = places::BUNDLES.iter().chain(self.family.bundles).copied();
        let bundles = places::existing(&self.root, known);
        for path in &bundles {
            let serves = places::readers(path, &self.root);
            if regular.is_some() && file_at(&self.root, NEW_BUNDLE).as_deref() == Some(path) {
                self.regular_bundle(path, &serves);
            } else {
                self.bundle(StoreKind::Bundle, path, &serves);
            }
        }
        for (path, serves) in places::PRODUCT_BUNDLES {
            if let Some(real) = file_at(&self.root, path) {
                self.bundle(StoreKind::Bundle, &real, serves);
            }
        }
        for path in self.family.trusted {
            let Some(real) = file_at(&self.root, path) else { continue };
            let block = p11kit::trusted_pem(self.anchor());
            self.bundle_with(StoreKind::Bundle, &real, "readers of OpenSSL's own format", &block);
        }
        if bundles.is_empty() && self.request.wants(StoreKind::Bundle) && !self.request.system_only {
            self.new_bundle(NEW_BUNDLE);
        }
    }

    /// Debian's bundle, made again from its sources as the update command makes it.
    fn regular_bundle(&mut self, path: &str, serves: &str) {
        let made = debian::bundle(&self.root, &debian::sources(&self.root));
        match made {
            Some(made) if self.request.wants(StoreKind::Bundle) && self.anchor().is_in(&made) => {
                if !self.seen.insert(path.to_owned()) {
                    return;
                }
                if self.root.read(path).is_ok_and(|old| old == made) {
                    self.already(StoreKind::Bundle, path, serves);
                    return;
                }
                let change = self.changed_file(path, made, 0o644);
                self.step(StoreKind::Bundle, path, Did::Added, serves, vec![change]);
            }
            _ => self.bundle(StoreKind::Bundle, path, serves),
        }
    }

    /// A PEM bundle gets the certificate at its end.
    fn bundle(&mut self, kind: StoreKind, path: &str, serves: &str) {
        let block = self.anchor().pem();
        self.bundle_with(kind, path, serves, &block);
    }

    fn bundle_with(&mut self, kind: StoreKind, path: &str, serves: &str, block: &str) {
        if !self.request.wants(kind) || !self.seen.insert(path.to_owned()) {
            return;
        }
        let old = match self.root.read(path) {
            Ok(old) => old,
            Err(error) => return self.leave(kind, path, error.to_string(), None),
        };
        match stores::pem(&old, self.anchor(), block) {
            Ok(Outcome::Already) => self.already(kind, path, serves),
            Ok(Outcome::New(new)) => {
                let change = self.changed_file(path, new, 0o644);
                self.step(kind, path, Did::Added, serves, vec![change]);
            }
            Err(why) => return self.leave(kind, path, why, None),
        }
        if let (Some(damage), Some(step)) = (bundle::damage(&old), self.plan.steps.last_mut()) {
            step.notes.push(damage);
        }
    }

    /// A root without any bundle gets one that holds this certificate alone.
    fn new_bundle(&mut self, path: &str) {
        let Some(real) = place_for(&self.root, path) else {
            return self.leave(StoreKind::Bundle, path, NO_FILE.to_owned(), None);
        };
        let change = self.new_file(&real, self.anchor().pem().into_bytes(), 0o644);
        let serves = places::readers(&real, &self.root);
        let serves =
            if serves.starts_with("programs") { "Go, curl, OpenSSL and most others".to_owned() } else { serves };
        self.step(StoreKind::Bundle, &real, Did::Created, &serves, vec![change]);
        self.plan.notes.push(format!(
            "there was no bundle of roots: {real} is new and holds this certificate alone, no public roots"
        ));
    }

    // ---- folders by hash ----

    fn hashed(&mut self, anchor_file: Option<&str>) {
        if !self.request.wants(StoreKind::Hashed) {
            return;
        }
        let serves = "OpenSSL by folder: openssl, Python ssl, Ruby, PHP, .NET";
        let mut folders: Vec<(String, Style)> = Vec::new();
        for known in self.family.hashed {
            if let Some(real) = folder_at(&self.root, known.folder) {
                folders.push((real, known.style));
            }
        }
        // A folder of links that no family's command of this root keeps.
        if self.family.hashed.is_empty()
            && let Some(real) = folder_at(&self.root, "/etc/ssl/certs")
            && hashed::has_hashes(&self.root, &real)
        {
            folders.push((real, Style::Copied));
        }
        for (folder, style) in folders {
            self.hashed_folder(&folder, style, anchor_file, serves);
        }
    }

    fn hashed_folder(&mut self, folder: &str, style: Style, anchor_file: Option<&str>, serves: &str) {
        if !self.request.wants(StoreKind::Hashed) || !self.seen.insert(folder.to_owned()) {
            return;
        }
        match hashed::with(&self.root, folder, style, self.anchor(), anchor_file) {
            Ok(links) if links.changes.is_empty() => self.already(StoreKind::Hashed, folder, serves),
            Ok(links) => self.step(StoreKind::Hashed, folder, Did::Added, serves, links.changes),
            Err(error) => self.leave(StoreKind::Hashed, folder, error.to_string(), None),
        }
    }

    // ---- Java ----

    fn java_system(&mut self, anchor_file: Option<&str>) {
        let (kept, _) = settings::debian_java(&self.root);
        for path in places::existing(&self.root, places::JAVA_STORES.iter().copied()) {
            if *self.family == DEBIAN && !kept && path.starts_with("/etc/ssl/certs/java") {
                let why = "/etc/default/cacerts says cacerts_updates=no".to_owned();
                self.leave(
                    StoreKind::Java,
                    &path,
                    why,
                    Some("set cacerts_updates=yes there, or give the store to keytool".to_owned()),
                );
                continue;
            }
            self.java(&path, "Java", anchor_file);
        }
    }

    fn java(&mut self, path: &str, serves: &str, anchor_file: Option<&str>) {
        if !self.request.wants(StoreKind::Java) || !self.seen.insert(path.to_owned()) {
            return;
        }
        let old = match self.root.read(path) {
            Ok(old) => old,
            Err(error) => return self.leave(StoreKind::Java, path, error.to_string(), None),
        };
        if old.starts_with(b"-----BEGIN") {
            return self.bundle(StoreKind::Bundle, path, serves);
        }
        let (wished, counted) = self.java_alias(path, anchor_file);
        let alias = Alias { wished: &wished, counted };
        match stores::java(&old, self.anchor(), &alias, &self.passwords(), self.request.at) {
            Ok(Outcome::Already) => self.already(StoreKind::Java, path, serves),
            Ok(Outcome::New(new)) => {
                let change = self.changed_file(path, new, 0o644);
                self.step(StoreKind::Java, path, Did::Added, serves, vec![change]);
            }
            Err(why) => {
                let fix = format!(
                    "keytool -importcert -noprompt -alias {} -file {}.crt -keystore {path}",
                    self.anchor().name.to_lowercase(),
                    self.anchor().name
                );
                self.leave(StoreKind::Java, path, why, Some(fix));
            }
        }
    }

    /// The alias that the tool which keeps a store would choose.
    fn java_alias(&self, path: &str, anchor_file: Option<&str>) -> (String, bool) {
        if path == "/etc/ssl/certs/java/cacerts" && *self.family == DEBIAN {
            let file = anchor_file.map_or(self.anchor().name.as_str(), |file| name(file).trim_end_matches(".crt"));
            return (format!("debian:{file}.pem"), false);
        }
        if self.family.hashed.iter().any(|hashed| hashed.style == Style::P11Kit) && places::JAVA_STORES.contains(&path)
        {
            return (p11kit::java_alias(self.anchor()), true);
        }
        (self.anchor().name.clone(), false)
    }

    fn passwords(&self) -> Vec<String> {
        let mut all = self.request.passwords.to_vec();
        all.extend(settings::java_store(self.request.env).1);
        all.extend(settings::debian_java(&self.root).1);
        // Java 18 and later write stores without one.
        all.push(String::new());
        all
    }

    // ---- the rest ----

    fn edk2(&mut self) {
        for path in self.family.edk2 {
            let Some(real) = file_at(&self.root, path).filter(|_| self.request.wants(StoreKind::Edk2)) else {
                continue;
            };
            let serves = "UEFI firmware that is given this file (QEMU, HTTPS boot)";
            let result = self.root.read(&real).map_err(|error| error.to_string());
            match result.and_then(|old| stores::edk2(&old, self.anchor())) {
                Ok(Outcome::Already) => self.already(StoreKind::Edk2, &real, serves),
                Ok(Outcome::New(new)) => {
                    let change = self.changed_file(&real, new, 0o444);
                    self.step(StoreKind::Edk2, &real, Did::Added, serves, vec![change]);
                }
                Err(why) => self.leave(StoreKind::Edk2, &real, why, None),
            }
        }
    }

    // ---- the plan ----

    fn step(&mut self, kind: StoreKind, path: &str, did: Did, serves: &str, changes: Vec<Change>) {
        let mut all = Vec::new();
        for change in changes {
            self.missing_folders(parent(&change.path), &mut all);
            all.push(change.clone());
            self.root.make(change);
        }
        let (path, serves) = (path.to_owned(), serves.to_owned());
        self.plan.steps.push(Step { kind, path, did, serves, notes: Vec::new(), changes: all });
    }

    fn already(&mut self, kind: StoreKind, path: &str, serves: &str) {
        self.step(kind, path, Did::Already, serves, Vec::new());
    }

    fn leave(&mut self, kind: StoreKind, path: &str, why: String, fix: Option<String>) {
        self.plan.left.push(Left { kind, path: path.to_owned(), why, fix });
    }

    /// Folders that have to be made first.
    fn missing_folders(&mut self, folder: &str, changes: &mut Vec<Change>) {
        let mut missing = Vec::new();
        let mut at = folder;
        while at != "/" && matches!(self.root.look(at), Ok(None)) {
            missing.push(at.to_owned());
            at = parent(at);
        }
        for path in missing.into_iter().rev() {
            let (uid, gid) = self.owner;
            let change = Change { path, kind: ChangeKind::Dir, mode: 0o755, uid, gid };
            self.root.make(change.clone());
            changes.push(change);
        }
    }

    /// A new file belongs to whom the root belongs to: in a container with users of its own, that is its root.
    fn new_file(&self, path: &str, bytes: Vec<u8>, mode: u32) -> Change {
        let (uid, gid) = self.owner;
        Change { path: path.to_owned(), kind: ChangeKind::File { bytes }, mode, uid, gid }
    }

    /// A file with the mode and owner that it has.
    fn changed_file(&self, path: &str, bytes: Vec<u8>, mode: u32) -> Change {
        let (mode, uid, gid) = match self.root.look(path) {
            Ok(Some(Found { kind: Kind::File, mode, uid, gid })) => (mode, uid, gid),
            _ => (mode, 0, 0),
        };
        Change { path: path.to_owned(), kind: ChangeKind::File { bytes }, mode, uid, gid }
    }
}
