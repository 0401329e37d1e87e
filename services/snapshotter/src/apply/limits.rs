//! How much of anything one layer may have.

use serde::Deserialize;
use varve_core::Result;
use varve_core::config::within;

/// The limits of one layer: `[snapshotter.limits]` of a configuration. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Limits {
    /// Uncompressed bytes of the whole layer, and the logical size of any one file.
    pub total_bytes: u64,
    /// Uncompressed bytes per compressed byte, once `ratio_floor` has been passed. Deflate cannot
    /// exceed 1032.
    pub ratio: u64,
    /// Uncompressed bytes below which the ratio is not looked at.
    pub ratio_floor: u64,
    /// Free bytes of the file system that unpacking leaves to others, or a hundredth of it where that is less: a
    /// stream that no ratio refuses may still be all that a disk has. 0 for none.
    pub reserve: u64,
    /// The window that a zstd stream may ask for, which is memory; the next lower power of two holds.
    pub window: u64,
    /// Entries of the archive, extension headers not counted; and files that they make, directories that
    /// names imply counted.
    pub entries: u64,
    /// A whole name or link target (PATH_MAX less its NUL).
    pub path: usize,
    /// One component of a name (NAME_MAX).
    pub name: usize,
    /// Bytes of names that are looked up part by part, as they lead through links or to what is not there:
    /// each part costs the length of the path so far. An archive could name a deep directory by a million
    /// links.
    pub walked: u64,
    /// Bytes of names of directories that are remembered until the parent is here, because the layer
    /// implies them or has whiteouts in them. With more it is applied in order, which needs none.
    pub remembered: usize,
    /// The body of one extension header: long name, long link, PAX records.
    pub extension: u64,
    /// Extension headers of one entry; global ones before it are counted too.
    pub extensions: usize,
    /// Extended attributes of one entry.
    pub xattrs: usize,
    /// One extended attribute's value (XATTR_SIZE_MAX).
    pub xattr_value: usize,
    /// Data extents of one sparse file; and blocks of 4 KiB that a layer's sparse files take beyond the bytes
    /// that are stored, because extents fill them in part.
    pub extents: usize,
}

varve_core::checked_when_read!(Limits);

impl Limits {
    /// Refuses values that bound nothing, or all. What the kernel bounds is not bounded higher.
    ///
    /// # Errors
    /// InvalidArgument naming the key.
    pub fn check(&self) -> Result<()> {
        within("total_bytes", self.total_bytes, 1 << 10, i64::MAX as u64)?;
        within("ratio", self.ratio, 1, 1 << 30)?;
        within("ratio_floor", self.ratio_floor, 0, i64::MAX as u64)?;
        within("reserve", self.reserve, 0, i64::MAX as u64)?;
        within("window", self.window, 1 << 10, 2 << 30)?;
        within("entries", self.entries, 1, 1 << 32)?;
        within("path", self.path, 1, 4095)?;
        within("name", self.name, 1, 255)?;
        within("walked", self.walked, 1 << 10, 1 << 40)?;
        within("remembered", self.remembered, 0, 1 << 30)?;
        within("extension", self.extension, 512, 1 << 30)?;
        within("extensions", self.extensions, 1, 1 << 20)?;
        within("xattrs", self.xattrs, 0, 1 << 16)?;
        within("xattr_value", self.xattr_value, 0, 64 << 10)?;
        within("extents", self.extents, 1, 1 << 24)
    }

    /// Log2 of the window.
    pub(super) fn window_log(&self) -> u32 {
        self.window.max(1).ilog2()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total_bytes: 1 << 40,
            ratio: 2000,
            ratio_floor: 1 << 30,
            reserve: 1 << 30,
            window: 64 << 20,
            entries: 2_000_000,
            path: 4095,
            name: 255,
            walked: 4 << 30,
            remembered: 256 << 10,
            extension: 1 << 20,
            extensions: 1000,
            xattrs: 256,
            xattr_value: 64 << 10,
            extents: 128 << 10,
        }
    }
}
