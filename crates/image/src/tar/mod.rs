//! Reading tar streams. In: bytes of any tar (v7, ustar, GNU, PAX). Out: entries one after the other, and their data in pieces
//! that lie in one buffer. Spec: pax(1) interchange format; GNU tar manual, "Basic Tar Format" and "Sparse Formats".
//!
//! The `tar` crate decodes header fields here; its reader is not used because it holds long names and PAX records of any size
//! in memory and copies what it reads.

mod entry;
mod extended;
mod reader;
mod sparse;

pub(crate) use entry::{Entry, Kind};
pub(crate) use reader::{Skip, TarError, TarReader};
pub(crate) use sparse::Next;
