//! The watcher that finds trust. In: an image's files as they stream past. Out: what `wire::scan` made of them.

use std::sync::Arc;

use sidelight_model::trust::{Content, Pool};
use sidelight_wire::scan::{Found, Scan};

use crate::watch::{Head, Watch};

/// Most bytes of text that are kept of one source; a large image has some 200 kB of settings.
const MAX_TEXT: usize = 12 << 20;

/// Most programs that are kept of one source.
const MAX_PROGRAMS: usize = 50_000;

/// Most certificates, keys and faults of all stores together, each as often as it stands somewhere; images with forty bundles have 6,000.
const MAX_ENTRIES: usize = 40_000;

/// Most stores under a password of one source: to try one can take a second.
const MAX_SEALED: usize = 60;

/// What is kept of a file stands under each of its names, hard links among them, of which an archive can have 100,000 for nothing. All of
/// them together may hold so many times what the limits allow to files.
const NAMES: usize = 4;

/// What something takes in memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    text: usize,
    entries: usize,
}

impl Weight {
    fn of(content: &Content) -> Self {
        let text = match content {
            Content::Text(text) => text.len(),
            Content::Program(program, _) => program.values.iter().map(|(_, value)| value.len()).sum(),
            Content::Store(_) | Content::Other => 0,
        };
        let entries = match content {
            Content::Store(store) | Content::Program(_, Some(store)) => {
                store.entries.len() + store.keys.len() + store.faults.len()
            }
            _ => 0,
        };
        Self { text, entries }
    }

    /// Adds what a further name holds; false where that is too much.
    pub(super) fn takes(&mut self, content: &Content) -> bool {
        let Self { text, entries } = Self::of(content);
        let fits = self.text + text <= NAMES * MAX_TEXT && self.entries + entries <= NAMES * MAX_ENTRIES;
        if fits {
            self.text += text;
            self.entries += entries;
        }
        fits
    }
}

/// What is kept of a file: more than one thing only for archives.
pub type TrustFound = Arc<Vec<Found>>;

type Until = Box<dyn FnMut(&Found, &Pool) -> bool>;

/// Finds what bears on trust.
#[derive(Default)]
pub struct TrustWatch {
    pub(super) pool: Pool,
    pub(super) notes: Vec<String>,
    text: usize,
    programs: usize,
    entries: usize,
    sealed: usize,
    until: Option<Until>,
    enough: bool,
}

impl TrustWatch {
    /// Finds everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds everything up to the first file of which `until` says that it is enough.
    pub fn until(until: impl FnMut(&Found, &Pool) -> bool + 'static) -> Self {
        Self { until: Some(Box::new(until)), ..Self::default() }
    }

    /// Whether everything that was wanted is found.
    pub fn is_enough(&self) -> bool {
        self.enough
    }

    /// Whether what was found fits within the limits; what does not is noted, once for each limit.
    fn fits(&mut self, found: &Found) -> bool {
        let Weight { text, entries } = Weight::of(&found.content);
        let is_program = matches!(&found.content, Content::Program(_, None));
        if self.text + text > MAX_TEXT {
            return self.leave_out(format!(
                "the settings and scripts hold more than {} MiB; some were left out",
                MAX_TEXT >> 20
            ));
        }
        if is_program && self.programs >= MAX_PROGRAMS {
            return self.leave_out(format!("there are more than {MAX_PROGRAMS} programs; some were left out"));
        }
        if self.entries + entries > MAX_ENTRIES {
            return self.leave_out(format!(
                "the stores hold more than {MAX_ENTRIES} certificates and keys; some stores were left out"
            ));
        }
        self.text += text;
        self.entries += entries;
        self.programs += usize::from(is_program);
        true
    }

    fn leave_out(&mut self, note: String) -> bool {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
        false
    }
}

impl Watch for TrustWatch {
    type Found = TrustFound;
    type Open = Scan;

    fn open(&mut self, head: &Head<'_>) -> Option<Scan> {
        Scan::open(head.path, head.size, head.mode)
    }

    fn feed(&mut self, open: &mut Scan, bytes: &[u8]) -> bool {
        open.feed(bytes)
    }

    fn close(&mut self, open: Scan, whole: bool) -> Option<TrustFound> {
        self.sealed += open.sealed();
        if self.sealed > MAX_SEALED && open.sealed() > 0 {
            self.leave_out(format!("there are more than {MAX_SEALED} PKCS#12 stores; some were left out"));
            return None;
        }
        let mut found = open.close(whole, &mut self.pool);
        found.retain(|found| self.fits(found));
        if let Some(until) = &mut self.until {
            self.enough |= found.iter().any(|found| until(found, &self.pool));
        }
        (!found.is_empty()).then(|| Arc::new(found))
    }

    fn enough(&self) -> bool {
        self.enough
    }
}
