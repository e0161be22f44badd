//! What was read of an image. In: layers in order. Out: [`Collected`]: the final state, what lies hidden below it, configuration.

use std::collections::BTreeMap;

use sidelight_model::trust::{Config, Layer};

/// A file of which something was kept.
#[derive(Clone, Debug)]
pub struct Kept<F> {
    /// Its absolute path within the root.
    pub path: String,
    /// The index of the layer that brought it; `None` in folders and hosts.
    pub layer: Option<usize>,
    /// Permission bits with set-uid and set-gid.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Its size in bytes.
    pub size: u64,
    /// What the watcher kept.
    pub found: F,
}

/// What was read of one image.
#[derive(Clone, Debug)]
pub struct Collected<F> {
    /// The image's name and digest, where known.
    pub image: Option<String>,
    /// Layers, the lowest first.
    pub layers: Vec<Layer>,
    /// The configuration.
    pub config: Config,
    /// Kept files of the final state, by path (a hard link stands under each of its names).
    pub files: BTreeMap<String, Kept<F>>,
    /// Kept files that upper layers replaced or removed.
    pub hidden: Vec<Kept<F>>,
    /// Symbolic links of the final state.
    pub links: BTreeMap<String, String>,
    /// What was left out or odd, one sentence each.
    pub notes: Vec<String>,
}
