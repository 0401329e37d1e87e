//! What the tests share: a layer under construction, a stage with a canary, trees as values.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Cursor;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tar::Header;
use tempfile::TempDir;

use crate::apply::{Applied, ApplyError, Compression, Mode, Options, OverlayXattrs, apply};

pub const OVERLAY: Mode = Mode::Overlay(OverlayXattrs::Trusted);
/// The mtime of every entry that does not say another.
pub const THEN: u64 = 1_000_000_000;

/// A tar under construction. Names are bytes and go in as they are.
#[derive(Clone, Default)]
pub struct Layer(pub Vec<u8>);

impl Layer {
    pub fn new() -> Self {
        Self::default()
    }

    /// An entry whose header `change` may spoil; the checksum is made afterwards.
    pub fn with(
        mut self,
        name: &[u8],
        flag: u8,
        body: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkflag = [flag];
        header.set_mode(if flag == b'5' { 0o755 } else { 0o644 });
        header.set_size(body.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(THEN);
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.body(body)
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, body: &str) -> Self {
        self.with(name.as_bytes(), b'0', body.as_bytes(), |_| {})
    }

    pub fn dir(self, name: &str) -> Self {
        self.with(name.as_bytes(), b'5', b"", |_| {})
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.linked(name, b'2', target)
    }

    pub fn hard(self, name: &str, target: &str) -> Self {
        self.linked(name, b'1', target)
    }

    fn linked(self, name: &str, flag: u8, target: &str) -> Self {
        let target = target.as_bytes();
        self.with(name.as_bytes(), flag, b"", |header| {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        })
    }

    /// A PAX header for the next entry.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        self.with(b"pax", b'x', &pax_body(records), |_| {})
    }

    /// The archive, ended.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

pub fn pax_body(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut len = rest + rest.to_string().len();
        if len.to_string().len() + rest != len {
            len += 1;
        }
        body.extend_from_slice(format!("{len} {key}=").as_bytes());
        body.extend_from_slice(value);
        body.push(b'\n');
    }
    body
}

/// One file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub mode: u32,
    pub owner: (u32, u32),
    /// Of directories none: it depends on the file system.
    pub size: u64,
    pub mtime: (i64, i64),
    pub nlink: u64,
    pub device: u64,
    /// Content, or a link's target.
    pub content: Vec<u8>,
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// All files below `root`, itself as `.`.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Node> {
    let mut nodes = BTreeMap::from([(PathBuf::from("."), node(root))]);
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            nodes.insert(entry.path().strip_prefix(root).unwrap().into(), node(&entry.path()));
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            }
        }
    }
    nodes
}

pub fn node(path: &Path) -> Node {
    let meta = fs::symlink_metadata(path).unwrap();
    let kind = meta.file_type();
    let content = match () {
        () if kind.is_symlink() => {
            fs::read_link(path).unwrap().into_os_string().into_encoded_bytes()
        }
        () if kind.is_file() && meta.size() < 1 << 20 => fs::read(path).unwrap(),
        () => Vec::new(),
    };
    let device = if kind.is_char_device() || kind.is_block_device() { meta.rdev() } else { 0 };
    Node {
        mode: meta.mode(),
        owner: (meta.uid(), meta.gid()),
        size: if kind.is_dir() { 0 } else { meta.size() },
        mtime: (meta.mtime(), meta.mtime_nsec()),
        nlink: if kind.is_dir() { 0 } else { meta.nlink() },
        device,
        content,
        xattrs: xattrs(path),
    }
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 4096];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..len].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 4096];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            (String::from_utf8_lossy(name).into_owned(), value[..len].to_vec())
        })
        .collect()
}

/// A root to extract into, and beside it what nothing may touch.
pub struct Stage {
    dir: TempDir,
    canary: BTreeMap<PathBuf, Node>,
}

impl Stage {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir_all(dir.path().join("root")).unwrap();
        let canary = dir.path().join("canary");
        fs::create_dir_all(canary.join("sub")).unwrap();
        fs::write(canary.join("secret"), "untouched").unwrap();
        fs::write(canary.join("sub/file"), "untouched").unwrap();
        fs::set_permissions(canary.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink("secret", canary.join("link")).unwrap();
        let canary = tree(&canary);
        Self { dir, canary }
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn canary(&self) -> PathBuf {
        self.dir.path().join("canary")
    }

    pub fn tree(&self) -> BTreeMap<PathBuf, Node> {
        tree(&self.root())
    }

    pub fn names(&self) -> Vec<String> {
        let names = self.tree().into_keys().map(|path| path.to_string_lossy().into_owned());
        names.filter(|name| name != ".").collect()
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Applies a layer, and looks after the canary whatever comes of it.
    pub fn apply(&self, mode: Mode, layer: Layer) -> Result<Applied, ApplyError> {
        self.apply_bytes(&Options::new(mode), Compression::None, layer.end())
    }

    pub fn apply_bytes(
        &self,
        options: &Options,
        compression: Compression,
        bytes: Vec<u8>,
    ) -> Result<Applied, ApplyError> {
        let root = File::open(self.root()).unwrap();
        let result = apply(Cursor::new(bytes), compression, root.into(), options);
        assert_eq!(tree(&self.canary()), self.canary, "something outside the root changed");
        result
    }

    /// The same where what is refused depends on the tree: alone, a layer then needs its parent.
    pub fn refuses_or_needs_parent(&self, mode: Mode, layer: Layer, why: &str) {
        if mode == OVERLAY {
            assert!(self.apply(mode, layer).unwrap().tree.needs_parent, "{why}");
        } else {
            self.refuses(mode, layer, why);
        }
    }

    /// That the layer is refused, with this in the reason.
    pub fn refuses(&self, mode: Mode, layer: Layer, why: &str) {
        let error = self.apply(mode, layer).expect_err(why);
        let text = varve_core::Error::from(error).chain();
        assert!(text.contains(why), "{text:?} does not say {why:?}");
    }
}

/// Says loudly that a test was not run; whether it must be skipped.
pub fn skipped_without_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        varve_core::testsuite::skipped(format_args!("{test}: needs root"));
    }
    !root
}
