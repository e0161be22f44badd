//! A tar archive that holds an image, as a place of members. In: a file that can be read at any offset. Out: members by name and
//! blobs by digest, found by one pass over the headers.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use super::{Blobs, Slice, digest_parts};
use crate::error::Error;
use crate::limits::Limits;
use crate::merge::lexical;
use crate::stream::Blob;
use crate::tar::{Kind, TarError, TarReader};

/// Links from member to member that are followed.
const MAX_LINKS: usize = 8;

enum Member {
    Bytes { offset: u64, size: u64 },
    Link(Vec<u8>),
}

/// An archive and where its members lie.
pub(crate) struct Archive {
    name: String,
    file: Arc<File>,
    members: HashMap<Vec<u8>, Member>,
}

impl Archive {
    /// Goes over the headers of an uncompressed archive. `Ok(None)`: it is no tar.
    pub(crate) fn index(name: &str, file: Arc<File>, limits: &Limits) -> Result<Option<Self>, Error> {
        let whole = Slice::whole(Arc::clone(&file)).map_err(Error::io(name))?;
        let mut tar = TarReader::headers_only(whole, *limits);
        let mut members = HashMap::new();
        let mut names = 0;
        loop {
            let entry = match tar.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(TarError::Damaged { at: 0, .. }) if members.is_empty() => return Ok(None),
                Err(TarError::Io(error)) => return Err(Error::io(name)(error)),
                Err(TarError::Limit(why)) => return Err(Error::limit(name, why)),
                // What stands before the damage may be enough; what is missing will be missed by name.
                Err(TarError::Damaged { at, why }) => {
                    return Err(Error::damaged(name, TarError::Damaged { at, why }.to_string()));
                }
            };
            let Ok(path) = lexical(&entry.name, limits) else { continue };
            let member = match entry.kind {
                Kind::File if entry.map.is_none() => Member::Bytes { offset: entry.offset, size: entry.stored },
                Kind::HardLink => Member::Link([b"/", entry.target.as_slice()].concat()),
                Kind::SymLink => Member::Link(entry.target),
                _ => continue,
            };
            names += path.len();
            if members.len() >= limits.members || names > limits.links {
                // No image has so many; a root may, and is not read by names of members.
                break;
            }
            members.insert(path, member);
        }
        Ok(Some(Self { name: name.to_owned(), file, members }))
    }

    /// Whether a regular member (or a link to one) of that name is there.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<(u64, u64)> {
        let limits = Limits::default();
        let mut path = lexical(name.as_bytes(), &limits).ok()?;
        for _ in 0..MAX_LINKS {
            match self.members.get(&path)? {
                Member::Bytes { offset, size } => return Some((*offset, *size)),
                Member::Link(target) if target.starts_with(b"/") => path = lexical(target, &limits).ok()?,
                Member::Link(target) => {
                    let folder = path.iter().rposition(|byte| *byte == b'/')?;
                    path = lexical(&[&path[..=folder], target].concat(), &limits).ok()?;
                }
            }
        }
        None
    }

    /// A member's bytes and size.
    pub(crate) fn member(&self, name: &str) -> Result<Slice, Error> {
        let (offset, size) =
            self.find(name).ok_or_else(|| Error::damaged(&self.name, format!("has no member `{name}`")))?;
        Ok(Slice { file: Arc::clone(&self.file), at: offset, end: offset.saturating_add(size) })
    }

    /// The size of a member.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        self.find(name).map(|(_, size)| size)
    }

    /// A member that is a document, whole.
    pub(crate) fn document(&self, name: &str, limits: &Limits) -> Result<Vec<u8>, Error> {
        super::document(self.member(name)?, name, "", limits)
    }
}

impl Blobs for Archive {
    fn blob(&mut self, digest: &str) -> Result<Box<dyn Blob>, Error> {
        let (algorithm, digits) = digest_parts(digest)?;
        Ok(Box::new(self.member(&format!("blobs/{algorithm}/{digits}"))?))
    }

    fn has(&mut self, digest: &str) -> bool {
        digest_parts(digest).is_ok_and(|(algorithm, digits)| self.contains(&format!("blobs/{algorithm}/{digits}")))
    }
}
