//! What the container engines of this machine hold. In: a name. Out: the image, read from the engine's own files; only Docker's
//! daemon is asked where its files do not tell.

mod bolt;
mod containerd;
mod containers_storage;
mod daemon;
mod docker_store;
mod state;

use crate::error::Error;
use crate::opened::Opened;
use crate::options::Options;

pub(crate) use daemon::container as ask_daemon;
pub(crate) use state::{Container, containers};

/// An image of Docker: of its store on disk where that can be read, else of its daemon.
pub(crate) fn docker(name: &str, options: &Options) -> Result<Opened, Error> {
    let mut tried = Vec::new();
    if let Some(opened) = ask(&mut tried, docker_store::open(name, options))? {
        return Ok(opened);
    }
    if let Some(opened) = ask(&mut tried, daemon::open(name, options))? {
        return Ok(opened);
    }
    Err(nowhere(format!("docker-daemon:{name}"), tried, "Docker"))
}

/// An image of podman, buildah or CRI-O.
pub(crate) fn storage(name: &str, options: &Options) -> Result<Opened, Error> {
    let mut tried = Vec::new();
    let found = ask(&mut tried, containers_storage::open(name, options))?;
    found.ok_or_else(|| nowhere(format!("containers-storage:{name}"), tried, "podman, buildah or CRI-O"))
}

/// An image of containerd.
pub(crate) fn containerd(name: &str, options: &Options) -> Result<Opened, Error> {
    let mut tried = Vec::new();
    let found = ask(&mut tried, containerd::open(name, options))?;
    found.ok_or_else(|| nowhere(format!("containerd:{name}"), tried, "containerd"))
}

/// An image of whichever engine has it.
pub(crate) fn local(name: &str, options: &Options) -> Result<Opened, Error> {
    let mut tried = Vec::new();
    for engine in [docker_store::open, containers_storage::open, containerd::open, daemon::open] {
        if let Some(opened) = ask(&mut tried, engine(name, options))? {
            return Ok(opened);
        }
    }
    Err(nowhere(name.to_owned(), tried, "Docker, podman or containerd"))
}

/// No engine has it. Engines that are not on this machine were passed over; when none is, one line says so.
fn nowhere(what: String, mut tried: Vec<String>, engines: &str) -> Error {
    if tried.is_empty() {
        tried.push(format!("no images of {engines} are on this machine, as far as this user may see"));
    }
    Error::NotFound { what, tried }
}

/// What an engine answered: the image, that it has none (with what it said), or a failure that ends the search because the image
/// is there and cannot be read.
fn ask(tried: &mut Vec<String>, answer: Result<Opened, Error>) -> Result<Option<Opened>, Error> {
    match answer {
        Ok(opened) => Ok(Some(opened)),
        Err(Error::NotFound { tried: mut lines, .. }) => {
            tried.append(&mut lines);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// An engine that has no such image, and why.
fn absent(name: &str, why: String) -> Error {
    Error::NotFound { what: name.to_owned(), tried: vec![why] }
}
