//! Where a registry's hosts are configured: containerd's certs.d, a directory for each registry with
//! a hosts.toml in it, or, as Docker has it, only certificates.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use varve_core::{Error, Result};

use super::tls::{Paths, Tls};
use super::{Entry, file};

/// Bytes of a hosts.toml.
const CAP: u64 = 1 << 20;

/// Files and directories, and what they were like: modified when, how large, which inode.
#[derive(Clone)]
pub(super) struct Stamps(Vec<(PathBuf, Stamp)>);

type Stamp = Option<(SystemTime, u64, u64)>;

impl Stamps {
    fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (path.clone(), stamp(&path))).collect())
    }

    /// Whether nothing has changed since.
    pub(super) fn hold(&self) -> bool {
        self.0.iter().all(|(path, then)| stamp(path) == *then)
    }
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let facts = fs::metadata(path).ok()?;
    Some((facts.modified().ok()?, facts.len(), facts.ino()))
}

/// The directory for `host`: the first of `roots` that has one of its names, and only then the first
/// that has `_default`.
pub(super) fn find(roots: &[PathBuf], host: &str) -> Option<PathBuf> {
    // No registry's name begins so, and `..` would lead elsewhere.
    if host.starts_with('.') || host.contains('/') {
        return None;
    }
    let named = roots.iter().flat_map(|root| names(host).map(|name| root.join(name)));
    let default = roots.iter().map(|root| root.join("_default"));
    named.chain(default).find(|path| path.is_dir())
}

/// containerd's spellings: `host_5000_`, then `host:5000`.
fn names(host: &str) -> impl Iterator<Item = String> {
    let port = host.rsplit_once(':').filter(|(name, port)| {
        !name.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let spelt = port.map(|(name, port)| format!("{name}_{port}_"));
    spelt.into_iter().chain([host.to_owned()])
}

/// The hosts that `directory` tells of, and the stamps of all that they depend on.
pub(super) fn read(directory: &Path) -> Result<(Vec<Entry>, Stamps)> {
    let file = directory.join("hosts.toml");
    // Before they are read: what changes meanwhile is read again then.
    let mut stamps = Stamps::of([directory.to_owned(), file.clone()]);
    let text = match super::read(&file, "registry hosts", CAP) {
        Ok(bytes) => String::from_utf8(bytes)
            .map_err(|_| Error::invalid(format!("{}: is no text", file.display())))?,
        Err(error) if error.kind() == varve_core::Kind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let entries = match text.is_empty() {
        true => vec![certificates(directory)?],
        false => file::parse(&file, &text)?,
    };
    let certificates = entries.iter().flat_map(|entry| entry.files.iter().cloned());
    stamps.0.extend(Stamps::of(certificates).0);
    Ok((entries, stamps))
}

/// Docker's layout: `*.crt` are authorities, `*.cert` with the `*.key` of the same name is shown.
fn certificates(directory: &Path) -> Result<Entry> {
    let io = |error| Error::io(format!("registry hosts {}", directory.display()), error);
    let mut names = Vec::new();
    for found in fs::read_dir(directory).map_err(io)? {
        names.push(found.map_err(io)?.path());
    }
    names.sort();
    let mut paths = Paths::default();
    for path in names {
        match path.extension().and_then(OsStr::to_str) {
            Some("crt") => paths.authorities.push(path),
            Some("cert") => {
                let key = Some(path.with_extension("key")).filter(|key| exists(key));
                paths.clients.push((path, key));
            }
            _ => {}
        }
    }
    let files = paths.files();
    Ok(Entry { tls: Tls::read(&paths)?, files, ..Entry::default() })
}

fn exists(path: &Path) -> bool {
    !matches!(fs::metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_names_the_host_goes_before_any_default() {
        let temp = tempfile::tempdir().unwrap();
        let roots = [temp.path().join("a"), temp.path().join("b")];
        let make = |path: &str| fs::create_dir_all(temp.path().join(path)).unwrap();
        let found = |host: &str| {
            let found = find(&roots, host)?;
            Some(found.strip_prefix(temp.path()).unwrap().to_str().unwrap().to_owned())
        };
        assert_eq!(found("h:5000"), None);
        make("a/_default");
        assert_eq!(found("h:5000").unwrap(), "a/_default");
        make("b/h:5000");
        assert_eq!(found("h:5000").unwrap(), "b/h:5000");
        make("b/h_5000_");
        assert_eq!(found("h:5000").unwrap(), "b/h_5000_");
        make("a/h:5000");
        assert_eq!(found("h:5000").unwrap(), "a/h:5000");
        assert_eq!(found("h").unwrap(), "a/_default");
        assert_eq!((found(".."), found("a/b")), (None, None));
    }

    #[test]
    fn an_ipv6_host_has_a_directory_too() {
        let names = |host| names(host).collect::<Vec<_>>();
        assert_eq!(names("[::1]:5000"), ["[::1]_5000_", "[::1]:5000"]);
        assert_eq!(names("[::1]"), ["[::1]"]);
    }
}
