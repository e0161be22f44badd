//! What all checks stand on, worked out once. In: a survey, lists, what programs read. Out: certificates with where they are
//! trusted, whom they concern, and whether the public knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::effective::{Effective, SourceKind};
use super::super::reference::Reference;
use super::super::{CertId, Content, Entry, File, Runtime, Store, Survey};
use super::facts::Facts;
use super::fixture;
use super::issue::{Affected, Check, Ignore, Place};
use super::known::Standing;
use super::policy::Policy;
use super::role::{Role, copy_of};
use crate::time::Timestamp;
use crate::x509::Certificate;

/// What is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// All that bears on trust in the image.
    pub survey: &'a Survey,
    /// What the public knows of roots.
    pub reference: &'a Reference,
    /// What the programs of the image read; empty where that is not known.
    pub readers: &'a [Reads],
    /// The time that validity is judged by.
    pub now: Timestamp,
    /// Roots that expire within so many days are told.
    pub days: u32,
    /// What is not to be told.
    pub ignore: &'a [Ignore],
    /// What must, may and must not be there.
    pub policy: Option<&'a Policy>,
}

/// What one program of the image reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    /// Its name for people, as in `Python 3.13 (requests)`.
    pub name: String,
    /// Whose rules it follows.
    pub runtime: Runtime,
    /// Its version, where known.
    pub version: Option<String>,
    /// The roots that it has, each with the files that gave it.
    pub roots: BTreeMap<CertId, Vec<String>>,
    /// The files that it reads, whether or not anything came of them.
    pub files: Vec<String>,
}

impl Reads {
    /// What a program has by its rules; roots that it never accepts are among them, as they are in its files.
    pub fn of(program: &Effective) -> Self {
        let mut files: Vec<String> = Vec::new();
        for source in program.sources.iter().filter(|source| source.kind != SourceKind::Folder) {
            files.extend(source.leads_to.clone());
            files.push(source.path.clone());
        }
        files.extend(program.roots.iter().flat_map(|root| root.files.iter().cloned()));
        files.sort();
        files.dedup();
        Self {
            name: named(program),
            runtime: program.runtime,
            version: program.version.clone(),
            roots: program.roots.iter().map(|root| (root.cert, root.files.clone())).collect(),
            files,
        }
    }

    /// Whether its verification is strict (RFC 5280's rules on roots too): Python from 3.13 on.
    pub fn is_strict(&self) -> bool {
        self.runtime == Runtime::Python && self.minor().is_some_and(|minor| minor >= 13)
    }

    /// Whether a certificate that is no root can be its anchor: curl, Go and others; OpenSSL's own tools and older Pythons not.
    pub fn takes_intermediates(&self) -> bool {
        match self.runtime {
            Runtime::OpenSsl | Runtime::Node => false,
            Runtime::Python => self.is_strict(),
            _ => true,
        }
    }

    fn minor(&self) -> Option<u32> {
        self.version.as_deref()?.strip_prefix("3.")?.split('.').next()?.parse().ok()
    }
}

/// A program's name for people, with its version where that tells more.
fn named(program: &Effective) -> String {
    match &program.version {
        Some(version) if !program.label.contains(':') && !program.label.contains(version.as_str()) => {
            format!("{} {version}", program.label)
        }
        _ => program.label.clone(),
    }
}

/// Where a certificate stands.
#[derive(Clone, Debug)]
pub(super) struct Spot<'a> {
    pub(super) file: &'a File,
    pub(super) entry: &'a Entry,
    pub(super) role: Role,
}

impl Spot<'_> {
    /// What a certificate is for that stands in a program is not known, unless the public knows it as a root. NSS's own library holds
    /// roots for mail alone and certificates that it refuses, too.
    fn is_known_root(&self, standing: &Standing<'_>) -> bool {
        match (self.role, &self.file.content) {
            (Role::Compiled, _) => *standing != Standing::Unknown,
            (Role::Nss, Content::Program(..)) => matches!(standing, Standing::Current(_)),
            _ => true,
        }
    }

    pub(super) fn place(&self) -> Place {
        Place::file(&self.file.path, self.file.layer).at(self.entry.line)
    }
}

