//! Certificates as values, and why a chain is not trusted. In: DER. Out: fields and findings. Spec: RFC 5280, RFC 9525.

mod cert;
mod explain;
mod faults;
mod name;
mod ocsp;
pub mod path;
pub mod strict;
mod subject_hash;
pub mod tlv;

pub use cert::{Certificate, San, fingerprint};
pub use explain::explain;
pub(crate) use explain::{interceptor, sounds_intermediate};
pub use faults::{Anchors, Faults, Judged, Trust, judge};
pub use name::matches as name_matches;
pub use ocsp::{ocsp_says_good, revoked_at};
pub use subject_hash::{subject_hash, subject_hash_old};
