//! The certificates that a path can be made of. In: what a server sent, and the anchors. Out: a numbered list without repetitions,
//! found again by subject.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::strict::{Malformed, Strict};
use super::rules::Rules;

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The end of the chain that is asked about.
    Leaf,
    /// Sent with it; its place in the chain, the leaf being 0.
    Sent(usize),
    /// One of the anchors; its place among them.
    Anchor(usize),
}

/// The anchors, read once for many questions.
#[derive(Clone, Debug, Default)]
pub struct AnchorSet {
    pub(super) anchors: Vec<(usize, Arc<Strict>)>,
    /// Those that cannot be read: their place and what is wrong.
    pub unreadable: Vec<(usize, Malformed)>,
}

impl AnchorSet {
    /// Reads the anchors.
    pub fn new<'a>(ders: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut set = Self::default();
        for (index, der) in ders.into_iter().enumerate() {
            match Strict::read(der) {
                Ok(read) => set.anchors.push((index, Arc::new(read))),
                Err(what) => set.unreadable.push((index, what)),
            }
        }
        set
    }

    /// How many can be read.
    pub const fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Whether there are none that can be read.
    pub const fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// The anchors that can be read.
    pub fn certificates(&self) -> impl Iterator<Item = &Strict> {
        self.anchors.iter().map(|(_, certificate)| &**certificate)
    }
}

/// A certificate that takes part.
#[derive(Clone, Debug)]
pub struct Known {
    /// The certificate.
    pub certificate: Arc<Strict>,
    /// Where it comes from. One that was sent and is an anchor as well comes from where it was sent.
    pub origin: Origin,
    /// Whether it is an anchor.
    pub is_anchor: bool,
    /// Equal keys have equal numbers.
    pub(super) key: usize,
}

/// All of them; the leaf is number 0.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) known: Vec<Known>,
    by_subject: HashMap<Vec<u8>, Vec<usize>>,
    by_meaning: bool,
}

impl Pool {
    /// `sent` begins with the leaf.
    pub(super) fn new(sent: Vec<(usize, Strict)>, anchors: &AnchorSet, rules: &Rules) -> Self {
        let mut pool = Self { known: Vec::new(), by_subject: HashMap::new(), by_meaning: rules.names_by_meaning };
        let mut keys = HashMap::new();
        let mut seen: HashMap<[u8; 32], usize> = HashMap::new();
        let sent = sent
            .into_iter()
            .map(|(index, read)| (if index == 0 { Origin::Leaf } else { Origin::Sent(index) }, Arc::new(read), false));
        let anchors = anchors.anchors.iter().map(|(index, anchor)| (Origin::Anchor(*index), Arc::clone(anchor), true));
        for (origin, certificate, is_anchor) in sent.chain(anchors) {
            if let Some(earlier) = seen.get(&certificate.sha256) {
                pool.known[*earlier].is_anchor |= is_anchor;
                continue;
            }
            let number = keys.len();
            let key = *keys.entry(certificate.key.der.clone()).or_insert(number);
            let index = pool.known.len();
            seen.insert(certificate.sha256, index);
            let subject = pool.name_key(&certificate.subject);
            pool.by_subject.entry(subject).or_default().push(index);
            pool.known.push(Known { certificate, origin, is_anchor, key });
        }
        pool
    }

    fn name_key(&self, name: &super::super::strict::Name) -> Vec<u8> {
        if self.by_meaning { name.key() } else { name.der.clone() }
    }

    /// Those who may have issued `child` by their name: anchors first, then those whose key identifier is the one asked for, those
    /// that are valid last to first.
    pub(super) fn named_issuers(&self, child: usize) -> Vec<usize> {
        let certificate = &self.known[child].certificate;
        let mut found = self.by_subject.get(&self.name_key(&certificate.issuer)).cloned().unwrap_or_default();
        let wanted = certificate.authority_key.as_ref().and_then(|key| key.key_id.as_ref());
        found.sort_by_cached_key(|index| {
            let candidate = &self.known[*index];
            let id = candidate.certificate.subject_key_id.as_ref();
            let fit = match (wanted, id) {
                (Some(wanted), Some(id)) if wanted == id => 0,
                (Some(_), Some(_)) => 2,
                _ => 1,
            };
            (fit, !candidate.is_anchor, -candidate.certificate.not_after.at.as_secs())
        });
        found
    }

    pub(super) fn certificate(&self, index: usize) -> &Strict {
        &self.known[index].certificate
    }

    /// Whether both have the same subject and key: the same CA, whoever vouches for it.
    pub(super) fn is_same_entity(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.known[one], &self.known[other]);
        one.key == other.key && one.certificate.subject.is(&other.certificate.subject)
    }
}
