//! From a source's name to a source that can be read. In: [`Source`], [`Options`]. Out: [`Opened`], or what was tried where.

use std::io::Read;
use std::path::Path;

use crate::error::Error;
use crate::image::of_document;
use crate::opened::Opened;
use crate::options::Options;
use crate::recognise::{self, Wanted};
use crate::remote::Remote;
use crate::source::Source;
use crate::store::Registry;
use crate::{engines, roots};

/// Finds what a source means. Registries are opened by [`Opened::remote`].
///
/// # Errors
/// When it is not there, is not what it is said to be, or holds several images of which none was chosen.
pub fn open(source: &Source, options: &Options) -> Result<Opened, Error> {
    match source {
        Source::DockerArchive(file, name) => recognise::file(file, Wanted::Docker, name.as_deref(), options),
        Source::OciArchive(file, name) => recognise::file(file, Wanted::Oci, name.as_deref(), options),
        Source::OciLayout(folder, name) => recognise::oci_layout(folder, name.as_deref(), options),
        Source::SkopeoDir(folder) => recognise::skopeo_dir(folder, options),
        Source::Rootfs(path) if path.is_dir() => recognise::root_folder(path, options),
        Source::Rootfs(path) => recognise::file(path, Wanted::Root, None, options),
        Source::Stdin => recognise::stream(Box::new(std::io::stdin()), "standard input", options),
        Source::Pid(pid) => roots::process(*pid, options),
        Source::Container(id) => roots::container(id, options),
        Source::Host => Ok(roots::host(options)),
        Source::DockerDaemon(name) => engines::docker(name, options),
        Source::ContainersStorage(name) => engines::storage(name, options),
        Source::Containerd(name) => engines::containerd(name, options),
        Source::Bare(word) => bare(word, options),
        Source::Registry(name) => {
            let tried = vec!["it is to be asked of its registry".to_owned()];
            Err(Error::NotFound { what: format!("docker://{name}"), tried })
        }
        Source::Mozilla => Err(Error::NotFound { what: "mozilla".to_owned(), tried: Vec::new() }),
    }
}

/// Opens an archive of any form that comes as a stream: a root is read as it comes, an image is spooled.
///
/// # Errors
/// As [`open`].
pub fn open_stream(input: Box<dyn Read + Send>, what: &str, options: &Options) -> Result<Opened, Error> {
    recognise::stream(input, what, options)
}

/// A file or folder is looked into; anything else is asked of the local engines.
fn bare(word: &str, options: &Options) -> Result<Opened, Error> {
    let path = Path::new(word);
    if path.is_dir() {
        return recognise::folder(path, options);
    }
    if path.exists() {
        return recognise::file(path, Wanted::Any, None, options);
    }
    // `FILE:NAME` and `DIR:TAG`, as with the names that say their form.
    if let Some((file, name)) = word.split_once(':') {
        let path = Path::new(file);
        if path.is_file() {
            return recognise::file(path, Wanted::Any, Some(name), options);
        }
        if path.join("index.json").is_file() {
            return recognise::oci_layout(path, Some(name), options);
        }
    }
    if Source::Bare(word.to_owned()).names_a_file() {
        return Err(Error::NotFound {
            what: word.to_owned(),
            tried: vec!["there is no such file or folder".to_owned()],
        });
    }
    engines::local(word, options)
}

impl Opened {
    /// Opens an image of a registry: `remote` answers for its repository, `reference` is its tag or digest, `name` what it is
    /// called in full.
    ///
    /// # Errors
    /// As [`open`].
    pub fn remote(mut remote: Box<dyn Remote>, name: &str, reference: &str, options: &Options) -> Result<Self, Error> {
        let (_, bytes) = remote.manifest(reference).map_err(Error::Remote)?;
        if reference.contains(':') {
            crate::store::check_digest(name, &bytes, reference)?;
        }
        of_document(Box::new(Registry(remote)), bytes, Some(name), name, options)
    }
}
