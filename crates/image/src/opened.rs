//! A source that was found. In: where its layers are. Out: what a watcher keeps of them.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use sidelight_model::trust::{Config, Layer};

use crate::collected::Collected;
use crate::error::Error;
use crate::folder::{self, Folder};
use crate::layer::{self, Taken, Terms};
use crate::merge::Merge;
use crate::options::Options;
use crate::store::{Blobs, Slice};
use crate::stream::{Blob, Expected, Stream};
use crate::watch::Watch;

/// A source that was found and can be read.
pub struct Opened {
    pub(crate) what: String,
    pub(crate) pid: Option<u32>,
    pub(crate) image: Option<String>,
    pub(crate) config: Config,
    pub(crate) parts: Vec<Part>,
    pub(crate) blobs: Option<Box<dyn Blobs>>,
    pub(crate) documents: Option<Documents>,
    pub(crate) notes: Vec<String>,
    pub(crate) others: Vec<String>,
    pub(crate) is_attested: bool,
    /// It is no image and no root, but a trust store by itself.
    pub(crate) is_single_store: bool,
    pub(crate) options: Options,
    pub(crate) progress: Option<Box<dyn FnMut(Progress) + Send>>,
}

/// How far reading is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The layer that is read, counted from 1.
    pub layer: usize,
    /// All layers.
    pub layers: usize,
    /// Uncompressed bytes read so far.
    pub bytes: u64,
}

/// The documents of an image as they stand in its source.
#[derive(Clone, Debug)]
pub struct Documents {
    /// The manifest; empty where the source has none (docker archives of old, engines' stores).
    pub manifest: Vec<u8>,
    /// The configuration.
    pub config: Vec<u8>,
    /// Each layer's media type, digest and size as the manifest has them; empty where there is no manifest.
    pub layers: Vec<(String, String, Option<u64>)>,
}

/// A layer or a whole root, and where it is.
pub(crate) struct Part {
    pub(crate) layer: Layer,
    pub(crate) place: Place,
    pub(crate) size: Option<u64>,
}

/// Where a layer is.
pub(crate) enum Place {
    /// In the blob store, by the layer's digest.
    Blob(String),
    /// In a file.
    Slice { file: Arc<File>, at: u64, end: u64 },
    /// A folder that is a layer of overlayfs, or a root.
    Folder(Folder),
    /// A stream that can be read once.
    Once(Option<Box<dyn Blob>>),
    /// Not part of the image: it is to be fetched elsewhere.
    Elsewhere,
}

impl Part {
    /// A root that is no layer.
    pub(crate) fn root(place: Place) -> Self {
        Self { layer: Layer::default(), place, size: None }
    }
}

impl Opened {
    pub(crate) fn new(what: String, options: &Options) -> Self {
        Self {
            what,
            pid: None,
            image: None,
            config: Config::default(),
            parts: Vec::new(),
            blobs: None,
            documents: None,
            notes: Vec::new(),
            others: Vec::new(),
            is_attested: false,
            is_single_store: false,
            options: options.clone(),
            progress: None,
        }
    }

    /// The image's name and digest, where known.
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// The other platforms for which the source has this image: what is written anew from it is for one platform alone.
    pub fn other_platforms(&self) -> &[String] {
        &self.others
    }

    /// Whether attestations (provenance, lists of packages) stand beside it in its index; they speak of this image and no other.
    pub const fn is_attested(&self) -> bool {
        self.is_attested
    }

    /// Whether it is a trust store by itself: a bundle, a key store or a certificate, shown as a root with this one file.
    pub const fn is_single_store(&self) -> bool {
        self.is_single_store
    }

    /// The process whose root it is, for sources that run: its network is to be found by it.
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The configuration, or what stands for it.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The layers, the lowest first; empty for folders and hosts.
    pub fn layers(&self) -> Vec<Layer> {
        if self.is_image() { self.parts.iter().map(|part| part.layer.clone()).collect() } else { Vec::new() }
    }

    /// Manifest and configuration as they stand in the source; `None` for folders and hosts.
    pub fn documents(&self) -> Option<&Documents> {
        self.documents.as_ref()
    }

    /// A layer's bytes as they are stored, unchecked; `None`: the source has none (it keeps the layer as a folder, or elsewhere).
    ///
    /// # Errors
    /// When there is no such layer, or it cannot be opened.
    pub fn layer_blob(&mut self, index: usize) -> Result<Option<Box<dyn Read + Send>>, Error> {
        let count = self.parts.len();
        let Some(part) = self.parts.get_mut(index) else {
            return Err(Error::damaged(&self.what, format!("has {count} layers, no layer {}", index + 1)));
        };
        let blob = open_part(part, self.blobs.as_deref_mut(), &self.what)?;
        Ok(blob.map(|blob| Box::new(blob) as Box<dyn Read + Send>))
    }

