//! What `trust list --json` and `trust find --json` print. In: a survey. Out: serialisable values.

use serde::Serialize;
use sidelight_model::trust::catalog::{Answer, Place, Shelf, shelves};
use sidelight_model::trust::query::{Relation, key_sha256};
use sidelight_model::trust::reference::{Reference, intruder};
use sidelight_model::trust::{Content, Entry, KeyFound, ProgramKind, Survey};
use sidelight_model::x509::{Certificate, fingerprint};

/// The document of `trust list --json`.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    source: String,
    image: Option<String>,
    platform: Option<String>,
    layers: Vec<Layer>,
    stores: Vec<Store>,
    roots: Vec<Root>,
    keys: Vec<Key>,
    programs: Vec<Program>,
    mozilla: String,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Layer {
    digest: Option<String>,
    diff_id: Option<String>,
    created_by: Option<String>,
}

/// Where a store is.
#[derive(Debug, Serialize)]
struct At {
    path: String,
    format: &'static str,
    /// The index of the layer, from 0.
    layer: Option<usize>,
    created_by: Option<String>,
    /// Replaced or removed by an upper layer.
    hidden: bool,
    bundle: bool,
}

#[derive(Debug, Serialize)]
struct Store {
    #[serde(flatten)]
    at: At,
    mode: String,
    uid: u32,
    gid: u32,
    size: u64,
    sha256: Option<String>,
    count: usize,
    locked: bool,
    faults: Vec<Fault>,
    entries: Vec<Member>,
}

