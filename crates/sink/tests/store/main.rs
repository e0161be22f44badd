//! The flow store from the outside: what goes in comes out, whatever happens to files and disks.

mod arbitrary;
mod calls;
mod queries;
mod round_trip;
