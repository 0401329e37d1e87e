//! Layers made on the spot: a tar archive, entry by entry, odd ones included.
//!
//! The archive holds exactly what the calls say, in their order; nothing is sorted, added or
//! corrected, so that a test can say things that no sane tool would.

use std::path::Path;

use tar::{EntryType, Header};

/// Owner, mode and time of the entries that follow.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Written as a PAX record where it is not 0.
    pub nanos: u32,
}

impl Default for Meta {
    fn default() -> Self {
        Self { mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000, nanos: 0 }
    }
}

/// A tar archive under construction.
pub struct Layer {
    tar: tar::Builder<Vec<u8>>,
    meta: Meta,
    xattrs: Vec<(String, Vec<u8>)>,
}

impl Default for Layer {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer {
    pub fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()), meta: Meta::default(), xattrs: Vec::new() }
    }

    /// Sets what the following entries carry, but for their mode.
    pub fn meta(mut self, meta: Meta) -> Self {
        self.meta = meta;
        self
    }

    /// Gives the next entry an extended attribute.
    pub fn xattr(mut self, name: &str, value: &[u8]) -> Self {
        self.xattrs.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn dir(self, path: &str, mode: u32) -> Self {
        self.entry(EntryType::Directory, path.as_bytes(), mode, b"", b"")
    }

    pub fn file(self, path: &str, mode: u32, body: &[u8]) -> Self {
        self.entry(EntryType::Regular, path.as_bytes(), mode, b"", body)
    }

    /// A file whose name need not be UTF-8.
    pub fn file_bytes(self, path: &[u8], body: &[u8]) -> Self {
        self.entry(EntryType::Regular, path, 0o644, b"", body)
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path.as_bytes(), 0o777, target.as_bytes(), b"")
    }

    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path.as_bytes(), 0o644, target.as_bytes(), b"")
    }

    pub fn fifo(self, path: &str) -> Self {
        self.entry(EntryType::Fifo, path.as_bytes(), 0o644, b"", b"")
    }

    /// A character device.
    pub fn device(self, path: &str, major: u32, minor: u32) -> Self {
        let mut header = self.header(EntryType::Char, 0o666, 0);
        header.set_device_major(major).expect("a ustar header has a major number");
        header.set_device_minor(minor).expect("a ustar header has a minor number");
        self.append(header, path.as_bytes(), b"", b"")
    }

    /// Hides `path` of the layers below.
    pub fn whiteout(self, path: &str) -> Self {
        let path = Path::new(path);
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name to hide");
        let whiteout = path.with_file_name(format!(".wh.{name}"));
        self.file(whiteout.to_str().expect("UTF-8 as its parts are"), 0o644, b"")
    }

    /// Hides all that the layers below have in the directory `path`.
    pub fn opaque(self, path: &str) -> Self {
        self.file(&format!("{path}/.wh..wh..opq"), 0o644, b"")
    }

    /// Any entry, its name and target as bytes.
    pub fn entry(
        self,
        kind: EntryType,
        path: &[u8],
        mode: u32,
        target: &[u8],
        body: &[u8],
    ) -> Self {
        let header = self.header(kind, mode, body.len() as u64);
        self.append(header, path, target, body)
    }

    /// The archive with its two closing blocks.
    pub fn finish(self) -> Vec<u8> {
        self.tar.into_inner().expect("writing to memory does not fail")
    }

    fn header(&self, kind: EntryType, mode: u32, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(self.meta.uid);
        header.set_gid(self.meta.gid);
        header.set_mtime(self.meta.mtime);
        header.set_size(size);
        header
    }

    fn append(mut self, mut header: Header, path: &[u8], target: &[u8], body: &[u8]) -> Self {
        let mut pax: Vec<(String, Vec<u8>)> = std::mem::take(&mut self.xattrs)
            .into_iter()
            .map(|(name, value)| (format!("SCHILY.xattr.{name}"), value))
            .collect();
        if self.meta.nanos != 0 {
            let time = format!("{}.{:09}", self.meta.mtime, self.meta.nanos);
            pax.push(("mtime".into(), time.into_bytes()));
        }
        field(&mut header.as_old_mut().name, path, "path", &mut pax);
        field(&mut header.as_old_mut().linkname, target, "linkpath", &mut pax);
        header.set_cksum();
        let records = pax.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        self.tar.append_pax_extensions(records).expect("writing to memory does not fail");
        self.tar.append(&header, body).expect("writing to memory does not fail");
        self
    }
}

/// Puts a name into its field, or into a PAX record where it does not fit.
fn field(field: &mut [u8; 100], name: &[u8], key: &str, pax: &mut Vec<(String, Vec<u8>)>) {
    if name.len() > field.len() {
        pax.push((key.to_owned(), name.to_owned()));
    }
    let len = name.len().min(field.len());
    field[..len].copy_from_slice(&name[..len]);
}
