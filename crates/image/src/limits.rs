//! How much of an image is read, and why no more. In: nothing. Out: [`Limits`]. Every figure bounds something that a hostile
//! archive can inflate; the defaults leave room for the largest honest images known.

/// Bounds on what is read and held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Uncompressed bytes of all layers together: images with models or compilers reach 30 GB.
    pub bytes: u64,
    /// Uncompressed bytes for each compressed byte, once a layer has given [`Limits::ratio_after`]: real layers stay below 50,
    /// deflate cannot exceed 1032, zstd reaches 32,000.
    pub ratio: u64,
    /// Uncompressed bytes of a layer before its ratio counts; sparse logs make honest layers odd.
    pub ratio_after: u64,
    /// Entries of all layers together.
    pub entries: u64,
    /// Bytes of one name: the kernel's `PATH_MAX` is 4096, archives made elsewhere may have more.
    pub name: usize,
    /// Components of one name.
    pub depth: usize,
    /// Bytes of one extended header (long names, PAX records).
    pub extended: u64,
    /// Bytes that all symbolic links together may take in memory.
    pub links: usize,
    /// Kept files, hidden ones among them.
    pub kept: usize,
    /// Indexes within indexes.
    pub nesting: usize,
    /// Bytes of a manifest, index or configuration.
    pub document: u64,
    /// Layers of an image.
    pub layers: usize,
    /// Members of an archive that holds images.
    pub members: usize,
    /// The window that a zstd frame may ask for, as a power of two: 2^25 is what level 20 needs.
    pub zstd_window: u32,
    /// Zeros that are fed for the holes of one sparse file.
    pub holes: u64,
    /// Bytes that are spooled for an archive that cannot be read twice.
    pub spool: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 30,
            ratio: 250,
            ratio_after: 512 << 20,
            entries: 8_000_000,
            name: 16 << 10,
            depth: 512,
            extended: 1 << 20,
            links: 20 << 20,
            kept: 100_000,
            nesting: 4,
            document: 8 << 20,
            layers: 1024,
            members: 65_536,
            zstd_window: 25,
            holes: 16 << 20,
            spool: 32 << 30,
        }
    }
}
