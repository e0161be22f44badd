//! What a registry is to this room. In: a name, a digest. Out: manifests and blobs, however they are fetched.

use std::io::Read;

/// A registry that answers for one repository.
pub trait Remote: Send {
    /// The manifest or index behind a tag or digest: its media type and its bytes.
    ///
    /// # Errors
    /// One line for people: what was asked, and what went wrong.
    fn manifest(&mut self, reference: &str) -> Result<(String, Vec<u8>), String>;

    /// The blob with this digest (`sha256:…`); its bytes are checked against the digest by the caller.
    ///
    /// # Errors
    /// As [`Remote::manifest`].
    fn blob(&mut self, digest: &str) -> Result<Box<dyn Read + Send>, String>;
}
