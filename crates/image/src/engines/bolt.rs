//! Reading a bbolt database, as containerd's `meta.db` is. In: a file. Out: values and names of buckets. Format: bbolt's pages
//! (meta, branch, leaf), little-endian; a bucket is a tree of pages of its own, or lies within its value.
//!
//! The file is read while containerd may write it: the newest meta page whose checksum is right is a whole state, whose pages
//! are not reused before the next write, so one look-up is nearly always whole; what does not add up is an error, never a panic.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;
const HEADER: usize = 16;
const IS_BRANCH: u16 = 0x01;
const IS_LEAF: u16 = 0x02;
/// A leaf's value is a bucket.
const BUCKET: u32 = 0x01;
/// Deeper trees than this do not occur: each level multiplies the entries by dozens.
const MAX_DEPTH: usize = 16;
/// Bytes of one page with its overflow.
const MAX_PAGE: usize = 16 << 20;
/// Names of one bucket that are listed.
const MAX_NAMES: usize = 10_000;

/// A database.
pub(super) struct Bolt {
    file: File,
    page_size: usize,
    root: u64,
}

/// A bucket: a tree of pages, or a page within a value.
#[derive(Clone, Debug)]
pub(super) enum Bucket {
    Tree(u64),
    Inline(Vec<u8>),
}

/// One element of a leaf.
struct Item {
    key: Vec<u8>,
    value: Vec<u8>,
    is_bucket: bool,
}

impl Bolt {
    /// Opens a database by the newer of its two meta pages.
    pub(super) fn open(file: File) -> io::Result<Self> {
        let mut first = [0; 4096];
        file.read_exact_at(&mut first, 0)?;
        let page_size = match meta(&first[HEADER..]) {
            Some(found) => found.page_size,
            // The first may be the one that was being written; pages are as large as the machine's.
            None => 4096,
        };
        let mut second = vec![0; 4096];
        file.read_exact_at(&mut second, page_size as u64)?;
        let metas = [meta(&first[HEADER..]), meta(&second[HEADER..])];
        let newest = metas.into_iter().flatten().max_by_key(|found| found.transaction);
        let newest = newest.ok_or_else(|| damaged("has no valid meta page"))?;
        Ok(Self { file, page_size: newest.page_size, root: newest.root })
    }

    /// The bucket of buckets.
    pub(super) fn root(&self) -> Bucket {
        Bucket::Tree(self.root)
    }

    /// The bucket of this name in a bucket.
    pub(super) fn bucket(&self, within: &Bucket, name: &[u8]) -> io::Result<Option<Bucket>> {
        let Some(item) = self.find(within, name)?.filter(|item| item.is_bucket) else { return Ok(None) };
        if item.value.len() < HEADER {
            return Err(damaged("has a bucket without header"));
        }
        let root = u64_at(&item.value, 0).unwrap_or(0);
        Ok(Some(if root == 0 { Bucket::Inline(item.value[HEADER..].to_vec()) } else { Bucket::Tree(root) }))
    }

