//! `registry timeline` of real clients with Debian's docker-registry: skopeo and dockerd through sidelight, in TLS and with tokens. In: what
//! was recorded. Out: blocks, steps and causes, the same from every kind of capture.

mod captures;
mod conversations;
mod ctr;
mod docker;
mod faults;
mod kit;
mod sources;
mod texts;
mod tokens;
