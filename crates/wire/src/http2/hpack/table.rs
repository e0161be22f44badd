//! The static and the dynamic table of HPACK. In: fields as they are added. Out: fields by index. Spec: RFC 7541 §2.3, §4, appendix A.

use std::collections::VecDeque;

use bytes::Bytes;

/// What an entry costs besides its bytes (RFC 7541 §4.1).
const OVERHEAD: usize = 32;
/// The size at which a table begins (RFC 9113 §6.5.2).
const FIRST_SIZE: usize = 4096;
/// Largest dynamic table that is followed. Browsers use 64 KiB.
pub(super) const LARGEST: usize = 256 * 1024;

/// Both tables of one direction.
#[derive(Debug)]
pub(super) struct Table {
    entries: VecDeque<(Bytes, Bytes)>,
    size: usize,
    most: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, most: FIRST_SIZE }
    }
}

impl Table {
    /// The field of this index, from 1.
    pub(super) fn get(&self, index: usize) -> Option<(Bytes, Bytes)> {
        let place = index.checked_sub(1)?;
        match STATIC.get(place) {
            Some((name, value)) => Some((Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes()))),
            None => self.entries.get(place - STATIC.len()).cloned(),
        }
    }

    /// Adds a field, and drops the oldest as needed; one that is larger than the table empties it.
    pub(super) fn insert(&mut self, name: Bytes, value: Bytes) {
        let size = name.len() + value.len() + OVERHEAD;
        self.shrink(self.most.saturating_sub(size));
        if size <= self.most {
            self.size += size;
            self.entries.push_front((name, value));
        }
    }

    /// The encoder changes the size of the table.
    ///
    /// # Errors
    /// In words, when it is larger than any that is followed.
    pub(super) fn resize(&mut self, most: usize) -> Result<(), String> {
        if most > LARGEST {
            return Err(format!("a dynamic table of {most} bytes"));
        }
        self.most = most;
        self.shrink(most);
        Ok(())
    }

    fn shrink(&mut self, most: usize) {
        while self.size > most {
            let Some((name, value)) = self.entries.pop_back() else { break };
            self.size -= name.len() + value.len() + OVERHEAD;
        }
    }
}

#[rustfmt::skip]
static STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_entry_comes_first_after_the_static_ones() {
        let mut table = Table::default();
        table.insert(Bytes::from_static(b"a"), Bytes::from_static(b"1"));
        table.insert(Bytes::from_static(b"b"), Bytes::from_static(b"2"));
        assert_eq!(table.get(0), None);
        assert_eq!(table.get(61).unwrap().0, "www-authenticate");
        assert_eq!(table.get(62).unwrap().0, "b");
        assert_eq!(table.get(63).unwrap().0, "a");
        assert_eq!(table.get(64), None);
        table.resize(34).unwrap();
        assert_eq!((table.get(62).unwrap().0, table.get(63)), (Bytes::from_static(b"b"), None));
        table.insert(Bytes::from_static(b"long"), Bytes::from_static(b"er"));
        assert_eq!(table.get(62), None, "an entry larger than the table empties it");
        assert!(table.resize(LARGEST + 1).is_err());
    }
}
