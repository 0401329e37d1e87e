//! Archives, entry by entry, in the order of the calls.

use tar::{EntryType, Header};

/// An archive under construction. Times count up with the entries, so that each can be told.
pub struct Archive {
    tar: tar::Builder<Vec<u8>>,
    next: u64,
    owner: (u64, u64),
}

impl Archive {
    pub fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()), next: 1_600_000_000, owner: (0, 0) }
    }

    /// Who the following entries belong to.
    pub fn owner(mut self, uid: u64, gid: u64) -> Self {
        self.owner = (uid, gid);
        self
    }

    pub fn dir(self, path: &str, mode: u32) -> Self {
        self.add(EntryType::Directory, path, mode, "", b"")
    }

    pub fn file(self, path: &str, mode: u32, body: &[u8]) -> Self {
        self.add(EntryType::Regular, path, mode, "", body)
    }

    pub fn link(self, path: &str, target: &str) -> Self {
        self.add(EntryType::Symlink, path, 0o777, target, b"")
    }

    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.add(EntryType::Link, path, 0o644, target, b"")
    }

    pub fn fifo(self, path: &str, mode: u32) -> Self {
        self.add(EntryType::Fifo, path, mode, "", b"")
    }

    pub fn device(self, path: &str, mode: u32) -> Self {
        self.add(EntryType::Char, path, mode, "", b"")
    }

    /// `dir/.wh.name`.
    pub fn whiteout(self, path: &str) -> Self {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let slash = if dir.is_empty() { "" } else { "/" };
        self.file(&format!("{dir}{slash}.wh.{name}"), 0o644, b"")
    }

    /// `dir/.wh..wh..opq`.
    pub fn opaque(self, dir: &str) -> Self {
        self.file(&format!("{dir}/.wh..wh..opq"), 0o644, b"")
    }

    /// An extended attribute for the next entry.
    pub fn xattr(mut self, name: &str, value: &[u8]) -> Self {
        let key = format!("SCHILY.xattr.{name}");
        self.tar.append_pax_extensions([(key.as_str(), value)]).unwrap();
        self
    }

    pub fn finish(self) -> Vec<u8> {
        self.tar.into_inner().unwrap()
    }

    fn add(mut self, kind: EntryType, path: &str, mode: u32, link: &str, body: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(self.next);
        header.set_size(body.len() as u64);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        if kind == EntryType::Char {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        header.set_cksum();
        self.tar.append(&header, body).unwrap();
        self.next += 1;
        self
    }
}
