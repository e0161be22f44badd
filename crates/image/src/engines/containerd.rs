//! containerd's store, without its daemon. In: an image's name. Out: the image of the content store. Files:
//! `io.containerd.metadata.v1.bolt/meta.db` (names: v1 / NAMESPACE / images / NAME / target), `io.containerd.content.v1.content/blobs`.
//! Docker with the containerd store keeps its images there too, in the namespace `moby`.

use std::path::{Path, PathBuf};

use super::bolt::{Bolt, Bucket};
use crate::error::Error;
use crate::image::of_document;
use crate::opened::Opened;
use crate::options::Options;
use crate::select::same_name;
use crate::store::{BlobFolder, Blobs as _, open_regular};

/// An image that containerd knows.
struct Named {
    namespace: String,
    name: String,
    digest: String,
}

/// Opens an image of containerd.
pub(crate) fn open(name: &str, options: &Options) -> Result<Opened, Error> {
    let mut tried = Vec::new();
    for root in &roots(options) {
        let database = root.join("io.containerd.metadata.v1.bolt/meta.db");
        let shown = root.display();
        let file = match open_regular(&database) {
            Ok(file) => file,
            Err(Error::Io { why, .. }) if why.kind() == std::io::ErrorKind::NotFound => continue,
            Err(Error::Io { why, .. }) => {
                tried.push(format!("containerd's store {shown}: {why}"));
                continue;
            }
            Err(error) => return Err(error),
        };
        let images =
            Bolt::open(file).and_then(|bolt| images(&bolt)).map_err(Error::io(database.display().to_string()))?;
        let found = images.iter().find(|image| same_name(&image.name, name) || image.digest == name);
        if let Some(image) = found {
            return open_image(root, image, options);
        }
        let mut known: Vec<String> =
            images.iter().map(|image| format!("{} ({})", image.name, image.namespace)).take(20).collect();
        known.sort();
        let there =
            if known.is_empty() { "it holds no image".to_owned() } else { format!("it holds {}", known.join(", ")) };
        tried.push(format!("containerd's store {shown}: {there}"));
    }
    Err(Error::NotFound { what: name.to_owned(), tried })
}

/// containerd's folders of data, and those of the containerd that Docker starts for itself, where there is one.
fn roots(options: &Options) -> Vec<PathBuf> {
    let of_docker = options.engines.docker_roots.iter().map(|root| root.join("containerd/daemon"));
    let of_docker = of_docker.filter(|root| root.join("io.containerd.metadata.v1.bolt").is_dir());
    options.engines.containerd_roots.iter().cloned().chain(of_docker).collect()
}

fn open_image(root: &Path, image: &Named, options: &Options) -> Result<Opened, Error> {
    let what = format!("{} of containerd's namespace {}", image.name, image.namespace);
    let mut blobs = BlobFolder::by_algorithm(root.join("io.containerd.content.v1.content/blobs"));
    let bytes = blobs.manifest(&image.digest, &options.limits)?;
    of_document(Box::new(blobs), bytes, Some(&image.name), &what, options)
}

/// All images of all namespaces.
fn images(bolt: &Bolt) -> std::io::Result<Vec<Named>> {
    let mut all = Vec::new();
    let Some(version) = bolt.bucket(&bolt.root(), b"v1")? else { return Ok(all) };
    for namespace in bolt.names(&version)? {
        let Some(space) = bolt.bucket(&version, &namespace)? else { continue };
        let Some(images) = bolt.bucket(&space, b"images")? else { continue };
        for name in bolt.names(&images)? {
            if let Some(digest) = target(bolt, &images, &name)? {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                all.push(Named { namespace: text(&namespace), name: text(&name), digest });
            }
        }
    }
    Ok(all)
}

fn target(bolt: &Bolt, images: &Bucket, name: &[u8]) -> std::io::Result<Option<String>> {
    let Some(image) = bolt.bucket(images, name)? else { return Ok(None) };
    let Some(target) = bolt.bucket(&image, b"target")? else { return Ok(None) };
    let digest = bolt.value(&target, b"digest")?;
    Ok(digest.map(|digest| String::from_utf8_lossy(&digest).into_owned()))
}
