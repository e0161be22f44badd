//! Where keys are recorded. In: `--pins`. Out: the record, and how it stands with it.

use std::path::Path;

use sidelight_host::first_use::{Lasting, RecordFile, lasting};
use sidelight_model::tofu::KnownRoots;
use sidelight_wire::known_roots::Document;

use crate::exit::Failure;

/// A record that is open.
pub(super) struct Pins {
    file: RecordFile,
    /// How people name it.
    pub(super) place: String,
}

impl Pins {
    /// Opens the record that `--pins` names.
    ///
    /// # Errors
    /// When it cannot be read, or holds what is no record: that never counts as "nothing recorded".
    pub(super) fn open(place: &str) -> Result<Self, Failure> {
        if place.contains("://") {
            let hint = "write a path; stores in the network are not known to this program";
            return Err(Failure::usage(format!("--pins: `{place}` is no file")).hint(hint));
        }
        let file = RecordFile::open(Path::new(place)).map_err(|error| {
            Failure::new(format!("the record of known roots cannot be used: {error}"))
                .hint("correct that; without a readable record nothing is started and nothing is adopted")
        })?;
        Ok(Self { file, place: place.to_owned() })
    }

    pub(super) fn known(&self) -> &KnownRoots {
        &self.file.document.known
    }

    pub(super) fn document(&self) -> &Document {
        &self.file.document
    }

    pub(super) fn document_mut(&mut self) -> &mut Document {
        &mut self.file.document
    }

    pub(super) const fn is_there(&self) -> bool {
        self.file.is_there
    }

    pub(super) const fn is_writable(&self) -> bool {
        self.file.is_writable
    }

    pub(super) fn lasting(&self) -> Lasting {
        lasting(self.file.path())
    }

    /// Writes the record, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn save(&mut self) -> Result<(), Failure> {
        self.file.save().map_err(|error| Failure::new(format!("the record cannot be written: {error}")))
    }
}
