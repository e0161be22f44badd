//! The search for paths. In: a pool of certificates and what is asked. Out: the first path without a fault, and all candidate paths
//! with where they ended. Spec: RFC 5280 §6, RFC 4158. All work is bounded: steps, signatures, comparisons, paths kept.

use std::collections::HashMap;

use super::super::strict::Strict;
use super::certificate::{self, Asking, Role};
use super::fault::Fault;
use super::pool::Pool;
use super::revocation::{self, Lists};
use super::rules::Rules;
use super::signatures::Signatures;
use super::{End, Found, Path, along, constraints};

/// Certificates looked at while looking for one good path. Mozilla's library has the same limit.
const MOST_STEPS: usize = 200_000;

/// Certificates looked at while looking at all paths.
const MOST_STEPS_FOR_ALL: usize = 4_000;

/// Paths kept.
const MOST_PATHS: usize = 100;

/// Certificates of a path: more do not fit in a handshake that anybody accepts.
const LONGEST: usize = 128;

/// Comparisons of names with constraints in one search.
const MOST_WORK: usize = 8 * constraints::MOST_COMPARISONS;

/// One search.
pub(super) struct Search<'a> {
    pub(super) pool: Pool,
    pub(super) asking: Asking<'a>,
    pub(super) lists: &'a Lists,
    pub(super) max_depth: Option<u32>,
    signatures: Signatures,
    local: HashMap<(usize, Role), Vec<Fault>>,
    steps: usize,
    work: usize,
    /// Whether a limit was reached.
    pub(super) cut_short: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(pool: Pool, asking: Asking<'a>, lists: &'a Lists, max_depth: Option<u32>) -> Self {
        let (signatures, local) = (Signatures::default(), HashMap::new());
        Self { pool, asking, lists, max_depth, signatures, local, steps: 0, work: 0, cut_short: false }
    }

    /// A path without faults, if there is one.
    pub(super) fn good_path(&mut self) -> Option<Vec<usize>> {
        if !self.local(0, Role::Leaf).is_empty() {
            return None;
        }
        let mut path = vec![0];
        if self.is_terminal(0, true) && self.faults(&path, true).is_empty() {
            return Some(path);
        }
        self.climb(&mut path).then_some(path)
    }

    fn climb(&mut self, path: &mut Vec<usize>) -> bool {
        let Some(child) = path.last().copied() else { return false };
        for issuer in self.pool.named_issuers(child) {
            if !self.may_go_on(MOST_STEPS) || path.len() >= LONGEST {
                return false;
            }
            if self.is_loop(path, issuer) || self.signed_by(child, issuer) != Some(true) {
                continue;
            }
            path.push(issuer);
            let is_end = self.is_terminal(issuer, false) && self.local(issuer, Role::Anchor).is_empty();
            if is_end && self.faults(path, true).is_empty() {
                return true;
            }
            if self.is_sound_so_far(path) && self.climb(path) {
                return true;
            }
            path.pop();
        }
        false
    }

    /// Whether the last of the path is no reason to give it up.
    fn is_sound_so_far(&mut self, path: &[usize]) -> bool {
        let Some((top, last)) = path.len().checked_sub(1).zip(path.last()) else { return false };
        self.local(*last, Role::Intermediate).is_empty() && {
            let rules = self.asking.rules;
            let certificates: Vec<&Strict> = path.iter().map(|index| self.pool.certificate(*index)).collect();
            let mut work = 0;
            let sound = along::issuer(&certificates, top, false, rules, &mut work).is_empty()
                && along::depth(&certificates, top, self.max_depth, rules).is_none();
            self.work += work;
            sound
        }
    }

    /// Every candidate path, as far as the limits go.
    pub(super) fn all_paths(&mut self) -> Vec<Path> {
        self.steps = 0;
        self.signatures = std::mem::take(&mut self.signatures).renewed();
        let mut paths = Vec::new();
        if self.is_terminal(0, true) {
            self.keep(&[0], End::Anchor, &mut paths);
        }
        self.walk(&mut vec![0], false, &mut paths);
        paths
    }

    /// `above_anchor`: a dead end is not worth telling, for the path was complete before.
    fn walk(&mut self, path: &mut Vec<usize>, above_anchor: bool, paths: &mut Vec<Path>) {
        let Some(child) = path.last().copied() else { return };
        let (mut goes_on, mut loops, mut tried) = (false, false, Vec::new());
        for issuer in self.pool.named_issuers(child) {
            if paths.len() >= MOST_PATHS || !self.may_go_on(MOST_STEPS_FOR_ALL) {
                self.cut_short = true;
                break;
            }
            if self.is_loop(path, issuer) {
                loops = true;
                continue;
            }
            match self.signed_by(child, issuer) {
                Some(true) => {}
                Some(false) => {
                    tried.push(issuer);
                    continue;
                }
                None => break,
            }
            goes_on = true;
            path.push(issuer);
            let is_end = self.is_terminal(issuer, false);
            if is_end {
                self.keep(path, End::Anchor, paths);
            }
            if path.len() >= LONGEST {
                self.keep(path, End::TooLong, paths);
            } else if !is_end || !self.pool.certificate(issuer).is_self_issued() {
                self.walk(path, is_end || above_anchor, paths);
            }
            path.pop();
        }
        let is_complete = above_anchor || (path.len() == 1 && self.is_terminal(0, true));
        if !goes_on && !is_complete {
            let end = self.dead_end(child, loops, tried);
            self.keep(path, end, paths);
        }
    }

    fn dead_end(&self, child: usize, loops: bool, tried: Vec<usize>) -> End {
        let last = &self.pool.known[child];
        if last.is_anchor {
            End::AnchorNotRoot
        } else if last.certificate.is_self_issued() && loops {
            End::SelfSigned
        } else if !tried.is_empty() {
            End::WrongKey { tried }
        } else if self.cut_short {
            End::TooLong
        } else if loops {
            End::Loop
        } else {
            End::NoIssuer
        }
    }

    fn keep(&mut self, path: &[usize], end: End, paths: &mut Vec<Path>) {
        let faults = self.faults(path, end == End::Anchor);
        paths.push(Path { certificates: path.to_vec(), end, faults });
    }

    /// Everything that is wrong along a path.
    pub(super) fn faults(&mut self, path: &[usize], is_anchored: bool) -> Vec<Found> {
        let top = path.len().saturating_sub(1);
        let role = |position: usize| match position {
            0 => Role::Leaf,
            _ if position == top && is_anchored => Role::Anchor,
            _ => Role::Intermediate,
        };
        let mut found: Vec<(usize, Fault)> = Vec::new();
        for (position, index) in path.iter().enumerate() {
            found.extend(self.local(*index, role(position)).iter().map(|fault| (position, fault.clone())));
        }
        let rules = self.asking.rules;
        let certificates: Vec<&Strict> = path.iter().map(|index| self.pool.certificate(*index)).collect();
        let mut work = 0;
        for issuer in 1..path.len() {
            let is_anchor = issuer == top && is_anchored;
            found.extend(along::issuer(&certificates, issuer, is_anchor, rules, &mut work));
        }
        found.extend(along::depth(&certificates, top, self.max_depth, rules).map(|fault| (top, fault)));
        if rules.policies {
            found.extend(along::policies(&certificates, is_anchored));
        }
        found.extend(revocation::check(&certificates, self.lists, rules.forms, self.asking.now));
        self.work += work;
        found.into_iter().map(|(position, fault)| Found { position, fault }).collect()
    }

    fn local(&mut self, index: usize, role: Role) -> &[Fault] {
        let certificate = &self.pool.known[index].certificate;
        self.local.entry((index, role)).or_insert_with(|| certificate::faults(certificate, role, self.asking))
    }

    /// Whether a path may end here.
    fn is_terminal(&self, index: usize, is_leaf: bool) -> bool {
        let known = &self.pool.known[index];
        let rules = self.asking.rules;
        let unsigned_allowed = if is_leaf { rules.any_leaf_as_anchor } else { rules.partial_chains };
        known.is_anchor && (unsigned_allowed || known.certificate.is_self_issued())
    }

    fn is_loop(&self, path: &[usize], issuer: usize) -> bool {
        // For rustls-webpki an anchor is a name and a key, not a certificate that could repeat.
        let may_repeat = self.asking.rules.as_webpki && self.pool.known[issuer].is_anchor && !path.contains(&issuer);
        !may_repeat && path.iter().any(|below| self.pool.is_same_entity(*below, issuer))
    }

    /// `None` when no more signatures are verified.
    fn signed_by(&mut self, child: usize, issuer: usize) -> Option<bool> {
        let (signed, key) = (&self.pool.known[child].certificate, &self.pool.known[issuer]);
        if self.asking.rules.key_ids_bind {
            let wanted = signed.authority_key.as_ref().and_then(|key| key.key_id.as_ref());
            let id = key.certificate.subject_key_id.as_ref();
            if wanted.zip(id).is_some_and(|(wanted, id)| wanted != id) {
                return Some(false);
            }
        }
        if names_another(signed, &key.certificate, self.asking.rules) {
            return Some(false);
        }
        let answer = self.signatures.is_signed((child, signed), (key.key, &key.certificate.key));
        self.cut_short |= answer.is_none();
        answer
    }

    fn may_go_on(&mut self, most: usize) -> bool {
        self.steps += 1;
        let may = self.steps <= most && self.work <= MOST_WORK;
        self.cut_short |= !may;
        may
    }
}

/// Whether a certificate names another one than `issuer` by that one's serial number or issuer (RFC 5280 §4.2.1.1).
fn names_another(signed: &Strict, issuer: &Strict, rules: &Rules) -> bool {
    let Some(wanted) = &signed.authority_key else { return false };
    let by_serial = rules.serials_bind && wanted.serial.as_ref().is_some_and(|serial| *serial != issuer.serial);
    let by_issuer = rules.issuers_bind && wanted.issuer.as_ref().is_some_and(|name| !name.is(&issuer.issuer));
    by_serial || by_issuer
}
