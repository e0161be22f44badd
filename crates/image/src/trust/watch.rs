//! The watcher that finds trust. In: an image's files as they stream past. Out: what `wire::scan` made of them.

use std::sync::Arc;

use sidelight_model::trust::{Content, Pool};
use sidelight_wire::scan::{Found, Scan};

use crate::watch::{Head, Watch};

/// Most bytes of text that are kept of one source; a large image has some 200 kB of settings.
const MAX_TEXT: usize = 12 << 20;

/// Most programs that are kept of one source.
const MAX_PROGRAMS: usize = 50_000;

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
    until: Option<Until>,
    enough: bool,
}

impl TrustWatch {
    /// Finds everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds everything up to the first file of which `until` says that it is enough.
    pub fn until(until: Box<dyn FnMut(&Found, &Pool) -> bool>) -> Self {
        Self { until: Some(until), ..Self::default() }
    }

    /// Whether everything that was wanted is found.
    pub fn is_enough(&self) -> bool {
        self.enough
    }

    /// Whether what was found fits within the limits; what does not is noted, once for each limit.
    fn fits(&mut self, found: &Found) -> bool {
        let text = match &found.content {
            Content::Text(text) => text.len(),
            Content::Program(program, _) => program.values.iter().map(|(_, value)| value.len()).sum(),
            Content::Store(_) | Content::Other => 0,
        };
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
        self.text += text;
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
        let mut found = open.close(whole, &mut self.pool);
        found.retain(|found| self.fits(found));
        if let Some(until) = &mut self.until {
            self.enough |= found.iter().any(|found| until(found, &self.pool));
        }
        (!found.is_empty()).then(|| Arc::new(found))
    }
}
