//! A trust store by itself as a source: a bundle, a key store, one certificate. In: a file that is no archive. Out: a root that holds
//! this one file, so that every command on sources takes it.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::sync::Arc;

use sidelight_model::trust::Pool;
use sidelight_wire::trust_store;

use crate::error::Error;
use crate::opened::{Opened, Place};
use crate::options::Options;
use crate::recognise::{Wanted, root_archive};
use crate::store::Slice;
use crate::stream::Plain;

/// As much as is held of one file of an image.
const LARGEST: u64 = 8 << 20;

/// The root with this file alone, where it is a trust store and nothing else was asked for.
pub(crate) fn store(file: &Arc<File>, what: &str, wanted: Wanted, options: &Options) -> Result<Option<Opened>, Error> {
    let size = file.metadata().map_err(Error::io(what))?.len();
    if wanted != Wanted::Any || size > LARGEST {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let whole = Slice::whole(Arc::clone(file)).map_err(Error::io(what))?;
    whole.take(LARGEST).read_to_end(&mut bytes).map_err(Error::io(what))?;
    if trust_store::read(&bytes, &mut Pool::default()).is_none_or(|store| store.entries.is_empty()) {
        return Ok(None);
    }
    let name = Path::new(what).file_name().map_or_else(|| what.into(), |name| name.to_string_lossy());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, Path::new(&*name), bytes.as_slice()).map_err(Error::io(what))?;
    let archive = archive.into_inner().map_err(Error::io(what))?;
    let place = Place::Once(Some(Box::new(Plain(Cursor::new(archive)))));
    let mut opened = root_archive(what, place, options);
    opened.is_single_store = true;
    Ok(Some(opened))
}
