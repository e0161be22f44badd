//! Reads sources as a runtime does. In: paths and the reader that the runtime is. Out: roots with the files that gave them, what was lost.

use std::collections::{BTreeMap, HashSet};

use super::ground::Ground;
use super::{Effective, Lost, Root, Source, SourceKind, SourceState, accept};
use crate::trust::{CertId, Content, File, Reader, Reading, Runtime, Store, Survey};
use crate::x509::subject_hash;

/// Folders of anchors, and the command that takes them into the bundle.
const ANCHORS: &[(&str, &str)] = &[
    ("/usr/local/share/ca-certificates/", "update-ca-certificates"),
    ("/etc/pki/ca-trust/source/anchors/", "update-ca-trust"),
    ("/usr/share/pki/ca-trust-source/anchors/", "update-ca-trust"),
    ("/etc/ca-certificates/trust-source/anchors/", "update-ca-trust"),
    ("/etc/pki/trust/anchors/", "update-ca-certificates"),
    ("/usr/share/pki/trust/anchors/", "update-ca-certificates"),
];

/// An [`Effective`] in the making.
pub(super) struct Gather<'g> {
    pub(super) ground: &'g Ground<'g>,
    pub(super) out: Effective,
    /// Whose rules judge chains, where a program has several libraries to choose from.
    pub(super) judge: Runtime,
}

impl<'g> Gather<'g> {
    pub(super) fn new(ground: &'g Ground<'g>, runtime: Runtime, label: impl Into<String>) -> Self {
        let out = Effective {
            runtime,
            label: label.into(),
            version: None,
            program: None,
            sources: Vec::new(),
            roots: Vec::new(),
            lost: Vec::new(),
            fails: None,
            notes: Vec::new(),
        };
        Self { ground, out, judge: runtime }
    }

    /// Names the file that shows that the runtime is there.
    pub(super) fn of(mut self, program: Option<&str>, version: Option<&str>) -> Self {
        self.out.program = program.map(str::to_owned);
        self.out.version = version.map(str::to_owned);
        self
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.out.notes.contains(&note) {
            self.out.notes.push(note);
        }
    }

