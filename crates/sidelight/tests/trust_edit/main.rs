//! `sidelight trust add` and `trust remove` as a user runs them, with the real programs beside. In: roots and images that are made here.
//! Out: what is written, what is said, and who connects afterwards. Needs root: programs run by chroot and in mount namespaces.

mod clients;
mod engines;
mod folders;
mod place;
mod refusals;
mod story;
