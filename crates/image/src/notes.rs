//! What was odd while an image was read. In: oddities, many of one kind. Out: one sentence for each kind.

use std::collections::BTreeMap;

/// Sentences beyond this many are not kept.
const MAX_NOTES: usize = 100;

/// Oddities met so far.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    said: Vec<String>,
    counted: BTreeMap<(Option<usize>, &'static str), (u64, String)>,
}

impl Notes {
    /// Keeps a sentence.
    pub(crate) fn say(&mut self, sentence: String) {
        if self.said.len() < MAX_NOTES && !self.said.contains(&sentence) {
            self.said.push(sentence);
        }
    }

    /// Counts an oddity of a kind, and keeps the first example.
    pub(crate) fn count(&mut self, layer: Option<usize>, kind: &'static str, example: &[u8]) {
        if self.counted.len() >= MAX_NOTES && !self.counted.contains_key(&(layer, kind)) {
            return;
        }
        let shown = || String::from_utf8_lossy(&example[..example.len().min(120)]).into_owned();
        self.counted.entry((layer, kind)).or_insert_with(|| (0, shown())).0 += 1;
    }

    /// All sentences.
    pub(crate) fn into_all(self) -> Vec<String> {
        let counted = self.counted.into_iter().map(|((layer, kind), (count, example))| {
            let place = layer.map(|layer| format!("layer {}: ", layer + 1)).unwrap_or_default();
            let first = if count == 1 { "" } else { "the first " };
            format!("{place}{kind} ({count}; {first}`{example}`)")
        });
        self.said.into_iter().chain(counted).collect()
    }
}
