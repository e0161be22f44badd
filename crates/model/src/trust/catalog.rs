//! What stores a survey has, and where a certificate stands in them. In: a [`Survey`]. Out: [`Shelf`]s, and the [`Answer`] to where
//! a root is.

use std::collections::BTreeSet;

use super::audit::Role;
use super::query::{Query, Relation};
use super::{CertId, Content, Entry, File, Store, Survey};

/// From so many anchors on, a file is a bundle rather than a certificate or two.
const BUNDLE: usize = 5;

/// A store and the file it is in.
#[derive(Clone, Copy, Debug)]
pub struct Shelf<'s> {
    /// The file.
    pub file: &'s File,
    /// The store in it.
    pub store: &'s Store,
    /// Whether an upper layer replaced or removed it.
    pub hidden: bool,
}

impl<'s> Shelf<'s> {
    /// The store in a file, if it holds one.
    pub fn of(file: &'s File, hidden: bool) -> Option<Self> {
        match &file.content {
            Content::Store(store) | Content::Program(_, Some(store)) => Some(Self { file, store, hidden }),
            _ => None,
        }
    }

    /// The certificates that are anchors there.
    pub fn anchors(&self) -> impl Iterator<Item = &'s Entry> + use<'s> {
        self.store.entries.iter().filter(|entry| entry.is_anchor)
    }

    /// How many different roots it has.
    pub fn count(&self) -> usize {
        self.anchors().map(|entry| entry.cert).collect::<BTreeSet<_>>().len()
    }

    /// Whether it stands for a set of roots: one that is asked "do you trust this?".
    pub fn is_bundle(&self) -> bool {
        match Role::of(self.file) {
            Role::System | Role::Java | Role::Nss => true,
            Role::Vendored | Role::Compiled | Role::OtherPurpose | Role::Loose => self.count() >= BUNDLE,
            Role::Hashed | Role::Anchors | Role::Material => false,
        }
    }
}

/// All stores: those of the final state by path, then the hidden ones.
pub fn shelves(survey: &Survey) -> Vec<Shelf<'_>> {
    let of = |(file, hidden)| Shelf::of(file, hidden);
    let standing = survey.files.values().map(|file| (file, false));
    standing.chain(survey.hidden.iter().map(|file| (file, true))).filter_map(of).collect()
}

/// One place of a certificate.
#[derive(Clone, Copy, Debug)]
pub struct Place<'s> {
    /// The store.
    pub shelf: Shelf<'s>,
    /// The certificate.
    pub cert: CertId,
    /// What the store says of it.
    pub entry: &'s Entry,
    /// How it relates to what was looked for.
    pub relation: Relation,
}

/// Where a root is, and where it is not.
#[derive(Clone, Debug, Default)]
pub struct Answer<'s> {
    /// The certificates that are meant.
    pub certs: Vec<CertId>,
    /// Their places, those of the final state first.
    pub places: Vec<Place<'s>>,
    /// Places of certificates with the same key or the same name.
    pub akin: Vec<Place<'s>>,
    /// Bundles of the final state that have none of them.
    pub without: Vec<Shelf<'s>>,
}

impl Answer<'_> {
    /// Whether it is an anchor in a store of the final state.
    pub fn is_yes(&self) -> bool {
        self.places.iter().any(|place| !place.shelf.hidden && place.entry.is_anchor)
    }
}

/// Looks for a root in all stores.
pub fn find<'s>(survey: &'s Survey, query: &Query) -> Answer<'s> {
    let certs: Vec<CertId> = (0..survey.pool.all().len())
        .map(CertId)
        .filter(|id| query.relation(survey.pool.get(*id)) == Some(Relation::Same))
        .collect();
    let wanted: Vec<_> = certs.iter().map(|id| std::sync::Arc::clone(survey.pool.get(*id))).collect();
    let relation_of = |id: CertId| {
        if certs.contains(&id) {
            return Some(Relation::Same);
        }
        let certificate = survey.pool.get(id);
        let to_found = wanted.iter().filter_map(|wanted| super::query::relation(wanted, certificate)).min();
        to_found.or_else(|| query.relation(certificate))
    };
    let relations: Vec<_> = (0..survey.pool.all().len()).map(|index| relation_of(CertId(index))).collect();
    let mut answer = Answer { certs, ..Answer::default() };
    for shelf in shelves(survey) {
        let mut has = false;
        let mut seen = BTreeSet::new();
        for entry in &shelf.store.entries {
            let Some(relation) = relations.get(entry.cert.0).copied().flatten() else { continue };
            has |= relation == Relation::Same;
            // A certificate that stands twice in a store is one place.
            if !seen.insert(entry.cert) {
                continue;
            }
            let place = Place { shelf, cert: entry.cert, entry, relation };
            if relation == Relation::Same { answer.places.push(place) } else { answer.akin.push(place) }
        }
        if !has && !shelf.hidden && shelf.is_bundle() {
            answer.without.push(shelf);
        }
    }
    answer
}
