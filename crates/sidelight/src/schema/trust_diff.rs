//! `sidelight trust diff`. In: a difference. Out: the document of `--json`, type `trust-diff`.

use std::sync::Arc;

use serde::Serialize;
use sidelight_model::time::Timestamp;
use sidelight_model::trust::Runtime;
use sidelight_model::trust::diff::{Changed, Delta, Difference};
use sidelight_model::x509::Certificate;

/// The whole document.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    v: u32,
    r#type: &'static str,
    before: String,
    after: String,
    runtime: Option<&'static str>,
    at: String,
    differs: bool,
    roots: Roots,
    stores: Vec<Store>,
    same_stores: usize,
    programs: Vec<Program>,
    expiring: Vec<Cert>,
}

#[derive(Debug, Serialize)]
struct Roots {
    before: usize,
    after: usize,
    added: Vec<Cert>,
    removed: Vec<Cert>,
    changed: Vec<Pair>,
}

#[derive(Debug, Serialize)]
struct Pair {
    /// What both share: `key` or `name`.
    shares: &'static str,
    before: Cert,
    after: Cert,
}

#[derive(Debug, Serialize)]
struct Cert {
    subject: String,
    sha256: String,
    not_before: String,
    not_after: String,
}

#[derive(Debug, Serialize)]
struct Store {
    path: String,
    in_before: bool,
    in_after: bool,
    roots: Roots,
}

#[derive(Debug, Serialize)]
struct Program {
    runtime: &'static str,
    before: Option<String>,
    after: Option<String>,
    roots: Roots,
}

impl Document {
    /// The document of a difference.
    pub(crate) fn new(found: &Difference, names: [&str; 2], runtime: Option<Runtime>, at: Timestamp) -> Self {
        let stores = found.stores.iter().map(|store| Store {
            path: store.path.clone(),
            in_before: store.in_before,
            in_after: store.in_after,
            roots: roots(&store.delta),
        });
        let programs = found.readers.iter().map(|reader| Program {
            runtime: reader.runtime.name(),
            before: reader.before.clone(),
            after: reader.after.clone(),
            roots: roots(&reader.delta),
        });
        Self {
            v: 1,
            r#type: "trust-diff",
            before: names[0].to_owned(),
            after: names[1].to_owned(),
            runtime: runtime.map(Runtime::name),
            at: at.rfc3339(),
            differs: !found.is_empty(),
            roots: roots(&found.roots),
            stores: stores.collect(),
            same_stores: found.same_stores,
            programs: programs.collect(),
            expiring: certs(&found.expiring),
        }
    }
}

fn roots(delta: &Delta) -> Roots {
    let pair = |changed: &Changed| Pair {
        shares: changed.shares.name(),
        before: cert(&changed.before),
        after: cert(&changed.after),
    };
    Roots {
        before: delta.before,
        after: delta.after,
        added: certs(&delta.added),
        removed: certs(&delta.removed),
        changed: delta.changed.iter().map(pair).collect(),
    }
}

fn certs(all: &[Arc<Certificate>]) -> Vec<Cert> {
    all.iter().map(|one| cert(one)).collect()
}

fn cert(cert: &Certificate) -> Cert {
    Cert {
        subject: cert.subject.clone(),
        sha256: cert.sha256(),
        not_before: cert.not_before.rfc3339(),
        not_after: cert.not_after.rfc3339(),
    }
}
