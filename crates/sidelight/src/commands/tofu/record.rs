//! Where keys are recorded. In: `--pins`, and how a record in NATS is reached. Out: the record, how it stands with it, and the way to
//! write it, which says so when another wrote meanwhile.

#[cfg(feature = "nats")]
mod address;
#[cfg(feature = "nats")]
mod copy;
#[cfg(feature = "nats")]
mod fleet;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "nats")]
mod tls;

use std::path::Path;
use std::time::Duration;

use sidelight_host::first_use::{Lasting, RecordFile, lasting};
use sidelight_model::tofu::KnownRoots;
use sidelight_wire::known_roots::Document;

use crate::cli::{NatsOptions, PinsPlace};
use crate::exit::Failure;

/// How often a decision is made again because another wrote meanwhile.
const MOST_TURNS: usize = 30;

/// How a record is reached, and how long that may take.
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
pub(super) struct Reach<'a> {
    pub(super) nats: &'a NatsOptions,
    /// What becomes of a copy for when NATS is down.
    pub(super) copy: Copy<'a>,
    /// For a name, a connection, a login, an answer.
    pub(super) step: Duration,
    /// For all tries together.
    pub(super) total: Duration,
}

impl<'a> Reach<'a> {
    /// For an operator, who wants the truth or an error, soon.
    pub(super) const fn of_operator(nats: &'a NatsOptions) -> Self {
        Self { nats, copy: Copy::None, step: Duration::from_secs(8), total: Duration::from_secs(8) }
    }
}

/// Whether a copy of a record in NATS is kept on disk, and read when NATS is down.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
pub(super) enum Copy<'a> {
    /// No.
    None,
    /// Where there is a folder for it.
    Usual,
    /// There.
    At(&'a Path),
}

/// What became of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
pub(super) enum Saved {
    /// It is written.
    Yes,
    /// Another wrote meanwhile, or may have: nothing of ours counts before the record is read again.
    Conflict,
}

enum Store {
    File(Box<RecordFile>),
    #[cfg(feature = "nats")]
    Fleet(Box<fleet::Fleet>),
}

/// A record that is open.
pub(super) struct Pins {
    store: Store,
    /// How people name it, without a login.
    pub(super) place: String,
}

impl Pins {
    /// Opens the record that `--pins` names.
    ///
    /// # Errors
    /// When it cannot be read, or holds what is no record: that never counts as "nothing recorded".
    pub(super) fn open(place: &str, reach: &Reach<'_>) -> Result<Self, Failure> {
        if let Some((scheme, _)) = place.split_once("://") {
            return Self::in_network(scheme, place, reach);
        }
        let file = RecordFile::open(Path::new(place)).map_err(|error| {
            Failure::new(format!("the record of known roots cannot be used: {error}"))
                .hint("correct that; without a readable record nothing is started and nothing is adopted")
        })?;
        Ok(Self { store: Store::File(Box::new(file)), place: place.to_owned() })
    }

    #[cfg(feature = "nats")]
    fn in_network(scheme: &str, place: &str, reach: &Reach<'_>) -> Result<Self, Failure> {
        if !matches!(scheme, "nats" | "tls") {
            return Err(unknown(scheme));
        }
        let fleet = fleet::Fleet::open(place, reach)?;
        let place = fleet.place();
        Ok(Self { store: Store::Fleet(Box::new(fleet)), place })
    }

    #[cfg(not(feature = "nats"))]
    fn in_network(scheme: &str, _: &str, _: &Reach<'_>) -> Result<Self, Failure> {
        Err(unknown(scheme))
    }

