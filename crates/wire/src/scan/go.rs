//! Go's build information. In: bytes that begin with its magic. Out: the version of Go and the modules of the program.
//! Spec: `debug/buildinfo` of Go 1.18 and later: 32 bytes of head, then two strings, each with its length as a varint; the
//! second has 16 bytes of marks on either side. Programs of older versions hold pointers instead and are not read.

/// The head.
const HEAD: usize = 32;

/// The bit of the flags that says that the strings follow.
const INLINE: u8 = 2;

/// Marks around the list of modules.
const MARK: usize = 16;

/// Most modules; Kubernetes has some 250.
const MAX_MODULES: usize = 4_000;

/// Longest list of modules.
const MAX_LIST: usize = 400 << 10;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// It is not complete.
    More,
    /// It is something else, or of an older version.
    No,
    /// Version, and modules by path and version.
    Info { version: String, modules: Vec<(String, String)> },
}

pub(super) fn read(bytes: &[u8]) -> Read {
    let Some(flags) = bytes.get(15) else { return Read::More };
    if flags & INLINE == 0 {
        return Read::No;
    }
    let Some(rest) = bytes.get(HEAD..) else { return Read::More };
    let (version, rest) = match string(rest) {
        Ok(Some(found)) => found,
        Ok(None) => return Read::More,
        Err(()) => return Read::No,
    };
    if !version.starts_with(b"go") && !version.starts_with(b"devel") {
        return Read::No;
    }
    let list = match string(rest) {
        Ok(Some((list, _))) => list,
        Ok(None) => return Read::More,
        Err(()) => return Read::No,
    };
    let marked = list.len().checked_sub(MARK).and_then(|end| list.get(MARK..end)).unwrap_or_default();
    let version = String::from_utf8_lossy(version).into_owned();
    Read::Info { version, modules: modules(&String::from_utf8_lossy(marked)) }
}

/// A string, and what follows it.
type Taken<'b> = (&'b [u8], &'b [u8]);

/// A string and what follows; `Ok(None)` when it is cut off.
fn string(bytes: &[u8]) -> Result<Option<Taken<'_>>, ()> {
    let mut length = 0usize;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if length > MAX_LIST {
                return Err(());
            }
            return Ok(bytes.get(index + 1..).and_then(|rest| rest.split_at_checked(length)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(()) }
}

/// `mod`, `dep` and `=>` lines; a replacement stands in the place of what it replaces.
fn modules(list: &str) -> Vec<(String, String)> {
    let mut modules: Vec<(String, String)> = Vec::new();
    for line in list.lines() {
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or_default();
        let module = (fields.next().unwrap_or_default().to_owned(), fields.next().unwrap_or_default().to_owned());
        match kind {
            "mod" | "dep" if modules.len() < MAX_MODULES => modules.push(module),
            "=>" => {
                if let Some(last) = modules.last_mut() {
                    *last = module;
                }
            }
            _ => {}
        }
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let list = format!(
            "{0}path\tx\nmod\tx/y\t(devel)\t\ndep\ta/b\tv1.2.3\th1:=\ndep\tc\tv0\n=>\td\tv2\n{0}",
            "0123456789abcdef"
        );
        let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
        bytes.resize(HEAD, 0);
        bytes.push(8);
        bytes.extend(b"go1.27.3");
        bytes.push(list.len() as u8);
        bytes.extend(list.bytes());
        bytes
    }

    #[test]
    fn version_and_modules_are_read_and_cuts_are_told() {
        let bytes = sample();
        assert!(bytes.len() < HEAD + 9 + 128);
        let Read::Info { version, modules } = read(&bytes) else { panic!() };
        assert_eq!(version, "go1.27.3");
        let expected = [("x/y", "(devel)"), ("a/b", "v1.2.3"), ("d", "v2")];
        assert_eq!(modules, expected.map(|(path, version)| (path.to_owned(), version.to_owned())));
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), Read::More, "{length}");
        }
        assert_eq!(read(&[0; 64]), Read::No);
    }
}
