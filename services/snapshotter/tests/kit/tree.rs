//! A tree as a sorted list, a line an entry, with all that a layer can say of it.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use varve_core::Digest;

/// Type, mode, owner, size, mtime, device, link target, hard-link group, xattrs, content.
pub fn list(root: &Path) -> Vec<String> {
    list_with(root, time)
}

/// The same with every time, however new.
pub fn list_exactly(root: &Path) -> Vec<String> {
    list_with(root, |meta| format!("{}.{:09}", meta.mtime(), meta.mtime_nsec()))
}

fn list_with(root: &Path, time: fn(&std::fs::Metadata) -> String) -> Vec<String> {
    let mut lines = Vec::new();
    let mut groups = HashMap::new();
    walk(root, Path::new("."), time, &mut groups, &mut lines);
    // Names that can be seen, not links that an inode counts.
    for group in groups.values().filter(|group| group.len() > 1) {
        let first = lines[group[0]].split(' ').next().unwrap().to_owned();
        group.iter().for_each(|line| lines[*line] += &format!(" = {first}"));
    }
    lines
}

fn walk(
    root: &Path,
    path: &Path,
    time: fn(&std::fs::Metadata) -> String,
    groups: &mut HashMap<(u64, u64), Vec<usize>>,
    lines: &mut Vec<String>,
) {
    let at = root.join(path);
    let meta = std::fs::symlink_metadata(&at).unwrap();
    let kind = meta.file_type();
    let mut line = format!(
        "{} {:o} {}:{} {}",
        path.display(),
        meta.mode(),
        meta.uid(),
        meta.gid(),
        time(&meta)
    );
    if kind.is_file() {
        line += &format!(" {} {}", meta.len(), Digest::of(&std::fs::read(&at).unwrap()).short());
    } else if kind.is_symlink() {
        line += &format!(" -> {}", std::fs::read_link(&at).unwrap().display());
    } else if !kind.is_dir() {
        line += &format!(" dev {:x}", meta.rdev());
    }
    if !kind.is_dir() && meta.nlink() > 1 {
        groups.entry((meta.dev(), meta.ino())).or_default().push(lines.len());
    }
    for (name, value) in xattrs(&at) {
        line += &format!(" {name}={}", String::from_utf8_lossy(&value));
    }
    lines.push(line);
    if kind.is_dir() {
        let mut names: Vec<_> =
            std::fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            walk(root, &path.join(name), time, groups, lines);
        }
    }
}

/// The time, where a layer gave it; those of our archives are long ago.
fn time(meta: &std::fs::Metadata) -> String {
    match meta.mtime() {
        now if now > 1_700_000_000 => "now".into(),
        then => format!("{then}.{:09}", meta.mtime_nsec()),
    }
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut buffer = vec![0; 64 << 10];
    let Ok(len) = rustix::fs::llistxattr(path, &mut buffer[..]) else { return Vec::new() };
    let names: Vec<_> = buffer[..len].split(|&byte| byte == 0).filter(|n| !n.is_empty()).collect();
    let read = |name: &[u8]| {
        let name = String::from_utf8(name.to_vec()).unwrap();
        let mut value = vec![0; 64 << 10];
        let len = rustix::fs::lgetxattr(path, &name, &mut value[..]).unwrap();
        value.truncate(len);
        (name, value)
    };
    let mut all: Vec<_> = names.into_iter().map(read).collect();
    // Those are how a driver keeps a layer, not what a layer says.
    all.retain(|(name, _)| !name.starts_with("trusted.overlay."));
    all.sort();
    all
}