    /// Opens what an operator's command names.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn of_operator(place: &PinsPlace) -> Result<Self, Failure> {
        Self::open(&place.pins, &Reach::of_operator(&place.nats))
    }

    pub(super) fn known(&self) -> &KnownRoots {
        &self.document().known
    }

    pub(super) fn document(&self) -> &Document {
        match &self.store {
            Store::File(file) => &file.document,
            #[cfg(feature = "nats")]
            Store::Fleet(fleet) => &fleet.document,
        }
    }

    pub(super) fn document_mut(&mut self) -> &mut Document {
        match &mut self.store {
            Store::File(file) => &mut file.document,
            #[cfg(feature = "nats")]
            Store::Fleet(fleet) => &mut fleet.document,
        }
    }

    pub(super) fn is_there(&self) -> bool {
        match &self.store {
            Store::File(file) => file.is_there,
            #[cfg(feature = "nats")]
            Store::Fleet(fleet) => fleet.is_there,
        }
    }

    pub(super) fn is_writable(&self) -> bool {
        match &self.store {
            Store::File(file) => file.is_writable,
            #[cfg(feature = "nats")]
            Store::Fleet(fleet) => fleet.from_copy.is_none(),
        }
    }

    pub(super) fn lasting(&self) -> Lasting {
        match &self.store {
            Store::File(file) => lasting(file.path()),
            #[cfg(feature = "nats")]
            Store::Fleet(_) => Lasting::Yes,
        }
    }

    /// Why a copy serves in place of the record; whoever starts with it must not adopt.
    pub(super) fn copy_serves(&self) -> Option<&str> {
        match &self.store {
            Store::File(_) => None,
            #[cfg(feature = "nats")]
            Store::Fleet(fleet) => fleet.from_copy.as_deref(),
        }
    }

    /// What people should hear of it.
    pub(super) fn remarks(&mut self) -> Vec<String> {
        match &mut self.store {
            Store::File(_) => Vec::new(),
            #[cfg(feature = "nats")]
            Store::Fleet(fleet) => std::mem::take(&mut fleet.remarks),
        }
    }

    /// Writes the record, whole or not at all, and not over what another wrote since it was read.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn save(&mut self) -> Result<Saved, Failure> {
        match &mut self.store {
            Store::File(file) => {
                // It is locked since it was read.
                let saved = file.save().map(|()| Saved::Yes);
                saved.map_err(|error| Failure::new(format!("the record cannot be written: {error}")))
            }
            #[cfg(feature = "nats")]
            Store::Fleet(fleet) => fleet.save(),
        }
    }

    /// Reads the record again; what was changed and not saved is gone.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn read_again(&mut self) -> Result<(), Failure> {
        match &mut self.store {
            Store::File(file) => {
                let path = file.path().to_owned();
                // Its lock is ours; a second one by the same process would wait for it for ever.
                Err(Failure::new(format!("{} changed although it is locked", path.display())))
            }
            #[cfg(feature = "nats")]
            Store::Fleet(fleet) => fleet.read_again(),
        }
    }

    /// Makes a decision, again and again while others write between its reading and its writing: `decide` gives nothing when it met
    /// a conflict.
    ///
    /// # Errors
    /// Those of the decision, of reading again, or that there was no end to it.
    pub(super) fn settle<T>(
        &mut self,
        mut decide: impl FnMut(&mut Self) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        for _ in 0..MOST_TURNS {
            if let Some(settled) = decide(self)? {
                return Ok(settled);
            }
            self.read_again()?;
        }
        #[cfg(feature = "nats")]
        if let Store::Fleet(fleet) = &self.store
            && let Some(why) = &fleet.unsaved
        {
            let why = crate::render::escape::line(why);
            return Err(Failure::new(format!("{} cannot be written: {why}", self.place)));
        }
        Err(Failure::new(format!("{}: others wrote it {MOST_TURNS} times while this was decided", self.place))
            .hint("try again; who else writes it?"))
    }
}

fn unknown(scheme: &str) -> Failure {
    let scheme = crate::render::escape::line(scheme);
    let known = if cfg!(feature = "nats") {
        "write a path, nats://HOST:PORT/BUCKET or tls://HOST:PORT/BUCKET"
    } else {
        "write a path; this program was built without NATS"
    };
    Failure::usage(format!("--pins: records are not kept at {scheme}://")).hint(known)
}
