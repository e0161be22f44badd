//! Images that were written anew, before the tools that have to take them: skopeo, umoci, docker, podman.

mod base;
mod docker;
mod files;
mod tools;