/// A certificate that some program trusts.
#[derive(Clone, Debug)]
pub(super) struct Held<'a> {
    pub(super) id: CertId,
    pub(super) cert: &'a Arc<Certificate>,
    pub(super) facts: Facts,
    pub(super) spots: Vec<Spot<'a>>,
    pub(super) standing: Standing<'a>,
}

impl Held<'_> {
    /// Where it is trusted, the places that matter most first.
    pub(super) fn places(&self) -> Vec<Place> {
        self.spots.iter().filter(|spot| spot.role.is_trusted()).map(Spot::place).collect()
    }

    /// Where it is, trusted or not.
    pub(super) fn everywhere(&self) -> Vec<Place> {
        self.spots.iter().map(Spot::place).collect()
    }

    /// The whole stores that hold it.
    pub(super) fn set_files(&self) -> impl Iterator<Item = &str> {
        self.spots.iter().filter(|spot| spot.role.is_set()).map(|spot| spot.file.path.as_str())
    }

    /// The file that matters most.
    pub(super) fn first_path(&self) -> &str {
        self.spots.first().map_or("", |spot| spot.file.path.as_str())
    }

    pub(super) fn is_public(&self) -> bool {
        !matches!(self.standing, Standing::Unknown)
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        super::words::name(self.cert)
    }
}