    /// The value of this name in a bucket.
    pub(super) fn value(&self, within: &Bucket, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.find(within, name)?.filter(|item| !item.is_bucket).map(|item| item.value))
    }

    /// The names of the buckets in a bucket.
    pub(super) fn names(&self, within: &Bucket) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        let mut take = |items: Vec<Item>| {
            let buckets = items.into_iter().filter(|item| item.is_bucket).map(|item| item.key);
            names.extend(buckets);
            names.len() < MAX_NAMES
        };
        match within {
            Bucket::Inline(page) => drop(take(leaf(page)?)),
            Bucket::Tree(root) => {
                let mut left = MAX_NAMES;
                self.walk(*root, MAX_DEPTH, &mut left, &mut take)?;
            }
        }
        Ok(names)
    }

    fn find(&self, within: &Bucket, name: &[u8]) -> io::Result<Option<Item>> {
        let mut id = match within {
            Bucket::Inline(page) => return Ok(leaf(page)?.into_iter().find(|item| item.key == name)),
            Bucket::Tree(root) => *root,
        };
        for _ in 0..MAX_DEPTH {
            let page = self.page(id)?;
            match u16_at(&page, 8) {
                Some(IS_LEAF) => return Ok(leaf(&page)?.into_iter().find(|item| item.key == name)),
                Some(IS_BRANCH) => {
                    // The child that begins with the largest key that is not above the name.
                    let children = branch(&page)?;
                    let at = children.partition_point(|(key, _)| key.as_slice() <= name).saturating_sub(1);
                    id = children.get(at).ok_or_else(|| damaged("has an empty branch"))?.1;
                }
                _ => return Err(damaged("has a page of an unknown kind")),
            }
        }
        Err(damaged("is nested too deep"))
    }

    fn walk(
        &self,
        id: u64,
        depth: usize,
        left: &mut usize,
        take: &mut dyn FnMut(Vec<Item>) -> bool,
    ) -> io::Result<bool> {
        if depth == 0 || *left == 0 {
            return Err(damaged("is nested too deep"));
        }
        *left -= 1;
        let page = self.page(id)?;
        match u16_at(&page, 8) {
            Some(IS_LEAF) => Ok(take(leaf(&page)?)),
            Some(IS_BRANCH) => {
                for (_, child) in branch(&page)? {
                    if !self.walk(child, depth - 1, left, take)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Err(damaged("has a page of an unknown kind")),
        }
    }

    /// A page and its overflow.
    fn page(&self, id: u64) -> io::Result<Vec<u8>> {
        let at = id.checked_mul(self.page_size as u64).ok_or_else(|| damaged("points out of itself"))?;
        let mut head = [0; HEADER];
        self.file.read_exact_at(&mut head, at)?;
        let overflow = u32_at(&head, 12).unwrap_or(0) as usize;
        let size = overflow.saturating_add(1).saturating_mul(self.page_size);
        if size > MAX_PAGE {
            return Err(damaged("has a page that is too large"));
        }
        let mut page = vec![0; size];
        self.file.read_exact_at(&mut page, at)?;
        Ok(page)
    }
}

struct Meta {
    page_size: usize,
    root: u64,
    transaction: u64,
}

/// A meta page's content, if its checksum is right: magic, version, page size, flags, root bucket (page, sequence), free list,
/// highest page, transaction, checksum.
fn meta(bytes: &[u8]) -> Option<Meta> {
    let right =
        u32_at(bytes, 0)? == MAGIC && u32_at(bytes, 4)? == VERSION && u64_at(bytes, 56)? == fnv(bytes.get(..56)?);
    let page_size = u32_at(bytes, 8)? as usize;
    let sensible = (512..=65_536).contains(&page_size);
    (right && sensible).then_some(Meta { page_size, root: u64_at(bytes, 16)?, transaction: u64_at(bytes, 48)? })
}

/// FNV-1a of 64 bits, which guards meta pages.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The elements of a leaf page: flags, position (from the element), key and value sizes.
fn leaf(page: &[u8]) -> io::Result<Vec<Item>> {
    let count = usize::from(u16_at(page, 10).unwrap_or(0));
    let item = |index: usize| {
        let at = HEADER + index * 16;
        let flags = u32_at(page, at)?;
        let start = at.checked_add(u32_at(page, at + 4)? as usize)?;
        let middle = start.checked_add(u32_at(page, at + 8)? as usize)?;
        let end = middle.checked_add(u32_at(page, at + 12)? as usize)?;
        let (key, value) = (page.get(start..middle)?.to_vec(), page.get(middle..end)?.to_vec());
        Some(Item { key, value, is_bucket: flags & BUCKET != 0 })
    };
    let mut held = 0;
    let mut items = Vec::new();
    for index in 0..count {
        let item = item(index).ok_or_else(|| damaged("has an element out of its page"))?;
        // Elements may claim the same bytes: what they hold together is bounded by the page.
        held += item.key.len() + item.value.len();
        if held > page.len() {
            return Err(damaged("has elements that overlap"));
        }
        items.push(item);
    }
    Ok(items)
}

/// The elements of a branch page: position (from the element), key size, child.
fn branch(page: &[u8]) -> io::Result<Vec<(Vec<u8>, u64)>> {
    let count = usize::from(u16_at(page, 10).unwrap_or(0));
    let child = |index: usize| {
        let at = HEADER + index * 16;
        let start = at.checked_add(u32_at(page, at)? as usize)?;
        let end = start.checked_add(u32_at(page, at + 4)? as usize)?;
        Some((page.get(start..end)?.to_vec(), u64_at(page, at + 8)?))
    };
    let mut held = 0;
    let mut children = Vec::new();
    for index in 0..count {
        let child = child(index).ok_or_else(|| damaged("has an element out of its page"))?;
        held += child.0.len();
        if held > page.len() {
            return Err(damaged("has elements that overlap"));
        }
        children.push(child);
    }
    Ok(children)
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the database {why}"))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
