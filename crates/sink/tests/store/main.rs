//! The flow store from the outside: what goes in comes out, whatever happens to files and disks.

mod arbitrary;
mod calls;
mod disks;
mod files;
mod keeping;
mod queries;
mod round_trip;
mod traffic;
mod versions;
