//! How a reader of an image says which files it wants, and keeps what it needs of them while they stream past.
//! In: the head of each file, then its bytes in pieces. Out: what the reader made of it. Nothing else of an image is held.

/// What is known of a file before its bytes.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// Its absolute path within the root, without `.` and `..`; bytes that are not UTF-8 are replaced.
    pub path: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// Permission bits with set-uid and set-gid.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// A reader of an image's files.
pub trait Watch {
    /// What is kept of a file.
    type Found;
    /// The state while a file streams past.
    type Open;

    /// A regular file begins; `None`: its bytes are not wanted.
    fn open(&mut self, head: &Head<'_>) -> Option<Self::Open>;

    /// Its next bytes. Returns whether more are wanted.
    fn feed(&mut self, open: &mut Self::Open, bytes: &[u8]) -> bool;

    /// It ended; `None`: nothing is kept of it. `whole`: whether all its bytes were fed.
    fn close(&mut self, open: Self::Open, whole: bool) -> Option<Self::Found>;

    /// Whether everything that was wanted is found: reading stops, what comes later in the image is not looked at.
    fn enough(&self) -> bool {
        false
    }

    /// A folder of a layer; the same may come again in a higher one.
    fn folder(&mut self, _head: &Head<'_>) {}

    /// Whether this symbolic link is to be kept. All are by default, up to the limit.
    fn wants_link(&self, _path: &str, _target: &str) -> bool {
        true
    }
}
