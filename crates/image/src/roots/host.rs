//! This host as a source. In: nothing. Out: the folders in which programs and their settings lie, on local file systems.

use std::path::PathBuf;

use sidelight_model::trust::Config;

use super::machine;
use crate::folder::Folder;
use crate::opened::{Opened, Part, Place};
use crate::options::Options;
use crate::platform::Platform;

/// Opens this host.
pub(crate) fn host(options: &Options) -> Opened {
    let mut opened = Opened::new("this host".to_owned(), options);
    let platform = Platform::here().to_string();
    let env = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    opened.config = Config { env: env.collect(), platform, ..Config::default() };
    let further = machine::further(&[], &opened.config.env);
    opened.notes.push(what_is_read("of this host", &further));
    opened.parts.push(Part::root(Place::Folder(whole_machine(PathBuf::from("/"), further))));
    opened
}

/// The root of a machine at `path`, of which the well-known places and `further` ones are read.
pub(super) fn whole_machine(path: PathBuf, further: Vec<String>) -> Folder {
    let only = machine::PLACES.iter().map(|place| (*place).to_owned()).chain(further).collect();
    Folder { path, only: Some(only), spare: true, overlay: false, cross: true }
}

/// Says what is read of a machine.
pub(super) fn what_is_read(whose: &str, further: &[String]) -> String {
    let places = machine::PLACES.iter().copied().chain(further.iter().map(String::as_str));
    let places: Vec<String> = places.map(|place| format!("/{place}")).collect();
    format!("{whose}, {} were read", places.join(" "))
}