#[derive(Debug, Serialize)]
struct Fault {
    what: String,
    line: Option<usize>,
    offset: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Member {
    sha256: String,
    root: bool,
    alias: Option<String>,
    label: Option<String>,
    line: Option<usize>,
    offset: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted_for: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected_for: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    distrusted: bool,
}

/// One certificate.
#[derive(Debug, Serialize)]
pub(crate) struct Root {
    sha256: String,
    subject: String,
    issuer: String,
    not_before: String,
    not_after: String,
    key_sha256: String,
    key_id: Option<String>,
    ca: Option<bool>,
    mozilla: Mozilla,
    private_ca: Option<&'static str>,
    stores: Vec<String>,
}

/// How Mozilla's list has it.
#[derive(Debug, Serialize)]
struct Mozilla {
    /// `current`, `removed`, `unknown`.
    status: &'static str,
    since: Option<String>,
    removed: Option<String>,
    /// Whether `removed` is the latest day that it can have been.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    removed_by: bool,
    distrust_after: Option<String>,
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct Key {
    path: String,
    layer: Option<usize>,
    hidden: bool,
    form: String,
    encrypted: bool,
    line: Option<usize>,
    alias: Option<String>,
    /// SHA-256 of the public half as SubjectPublicKeyInfo.
    key_sha256: Option<String>,
}

#[derive(Debug, Serialize)]
struct Program {
    path: String,
    kind: &'static str,
    layer: Option<usize>,
    mode: String,
    markers: Vec<&'static str>,
    values: Vec<[String; 2]>,
    go_modules: usize,
    known_roots: usize,
}

impl List {
    /// The document.
    pub(crate) fn new(survey: &Survey, reference: &Reference) -> Self {
        let all = shelves(survey);
        let none_if_empty = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            v: 1,
            kind: "trust-list",
            source: survey.source.clone(),
            image: survey.image.clone(),
            platform: none_if_empty(&survey.config.platform),
            layers: survey.layers.iter().map(Layer::new).collect(),
            stores: all.iter().map(|it| Store::new(survey, it)).collect(),
            roots: roots(survey, &all, reference),
            keys: all.iter().flat_map(|it| it.store.keys.iter().map(|key| Key::new(it, key))).collect(),
            programs: programs(survey),
            mozilla: reference.as_of.clone(),
            notes: survey.notes.clone(),
        }
    }
}

impl Layer {
    fn new(layer: &sidelight_model::trust::Layer) -> Self {
        Self { digest: layer.digest.clone(), diff_id: layer.diff_id.clone(), created_by: layer.created_by.clone() }
    }
}

impl At {
    fn new(survey: &Survey, it: &Shelf<'_>) -> Self {
        let layer = it.file.layer.and_then(|index| survey.layers.get(index));
        Self {
            path: it.file.path.clone(),
            format: it.store.format.name(),
            layer: it.file.layer,
            created_by: layer.and_then(|layer| layer.created_by.clone()),
            hidden: it.hidden,
            bundle: it.is_bundle(),
        }
    }
}

impl Store {
    fn new(survey: &Survey, it: &Shelf<'_>) -> Self {
        let fault = |fault: &sidelight_model::trust::StoreFault| Fault {
            what: fault.what.clone(),
            line: fault.line,
            offset: fault.offset,
        };
        Self {
            at: At::new(survey, it),
            mode: mode(it.file.mode),
            uid: it.file.uid,
            gid: it.file.gid,
            size: it.file.size,
            sha256: it.file.sha256.clone(),
            count: it.count(),
            locked: it.store.locked,
            faults: it.store.faults.iter().map(fault).collect(),
            entries: it.store.entries.iter().map(|entry| Member::new(survey, entry)).collect(),
        }
    }
}

fn mode(mode: u32) -> String {
    format!("{mode:04o}")
}

impl Member {
    fn new(survey: &Survey, entry: &Entry) -> Self {
        let bits = entry.bits.clone().unwrap_or_default();
        Self {
            sha256: survey.pool.get(entry.cert).sha256(),
            root: entry.is_anchor,
            alias: entry.alias.clone(),
            label: entry.label.clone(),
            line: entry.line,
            offset: entry.offset,
            trusted_for: bits.trusted,
            rejected_for: bits.rejected,
            distrusted: bits.distrusted,
        }
    }
}

fn roots(survey: &Survey, all: &[Shelf<'_>], reference: &Reference) -> Vec<Root> {
    let mut stores = vec![Vec::new(); survey.pool.all().len()];
    for it in all.iter().filter(|it| !it.hidden) {
        for entry in it.anchors() {
            let Some(paths) = stores.get_mut(entry.cert.0) else { continue };
            if paths.last() != Some(&it.file.path) {
                paths.push(it.file.path.clone());
            }
        }
    }
    let all = survey.pool.all().iter().zip(stores);
    all.filter(|(_, stores)| !stores.is_empty())
        .map(|(certificate, stores)| Root::new(certificate, stores, reference))
        .collect()
}

impl Root {
    fn new(certificate: &Certificate, stores: Vec<String>, reference: &Reference) -> Self {
        Self {
            sha256: certificate.sha256(),
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
            not_before: certificate.not_before.rfc3339(),
            not_after: certificate.not_after.rfc3339(),
            key_sha256: key_sha256(certificate),
            key_id: certificate.subject_key_id.as_ref().map(|id| data_encoding::HEXLOWER.encode(id)),
            ca: certificate.is_ca,
            mozilla: Mozilla::new(certificate, reference),
            private_ca: intruder(certificate).map(|intruder| intruder.who),
            stores,
        }
    }
}

impl Mozilla {
    fn new(certificate: &Certificate, reference: &Reference) -> Self {
        let Some(root) = reference.root(&certificate.sha256()) else {
            return Self {
                status: "unknown",
                since: None,
                removed: None,
                removed_by: false,
                distrust_after: None,
                note: None,
            };
        };
        Self {
            status: if root.is_current() { "current" } else { "removed" },
            since: Some(root.since.clone()),
            removed: root.removed.clone(),
            removed_by: root.removed_by,
            distrust_after: root.distrust_after.clone(),
            note: Some(root.note.clone()).filter(|note| !note.is_empty()),
        }
    }
}

impl Key {
    fn new(it: &Shelf<'_>, key: &KeyFound) -> Self {
        Self {
            path: it.file.path.clone(),
            layer: it.file.layer,
            hidden: it.hidden,
            form: key.form.clone(),
            encrypted: key.encrypted,
            line: key.line,
            alias: key.alias.clone(),
            key_sha256: key.public_key.as_ref().map(|key| fingerprint(key)),
        }
    }
}

fn programs(survey: &Survey) -> Vec<Program> {
    let of = |file: &sidelight_model::trust::File| {
        let Content::Program(program, _) = &file.content else { return None };
        let values = program.values.iter().filter(|(name, _)| *name != "text");
        Some(Program {
            path: file.path.clone(),
            kind: match program.kind {
                ProgramKind::Executable => "executable",
                ProgramKind::Library => "library",
                ProgramKind::Archive => "archive",
                ProgramKind::Script => "script",
            },
            layer: file.layer,
            mode: mode(file.mode),
            markers: program.markers.clone(),
            values: values.map(|(name, value)| [(*name).to_owned(), value.clone()]).collect(),
            go_modules: program.go_modules.len(),
            known_roots: program.known_keys.len(),
        })
    };
    survey.files.values().filter_map(of).collect()
}

/// The document of `trust find --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Find {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    source: String,
    query: String,
    found: bool,
    /// Whether reading stopped at the first store that has it.
    first: bool,
    certificates: Vec<Root>,
    stores: Vec<Spot>,
    akin: Vec<Spot>,
    without: Vec<At>,
    runtimes: Vec<serde_json::Value>,
    notes: Vec<String>,
}

/// A place of a certificate.
#[derive(Debug, Serialize)]
struct Spot {
    #[serde(flatten)]
    at: At,
    /// `same`, `same_key`, `same_name`.
    relation: &'static str,
    #[serde(flatten)]
    member: Member,
}

impl Find {
    /// The document.
    pub(crate) fn new(
        survey: &Survey,
        query: &str,
        answer: &Answer<'_>,
        first: bool,
        runtimes: Vec<serde_json::Value>,
        reference: &Reference,
    ) -> Self {
        let spots = |places: &[Place<'_>]| places.iter().map(|place| Spot::new(survey, place)).collect();
        let certificate = |id: &sidelight_model::trust::CertId| {
            let here =
                answer.places.iter().filter(|place| place.cert == *id && place.entry.is_anchor && !place.shelf.hidden);
            let stores = here.map(|place| place.shelf.file.path.clone()).collect();
            Root::new(survey.pool.get(*id), stores, reference)
        };
        Self {
            v: 1,
            kind: "trust-find",
            source: survey.source.clone(),
            query: query.to_owned(),
            found: answer.is_yes(),
            first,
            certificates: answer.certs.iter().map(certificate).collect(),
            stores: spots(&answer.places),
            akin: spots(&answer.akin),
            without: answer.without.iter().map(|it| At::new(survey, it)).collect(),
            runtimes,
            notes: survey.notes.clone(),
        }
    }
}

impl Spot {
    fn new(survey: &Survey, place: &Place<'_>) -> Self {
        Self {
            at: At::new(survey, &place.shelf),
            relation: match place.relation {
                Relation::Same => "same",
                Relation::SameKey => "same_key",
                Relation::SameName => "same_name",
            },
            member: Member::new(survey, place.entry),
        }
    }
}
