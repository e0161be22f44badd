//! Collects what is not as a specification has it. In: kinds, places, words. Out: a bounded list of [`Anomaly`].
//!
//! A hostile peer can make thousands of faults in one message: the first of each kind are evidence enough.

use sidelight_model::flow::{Anomaly, AnomalyKind};

/// How many anomalies of one kind are kept.
const PER_KIND: usize = 4;
/// How many bytes of the evidence are quoted.
const QUOTED: usize = 64;

/// The anomalies of one message or connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Anomalies(Vec<Anomaly>);

impl Anomalies {
    /// Adds an anomaly, unless there are enough of its kind already.
    pub(crate) fn note(&mut self, kind: AnomalyKind, offset: Option<u64>, detail: impl Into<String>) {
        if self.0.iter().filter(|known| known.kind == kind).count() < PER_KIND {
            self.0.push(Anomaly::new(kind, detail, offset));
        }
    }

    /// Adds those of another list, its places moved by `base` bytes.
    pub(crate) fn extend(&mut self, others: impl IntoIterator<Item = Anomaly>, base: u64) {
        for other in others {
            self.note(other.kind, other.offset.map(|offset| offset.saturating_add(base)), other.detail);
        }
    }

    pub(crate) fn as_slice(&self) -> &[Anomaly] {
        &self.0
    }

    pub(crate) fn take(&mut self) -> Vec<Anomaly> {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn into_vec(self) -> Vec<Anomaly> {
        self.0
    }
}

/// Bytes as people can read them in a sentence: escaped, and cut when long.
pub(crate) fn quote(bytes: &[u8]) -> String {
    if bytes.len() <= QUOTED {
        return format!("`{}`", bytes.escape_ascii());
    }
    format!("`{}…` ({} bytes)", bytes[..QUOTED].escape_ascii(), bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_few_of_each_kind() {
        let mut anomalies = Anomalies::default();
        for at in 0..100 {
            anomalies.note(AnomalyKind::BareLf, Some(at), "line");
            anomalies.note(AnomalyKind::BareCr, Some(at), "line");
        }
        assert_eq!(anomalies.as_slice().len(), 2 * PER_KIND);
        assert_eq!(anomalies.take().last().and_then(|last| last.offset), Some(3));
    }

    #[test]
    fn quotes_are_short_and_printable() {
        assert_eq!(quote(b"a\x00\r"), "`a\\x00\\r`");
        assert!(quote(&[b'x'; 500]).len() < 100);
    }
}
