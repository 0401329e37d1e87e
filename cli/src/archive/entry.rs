//! The entries of an archive, judged: a clean name, and what it is.

use std::io::BufRead;

use varve_core::{Digest, Error, Result};
use varve_snapshotter::apply::{ApplyError, Archive, Member};

/// Longest name, in bytes (PATH_MAX).
const LONGEST: usize = 4096;
/// What `docker save` writes beside images for Dockers before 1.10; nothing here is read from it.
const UNREAD: [&str; 3] = ["VERSION", "json", "repositories"];

/// A file or a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Relative, without `.` and `..`.
    pub name: String,
    pub what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    File {
        /// Bytes.
        size: u64,
        /// Where its bytes begin in the tar stream.
        offset: u64,
    },
    /// Another name of the same archive.
    Link(String),
}

/// The name of a blob in an image layout (image-spec, image-layout.md).
pub fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The clean form of a name that a document of the archive gives; nothing where it leads out.
pub fn inside(name: &str) -> Option<String> {
    walk("", name).filter(|name| name.len() <= LONGEST)
}

/// The digest that a name of that form promises.
pub fn promised(name: &str) -> Option<Digest> {
    format!("sha256:{}", name.strip_prefix("blobs/sha256/")?).parse().ok()
}

/// The next file or link that may be of use; directories and what nobody reads are left out.
pub fn next<R: BufRead>(
    archive: &mut Archive<'_, R>,
    seen: &mut usize,
    most: usize,
) -> Result<Option<Entry>> {
    while let Some(member) = archive.next().map_err(malformed)? {
        *seen += 1;
        if *seen > most {
            return Err(Error::exhausted(format!("has more than {most} entries")));
        }
        if let Some(entry) = judge(&member)? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// What an archive's reader found, without the word layer.
pub fn malformed(error: ApplyError) -> Error {
    match error {
        ApplyError::Malformed { offset, why } => {
            Error::invalid(format!("is no tar archive that can be read: byte {offset}: {why}"))
        }
        ApplyError::Limit { what, limit, .. } => {
            Error::exhausted(format!("has {what}, more than the limit of {limit}"))
        }
        // A limit of inflating comes as what a reader met.
        ApplyError::Source(source) => match source.downcast::<ApplyError>() {
            Ok(limit) => malformed(limit),
            Err(source) => match source.downcast::<Error>() {
                Ok(error) => error,
                Err(source) => Error::io("reading it", source),
            },
        },
        other => other.into(),
    }
}

fn judge(member: &Member) -> Result<Option<Entry>> {
    let name = clean(&member.name)?;
    let refuse = |what: &str| Err(Error::invalid(format!("entry {name:?} is {what}")));
    if member.sparse.is_some() {
        return refuse("a sparse file, which no archive of images has");
    }
    let what = match member.flag {
        0 | b'0' | b'7' => What::File { size: member.size, offset: member.offset },
        b'1' => What::Link(target(&name, "", &member.link)?),
        b'2' => What::Link(target(&name, parent(&name), &member.link)?),
        b'5' => return Ok(None),
        _ => return refuse("neither a file, a link nor a directory"),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || UNREAD.contains(&last) {
        return Ok(None);
    }
    Ok(Some(Entry { name, what }))
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Refuses what could lead out.
fn clean(name: &[u8]) -> Result<String> {
    let shown = String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned();
    let bad = |why: &str| Error::invalid(format!("entry {shown:?}: {why}"));
    if name.len() > LONGEST {
        return Err(bad("its name is too long"));
    }
    let name = std::str::from_utf8(name).map_err(|_| bad("its name is not UTF-8"))?;
    walk("", name).ok_or_else(|| bad("its name leads out of the archive"))
}

/// The name that a link means.
fn target(name: &str, from: &str, link: &[u8]) -> Result<String> {
    let link = std::str::from_utf8(link).ok().filter(|link| link.len() <= LONGEST);
    let target = link.and_then(|link| walk(from, link)).filter(|target| !target.is_empty());
    target.ok_or_else(|| {
        Error::invalid(format!("entry {name:?} is a link that leads out of the archive"))
    })
}

/// `path` from the directory `from`, in words alone; nothing where it leads out.
fn walk(from: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let named = from.is_empty();
    let mut parts: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            // A name has no business to go up, not even within.
            ".." if named => return None,
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_and_lead_nowhere_else() {
        assert_eq!(clean(b"./a//b/").unwrap(), "a/b");
        assert_eq!(clean(b"./").unwrap(), "");
        for bad in [&b"/etc/passwd"[..], b"../x", b"a/../../x", b"a/../b", b"a\0b", b"\xff"] {
            assert!(clean(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_link_means_a_name_of_the_same_archive() {
        let of = |link: &str| target("id/layer.tar", "id", link.as_bytes()).ok();
        assert_eq!(of("../other/layer.tar").as_deref(), Some("other/layer.tar"));
        assert_eq!(of("a.tar").as_deref(), Some("id/a.tar"));
        for bad in ["/etc/passwd", "../../x", "..", ""] {
            assert_eq!(of(bad).filter(|name| name != "id"), None, "{bad}");
        }
    }

    #[test]
    fn only_a_blobs_whole_name_promises_a_digest() {
        let digest = Digest::of(b"x");
        assert_eq!(promised(&blob_name(&digest)), Some(digest));
        for name in ["blobs/sha256/ab", "blobs/sha256/../../x", "layer.tar"] {
            assert_eq!(promised(name), None);
        }
    }
}
