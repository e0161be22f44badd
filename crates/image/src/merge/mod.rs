//! Putting layers upon each other. In: entries of the layers, the lowest first. Out: what of the final state was kept, and what
//! lies hidden below it. Spec: OCI image layer, "Applying Changesets" and "Whiteouts".
//!
//! Only what was kept and symbolic links are held; nothing is written. Names are bytes and are resolved in memory: a name that
//! leads through a link goes where the link leads inside the root, as it does for every engine that extracts safely.

mod links;
mod name;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use name::lexical;
pub(crate) use state::{Merge, Meta};
