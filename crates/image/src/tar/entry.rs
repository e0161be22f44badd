//! One entry of a tar stream. In: its header. Out: [`Entry`]. Types that carry no data have the size 0 whatever they declare, as
//! Go's reader has it, which is what container engines use.

use super::extended::Extended;
use super::reader::TarError;
use super::sparse::Map;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    HardLink,
    SymLink,
    Folder,
    /// A device or FIFO.
    Special,
    /// A type that means nothing in an image.
    Other(u8),
}

/// An entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) name: Vec<u8>,
    pub(crate) target: Vec<u8>,
    /// The size of the file, holes filled.
    pub(crate) size: u64,
    /// The bytes of it in the archive.
    pub(crate) stored: u64,
    /// Where they begin.
    pub(crate) offset: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Where data stand in a file with holes.
    pub(crate) map: Option<Map>,
}

impl Entry {
    /// Puts a header and what extended headers said before it together.
    pub(super) fn new(header: &tar::Header, extended: Extended, at: u64) -> Result<Self, TarError> {
        let damaged = |what: &str| TarError::Damaged { at, why: format!("has an entry whose {what}") };
        let type_byte = header.as_bytes()[156];
        let name = extended.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = match type_byte {
            b'\0' | b'0' if name.ends_with(b"/") => Kind::Folder,
            b'\0' | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::SymLink,
            b'3' | b'4' | b'6' => Kind::Special,
            b'5' => Kind::Folder,
            other => Kind::Other(other),
        };
        let has_data = matches!(kind, Kind::File | Kind::Other(_));
        // `entry_size` is what is stored, also for sparse files.
        let declared = match extended.size {
            Some(size) => size,
            None => header.entry_size().map_err(|_| damaged("size is no number"))?,
        };
        let stored = if has_data { declared } else { 0 };
        if stored > i64::MAX as u64 {
            return Err(damaged("size is negative or impossibly large"));
        }
        let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Ok(Self {
            kind,
            name,
            target: extended
                .target
                .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
                .unwrap_or_default(),
            size: extended.real_size.unwrap_or(stored),
            stored,
            offset: 0,
            mode: header.mode().unwrap_or(0) & 0o7777,
            uid: small(extended.uid.or_else(|| header.uid().ok()).unwrap_or(0)),
            gid: small(extended.gid.or_else(|| header.gid().ok()).unwrap_or(0)),
            map: extended.map,
        })
    }
}
