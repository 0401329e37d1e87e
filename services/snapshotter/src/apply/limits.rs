//! How much of anything one layer may have.

/// The limits of one layer. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Uncompressed bytes of the whole layer, and the logical size of any one file.
    pub total_bytes: u64,
    /// Uncompressed bytes per compressed byte, once `ratio_floor` has been passed. Deflate cannot
    /// exceed 1032.
    pub ratio: u64,
    /// Uncompressed bytes below which the ratio is not looked at.
    pub ratio_floor: u64,
    /// Entries of the archive, extension headers not counted.
    pub entries: u64,
    /// A whole name or link target (PATH_MAX less its NUL).
    pub path: usize,
    /// One component of a name (NAME_MAX).
    pub name: usize,
    /// Bytes of names of directories that are remembered until the parent is here, because the layer
    /// implies them or has whiteouts in them. With more it is applied in order, which needs none.
    pub remembered: usize,
    /// The body of one extension header: long name, long link, PAX records.
    pub extension: u64,
    /// Extended attributes of one entry.
    pub xattrs: usize,
    /// One extended attribute's value (XATTR_SIZE_MAX).
    pub xattr_value: usize,
    /// Data extents of one sparse file.
    pub extents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total_bytes: 1 << 40,
            ratio: 2000,
            ratio_floor: 1 << 30,
            entries: 2_000_000,
            path: 4095,
            name: 255,
            remembered: 256 << 10,
            extension: 1 << 20,
            xattrs: 256,
            xattr_value: 64 << 10,
            extents: 128 << 10,
        }
    }
}
