//! What is to be changed in an image or a root. In: a plan (a root added, a store rebuilt). Out: [`Change`]s that a layer, a folder
//! or a printed patch is made from, and an [`Edit`] where an image's configuration changes with them.

/// One path that becomes something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The absolute path within the root, without `.` and `..`, every link in its folders already followed: what is written is this
    /// very entry, never what a link there points to.
    pub path: String,
    /// What is there afterwards.
    pub kind: ChangeKind,
    /// Permission bits with set-uid, set-gid and sticky; without meaning for links and removals.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// What a changed path is afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A regular file with these bytes. Folders above it that do not exist yet need changes of their own ([`ChangeKind::Dir`]) only
    /// where they are not to be root's with mode 0755.
    File {
        /// All of its bytes.
        bytes: Vec<u8>,
    },
    /// A symbolic link.
    Symlink {
        /// The target as it is to be written.
        target: String,
    },
    /// A folder that was not there before.
    Dir,
    /// Nothing: what was there, a folder with all below it, is gone.
    Remove,
}

/// Everything that one operation changes in an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Changes of files; where two have the same path, the later counts.
    pub changes: Vec<Change>,
    /// Variables of the configuration to set; those that are there get the new value in their place.
    pub env: Vec<(String, String)>,
    /// The history line: the command that did it, as `sidelight trust add corp-root.pem`.
    pub created_by: String,
}
