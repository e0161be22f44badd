//! First use in real containers. In: Debian's dockerd, the images of `images/`, the manifests of `deploy/`, services that scanners and attackers
//! show. Out: in each case in which the earlier tool failed, what is said and done. Spec: docs/tofu.md.
//! Ignored in an ordinary `cargo test`, because the static program takes minutes to build; `cargo xtask test` runs it.

mod cases;
mod clients;
mod deployed;
mod engine;
mod process;
mod roots;
mod unreached;