    /// From now on `tell` is told how far reading is.
    pub fn set_progress(&mut self, tell: Box<dyn FnMut(Progress) + Send>) {
        self.progress = Some(tell);
    }

    /// Another image's layers are told apart; a folder is no layer.
    fn is_image(&self) -> bool {
        self.documents.is_some()
    }

    /// Reads all layers in order, shows each file to the watcher, and merges.
    ///
    /// # Errors
    /// When a layer cannot be read, is damaged, is not the one that the image names, or exceeds a limit.
    pub fn collect<W>(&mut self, watch: &mut W) -> Result<Collected<W::Found>, Error>
    where
        W: Watch,
        W::Found: Clone,
    {
        let limits = self.options.limits;
        let mut merge = Merge::new(limits);
        let mut sum = Taken::default();
        for index in 0..self.parts.len() {
            self.tell(index, sum.bytes);
            let taken = self.read_part(index, sum, &mut merge, watch)?;
            sum.entries += taken.entries;
            sum.bytes += taken.bytes;
            if taken.enough {
                if index + 1 < self.parts.len() {
                    merge.notes.say(format!("layers above layer {} were not read", index + 1));
                }
                break;
            }
        }
        let mut collected = merge.into_collected(|path, target| watch.wants_link(path, target));
        collected.image.clone_from(&self.image);
        collected.layers = self.layers();
        collected.config = self.config.clone();
        collected.notes.splice(0..0, self.notes.iter().cloned());
        Ok(collected)
    }

    fn read_part<W>(
        &mut self,
        index: usize,
        sum: Taken,
        merge: &mut Merge<W::Found>,
        watch: &mut W,
    ) -> Result<Taken, Error>
    where
        W: Watch,
        W::Found: Clone,
    {
        let limits = self.options.limits;
        let layer = self.is_image().then_some(index);
        let what = if layer.is_some() { self.name_of(index) } else { self.what.clone() };
        let part = &mut self.parts[index];
        if let Place::Folder(folder) = &part.place {
            let (entries, enough) = folder::read(folder, merge, watch, layer, limits)?;
            return Ok(Taken { entries, bytes: 0, enough });
        }
        let blob = open_part(part, self.blobs.as_deref_mut(), &self.what)?;
        let Some(blob) = blob else {
            merge.notes.say(format!("{what} is to be fetched elsewhere (a foreign layer) and was not read"));
            return Ok(Taken::default());
        };
        let expected =
            Expected { digest: part.layer.digest.clone(), diff_id: part.layer.diff_id.clone(), size: part.size };
        let allowed = limits.bytes.saturating_sub(sum.bytes);
        let stream = Stream::new(what, blob, expected, self.options.verify, allowed, limits)?;
        let terms = Terms { layer, limits, entries: limits.entries.saturating_sub(sum.entries) };
        let layers = self.parts.len();
        let mut progress = self.progress.as_mut();
        layer::read(stream, merge, watch, terms, &mut |bytes| {
            if let Some(tell) = &mut progress {
                tell(Progress { layer: index + 1, layers, bytes: sum.bytes + bytes });
            }
        })
    }

    /// How a layer is called in messages.
    fn name_of(&self, index: usize) -> String {
        let layer = &self.parts[index].layer;
        let digest = layer.digest.as_ref().or(layer.diff_id.as_ref());
        let short = digest.map(|digest| format!(" ({})", digest.get(..19).unwrap_or(digest))).unwrap_or_default();
        format!("layer {} of {}{short}", index + 1, self.what)
    }

    fn tell(&mut self, index: usize, bytes: u64) {
        let layers = self.parts.len();
        if let Some(tell) = &mut self.progress {
            tell(Progress { layer: index + 1, layers, bytes });
        }
    }
}

/// Opens a layer's bytes; `None`: it has none here.
fn open_part(
    part: &mut Part,
    blobs: Option<&mut (dyn Blobs + 'static)>,
    what: &str,
) -> Result<Option<Box<dyn Blob>>, Error> {
    match &mut part.place {
        Place::Blob(digest) => match blobs {
            Some(blobs) => blobs.blob(digest).map(Some),
            None => Ok(None),
        },
        Place::Slice { file, at, end } => Ok(Some(Box::new(Slice { file: Arc::clone(file), at: *at, end: *end }))),
        Place::Once(blob) => blob.take().map(Some).ok_or_else(|| Error::ReadOnce(what.to_owned())),
        Place::Folder(_) | Place::Elsewhere => Ok(None),
    }
}