    fn survey(&self) -> &'g Survey {
        self.ground.survey
    }

    fn source(&mut self, path: &str, kind: SourceKind, why: &str, state: SourceState) {
        let leads_to = self.survey().resolve(path).filter(|real| *real != path);
        self.out.sources.push(Source { path: path.to_owned(), leads_to, kind, why: why.to_owned(), state });
    }

    /// A file. Gives back whether it is there.
    pub(super) fn file(&mut self, path: &str, reader: Reader, why: &str) -> bool {
        let path = self.ground.absolute(path);
        let Some(file) = self.survey().file(&path) else {
            self.source(&path, SourceKind::File, why, SourceState::Missing);
            return false;
        };
        let state = self.take(file, reader);
        self.source(&path, SourceKind::File, why, state);
        true
    }

    /// What a reader makes of a file.
    fn take(&mut self, file: &File, reader: Reader) -> SourceState {
        let store = match &file.content {
            Content::Store(store) | Content::Program(_, Some(store)) => store,
            _ if file.size == 0 => return SourceState::Refused("it is empty".to_owned()),
            _ => return SourceState::Refused("it holds no certificate".to_owned()),
        };
        let Some(reading) = store.reading(reader) else {
            let why = format!("it is {}, which {} does not read", store.format.name(), self.out.runtime);
            self.lose_all(file, store, &why);
            return SourceState::Refused(why);
        };
        self.take_reading(file, store, reading)
    }

    fn take_reading(&mut self, file: &File, store: &Store, reading: &Reading) -> SourceState {
        for index in &reading.taken {
            if let Some(entry) = store.entries.get(*index) {
                self.root(entry.cert, &file.path);
            }
        }
        for loss in &reading.lost {
            let entry = loss.entry.and_then(|index| store.entries.get(index));
            self.out.lost.push(Lost {
                cert: entry.map(|entry| entry.cert),
                file: file.path.clone(),
                line: entry.and_then(|entry| entry.line),
                why: loss.why.clone(),
                silent: loss.silent,
                fix: None,
            });
        }
        match &reading.fails {
            Some(why) => SourceState::Refused(why.clone()),
            None => SourceState::Gives(reading.taken.len()),
        }
    }

    fn lose_all(&mut self, file: &File, store: &Store, why: &str) {
        self.out.lost.extend(store.entries.iter().map(|entry| Lost {
            cert: Some(entry.cert),
            file: file.path.clone(),
            line: entry.line,
            why: why.to_owned(),
            silent: true,
            fix: None,
        }));
    }

    /// Notes the folders that gave the roots gathered so far.
    pub(super) fn gathered(&mut self, folders: &[&str], why: &str) {
        for folder in folders {
            if !self.is_folder(folder.trim_end_matches('/')) {
                continue;
            }
            let given =
                self.out.roots.iter().filter(|root| root.files.iter().any(|file| file.starts_with(folder))).count();
            self.source(folder, SourceKind::Folder, why, SourceState::Gives(given));
        }
    }

    pub(super) fn root(&mut self, cert: CertId, file: &str) {
        match self.out.roots.iter_mut().find(|root| root.cert == cert) {
            Some(root) if root.files.iter().any(|known| known == file) => {}
            Some(root) => root.files.push(file.to_owned()),
            None => self.out.roots.push(Root { cert, files: vec![file.to_owned()], refused: None }),
        }
    }

    /// All trusted entries of a store, whatever its readers are: roots that are compiled in, a key store with its password.
    pub(super) fn entries(&mut self, file: &File, store: &Store, kind: SourceKind, why: &str) {
        let anchors: Vec<CertId> =
            store.entries.iter().filter(|entry| entry.is_anchor).map(|entry| entry.cert).collect();
        for cert in &anchors {
            self.root(*cert, &file.path);
        }
        self.source(&file.path, kind, why, SourceState::Gives(anchors.len()));
    }

    /// A folder that is looked up by hash names: `HHHHHHHH.0`, `.1`, … without a gap.
    pub(super) fn hashed_folder(&mut self, path: &str, why: &str) {
        let path = self.ground.absolute(path);
        let listed = self.survey().folder(&path);
        self.dangling(&path);
        if listed.is_empty() && !self.is_folder(&path) {
            self.source(&path, SourceKind::Folder, why, SourceState::Missing);
            return;
        }
        let links: BTreeMap<&str, &File> =
            listed.iter().filter(|(name, _)| is_hash_name(name)).map(|(name, file)| (name.as_str(), *file)).collect();
        let mut given = HashSet::new();
        for (name, file) in &links {
            let Some((hash, number)) = name.split_once('.') else { continue };
            let number: usize = number.parse().unwrap_or(usize::MAX);
            let gap = (0..number.min(links.len() + 1))
                .find(|before| !links.contains_key(format!("{hash}.{before}").as_str()));
            given.extend(self.linked(name, hash, gap, file));
        }
        self.unlinked(&listed, &given);
        self.source(&path, SourceKind::Folder, why, SourceState::Gives(given.len()));
    }

    /// The certificates that a hash link gives.
    fn linked(&mut self, name: &str, hash: &str, gap: Option<usize>, file: &File) -> Vec<CertId> {
        let Content::Store(store) = &file.content else { return Vec::new() };
        let Some(reading) = store.reading(Reader::OpenSslHashed) else { return Vec::new() };
        let mut given = Vec::new();
        for entry in reading.taken.iter().filter_map(|index| store.entries.get(*index)) {
            let own = subject_hash(&self.survey().pool.get(entry.cert).subject_der);
            let why = match (own.as_deref() == Some(hash), gap) {
                (true, None) => {
                    self.root(entry.cert, &file.path);
                    given.push(entry.cert);
                    continue;
                }
                (true, Some(gap)) => format!("its link {name} is not reached, because {hash}.{gap} is not there"),
                (false, _) => {
                    format!("the link {name} has the hash of another name; its own is {}.0", own.unwrap_or_default())
                }
            };
            self.lose(entry.cert, file, entry.line, why, Some("openssl rehash FOLDER".to_owned()));
        }
        given
    }

    fn lose(&mut self, cert: CertId, file: &File, line: Option<usize>, why: String, fix: Option<String>) {
        let lost = Lost { cert: Some(cert), file: file.path.clone(), line, why, silent: true, fix };
        self.out.lost.push(lost);
    }

    /// Files of a hashed folder that no link leads to.
    fn unlinked(&mut self, listed: &[(String, &File)], given: &HashSet<CertId>) {
        let named = |name: &str| [".pem", ".crt", ".cer"].iter().any(|end| name.ends_with(end));
        for (name, file) in listed.iter().filter(|(name, _)| named(name)) {
            let Content::Store(store) = &file.content else { continue };
            for entry in store.entries.iter().filter(|entry| !given.contains(&entry.cert)) {
                let hash = subject_hash(&self.survey().pool.get(entry.cert).subject_der).unwrap_or_default();
                let why = if store.entries.len() == 1 {
                    format!("{name} has no hash link {hash}.0, by which alone OpenSSL finds files of a folder")
                } else {
                    format!(
                        "{name} holds several certificates and has no hash link, by which alone OpenSSL finds files of a folder"
                    )
                };
                self.lose(entry.cert, file, entry.line, why, Some("openssl rehash FOLDER".to_owned()));
            }
        }
    }

    /// Hash links that lead nowhere.
    fn dangling(&mut self, path: &str) {
        let Some(real) = self.survey().resolve(path) else { return };
        let prefix = format!("{real}/");
        let links = self.survey().links.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let lost: Vec<Lost> = links
            .filter(|(path, _)| is_hash_name(&path[prefix.len()..]) && self.survey().file(path).is_none())
            .map(|(path, target)| Lost {
                cert: None,
                file: path.clone(),
                line: None,
                why: format!("the link leads to {target}, which is not there"),
                silent: true,
                fix: Some("update-ca-certificates --fresh".to_owned()),
            })
            .collect();
        self.out.lost.extend(lost);
    }

    fn is_folder(&self, path: &str) -> bool {
        let Some(real) = self.survey().resolve(path) else { return false };
        let prefix = format!("{real}/");
        let starts = |known: &String| known.starts_with(&prefix);
        self.survey().files.range(prefix.clone()..).next().is_some_and(|(path, _)| starts(path))
            || self.survey().links.range(prefix.clone()..).next().is_some_and(|(path, _)| starts(path))
    }

    /// A folder all files of which are read, whatever their names. `skips_links`: not links to a file of the same folder.
    pub(super) fn folder(&mut self, path: &str, reader: Reader, why: &str, skips_links: bool) -> bool {
        let path = self.ground.absolute(path);
        if !self.is_folder(&path) {
            self.source(&path, SourceKind::Folder, why, SourceState::Missing);
            return false;
        }
        let real = self.survey().resolve(&path).unwrap_or_default();
        let mut given = HashSet::new();
        for (name, file) in self.survey().folder(&path) {
            let target = self.survey().links.get(&format!("{real}/{name}"));
            if skips_links && target.is_some_and(|target| !target.contains('/')) {
                continue;
            }
            let Content::Store(store) = &file.content else { continue };
            // A file that is no store of this kind is passed over; that is no loss worth telling.
            let Some(reading) = store.reading(reader) else { continue };
            self.take_reading(file, store, reading);
            given.extend(reading.taken.iter().filter_map(|index| store.entries.get(*index)).map(|entry| entry.cert));
        }
        self.source(&path, SourceKind::Folder, why, SourceState::Gives(given.len()));
        true
    }

    /// Anchors of the distribution's folders that did not arrive: for runtimes that are meant to share the system's trust.
    pub(super) fn anchors(&mut self) {
        for (folder, command) in ANCHORS {
            let survey = self.survey();
            let files = survey.files.range((*folder).to_owned()..).take_while(|(path, _)| path.starts_with(folder));
            for (path, file) in files {
                let Content::Store(store) = &file.content else { continue };
                for entry in store.entries.iter().filter(|entry| entry.is_anchor) {
                    let why = match elsewhere(survey, entry.cert, path) {
                        Some(bundle) => {
                            format!("{command} took it into {bundle}, where {} does not read it", self.out.label)
                        }
                        None => format!("it lies in {folder}, but {command} has not taken it into the bundle"),
                    };
                    self.lose(entry.cert, file, entry.line, why, Some((*command).to_owned()));
                }
            }
        }
    }

    /// The result: what is lost in one place and had from another is not lost; roots that are never accepted are marked.
    pub(super) fn done(mut self) -> Effective {
        let have: HashSet<CertId> = self.out.roots.iter().map(|root| root.cert).collect();
        let mut seen = HashSet::new();
        self.out.lost.retain(|lost| {
            lost.cert.is_none_or(|cert| !have.contains(&cert))
                && seen.insert((lost.cert, lost.file.clone(), lost.why.clone()))
        });
        let stack = accept::stack(self.judge, self.out.version.as_deref());
        let now = self.ground.situation.now;
        for root in &mut self.out.roots {
            root.refused = accept::refusal(self.ground.survey.pool.get(root.cert), stack, now);
        }
        if self.out.program.is_none() {
            let note = format!(
                "no program of this kind was found in it; the rules of {} are applied nevertheless",
                self.out.runtime
            );
            self.note(note);
        }
        self.out
    }
}

/// A bundle of the distribution that holds a certificate.
fn elsewhere(survey: &Survey, cert: CertId, not: &str) -> Option<String> {
    const BUNDLES: &[&str] = &[
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/var/lib/ca-certificates/ca-bundle.pem",
        "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
    ];
    BUNDLES.iter().filter_map(|path| survey.resolve(path)).find(|path| {
        path != not && survey.store(path).is_some_and(|store| store.entries.iter().any(|entry| entry.cert == cert))
    })
}

/// Eight hexadecimal digits, a dot and a number.
pub(super) fn is_hash_name(name: &str) -> bool {
    let Some((hash, number)) = name.split_once('.') else { return false };
    hash.len() == 8
        && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}