/// The question, and what follows from it at once.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    pub(super) question: Question<'a>,
    /// Certificates that are trusted somewhere.
    pub(super) held: Vec<Held<'a>>,
    /// Certificates that lie about.
    pub(super) loose: Vec<Held<'a>>,
    /// The files that programs of the source read.
    read: BTreeSet<&'a str>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(question: Question<'a>) -> Self {
        let read = question.readers.iter().flat_map(|it| it.files.iter().map(String::as_str)).collect();
        let mut ground = Self { question, held: Vec::new(), loose: Vec::new(), read };
        let mut spots: BTreeMap<CertId, Vec<Spot<'a>>> = BTreeMap::new();
        for (file, store, role) in ground.stores() {
            for entry in store.entries.iter().filter(|entry| is_root(entry)) {
                spots.entry(entry.cert).or_default().push(Spot { file, entry, role });
            }
        }
        for (id, mut spots) in spots {
            let cert = question.survey.pool.get(id);
            let standing = Standing::of(question.reference, cert);
            let public = standing != Standing::Unknown;
            // Copies of the public roots in packages are told as such, not root by root; so are old roots in them that no list
            // remembers.
            let of_copies = public || cert.not_after < question.now;
            spots.retain(|spot| !(of_copies && spot.role == Role::Vendored && copy_of(&spot.file.path).is_some()));
            for spot in spots.iter_mut().filter(|spot| !spot.is_known_root(&standing)) {
                spot.role = Role::Loose;
            }
            if spots.is_empty() {
                continue;
            }
            spots.sort_by(|a, b| (a.role, &a.file.path).cmp(&(b.role, &b.file.path)));
            let trusted = spots.iter().any(|spot| spot.role.is_trusted());
            let held = Held { id, cert, facts: Facts::of(cert), spots, standing };
            if trusted { ground.held.push(held) } else { ground.loose.push(held) }
        }
        ground
    }

    /// What a file is for in this source: a bundle that no program found here reads is nobody's. The stores of the distribution are
    /// read by programs that are not known here, too.
    fn role(&self, file: &File) -> Role {
        let path = file.path.as_str();
        let role = Role::of(file);
        match role {
            Role::System | Role::Hashed | Role::Anchors | Role::Material | Role::OtherPurpose => role,
            _ if fixture::is_packed(path) => Role::Loose,
            // What a program reads is trusted, whatever it is called.
            Role::Loose if self.read.contains(path) => Role::Vendored,
            _ if self.read.contains(path) => role,
            _ if !self.question.readers.is_empty() || fixture::is(path) => Role::Loose,
            _ => role,
        }
    }

    /// Whether the user does not want to hear this of this certificate, or of anything.
    pub(super) fn is_ignored(&self, check: Check, cert: &Certificate) -> bool {
        self.question.ignore.iter().filter(|it| it.check == check).any(|it| match &it.only {
            None => true,
            Some(only) => *only == cert.sha256(),
        })
    }

    /// Certificates that are trusted and that the check is to be told of.
    pub(super) fn held_for(&self, check: Check) -> impl Iterator<Item = &Held<'a>> {
        self.held.iter().filter(move |held| !self.is_ignored(check, held.cert))
    }

    /// What each program that has this root does about it, by `effect`; those without an effect are left out.
    pub(super) fn affected(&self, id: CertId, effect: impl Fn(&Reads) -> Option<&'static str>) -> Vec<Affected> {
        let has = self.question.readers.iter().filter(|reader| reader.roots.contains_key(&id));
        has.filter_map(|reader| Some(Affected { who: reader.name.clone(), effect: effect(reader)?.to_owned() }))
            .collect()
    }

    /// The same for several roots: each program and effect once.
    pub(super) fn affected_by(
        &self,
        found: &[&Held<'a>],
        effect: impl Fn(&Reads) -> Option<&'static str> + Copy,
    ) -> Vec<Affected> {
        let mut all: Vec<Affected> = Vec::new();
        for it in found.iter().flat_map(|held| self.affected(held.id, effect)) {
            if !all.contains(&it) {
                all.push(it);
            }
        }
        all
    }

    /// The files of the final state that hold certificates, with their store.
    pub(super) fn stores(&self) -> impl Iterator<Item = (&'a File, &'a Store, Role)> {
        let survey = self.question.survey;
        survey.files.values().filter_map(|file| Some((file, store_of(file)?, self.role(file))))
    }

    /// Whole files, as places.
    pub(super) fn places_of<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> Vec<Place> {
        let layer = |path: &str| self.question.survey.files.get(path).and_then(|file| file.layer);
        paths.into_iter().map(|path| Place::file(path, layer(path))).collect()
    }

    /// The command that makes the image trust a certificate.
    pub(super) fn add_command(&self, certificate: &str) -> String {
        crate::trust::add_command(certificate, &self.question.survey.source)
    }

    /// The command that makes the image trust a certificate no longer.
    pub(super) fn remove_command(&self, sha256: &str) -> String {
        crate::trust::remove_command(sha256, &self.question.survey.source)
    }

    /// Whether the source is a system that runs: whoever may read its files is decided by their modes.
    pub(super) fn is_running(&self) -> bool {
        let source = self.question.survey.source.as_str();
        source == "host" || source.starts_with("container:") || source.starts_with("pid:")
    }

    /// The word for the source.
    pub(super) fn thing(&self) -> &'static str {
        let source = self.question.survey.source.as_str();
        match source.split_once(':').map_or(source, |(kind, _)| kind) {
            "host" => "host",
            "container" => "container",
            "pid" => "process",
            "rootfs" => "folder",
            _ => "image",
        }
    }

    /// Whether the user does not want to hear this of this file.
    pub(super) fn is_ignored_path(&self, check: Check, path: &str) -> bool {
        self.question.ignore.iter().any(|it| it.check == check && it.only.as_deref() == Some(path))
    }

    /// The source as it stands on a command line.
    pub(super) fn source(&self) -> String {
        super::words::quoted(&self.question.survey.source)
    }
}

/// What an issue of these certificates is about: its hash where it is one, else a word that stays the same while they do.
pub(super) fn about(found: &[&Held<'_>]) -> String {
    let mut hashes: Vec<String> = found.iter().map(|held| held.cert.sha256()).collect();
    match &hashes[..] {
        [one] => one.clone(),
        _ => {
            hashes.sort();
            format!("set-{}", &crate::redact::sha256_hex(hashes.concat().as_bytes())[..16])
        }
    }
}

/// The store in a file, if any.
pub(in crate::trust) fn store_of(file: &File) -> Option<&Store> {
    match &file.content {
        Content::Store(store) | Content::Program(_, Some(store)) => Some(store),
        _ => None,
    }
}

/// Whether an entry makes its certificate trusted: an anchor that is not distrusted there, nor trusted for other purposes alone.
pub(in crate::trust) fn is_root(entry: &Entry) -> bool {
    entry.is_anchor && !super::super::effective::refused_by_bits(entry)
}
