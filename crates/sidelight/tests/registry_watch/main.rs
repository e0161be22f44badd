//! `registry watch` and `run -- docker …` with real engines: dockerd, containerd's ctr, podman, skopeo; Debian's docker-registry behind
//! nginx with TLS, a token server at another host. In: pulls. Out: blocks; and files and packet filter rules as they were before.

mod containerd;
mod docker;
mod kit;
mod podman;
mod story;
