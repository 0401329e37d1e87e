//! One entry, as somebody sees it.

use std::collections::BTreeMap;

use crate::tar::{Listed, list};

/// Bodies of more bytes are not compared.
pub const MOST: u64 = 1 << 20;

/// An entry of an archive.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    pub name: Vec<u8>,
    /// As the archive has it, but that all plain files are `0`.
    pub flag: u8,
    pub link: Vec<u8>,
    pub size: u64,
    pub mode: i64,
    pub uid: i64,
    pub gid: i64,
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    pub device: (u32, u32),
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// With its holes filled; `None` where it is too long.
    pub body: Option<Vec<u8>>,
}

/// What Varve would lay down; why not, where it refuses the archive.
pub fn varve(archive: &[u8]) -> Result<Vec<Seen>, String> {
    let members = list(archive, 64 << 10)?;
    members.into_iter().map(seen).collect()
}

fn seen(Listed { member, stored }: Listed) -> Result<Seen, String> {
    // What `apply::check` refuses of any entry.
    if !matches!(member.flag, 0 | b'0'..=b'7' | b'S') {
        return Err(format!("type {:?}", char::from(member.flag)));
    }
    if ![member.uid, member.gid].iter().all(|id| (0..i64::from(u32::MAX)).contains(id)) {
        return Err("an owner that no disk has".into());
    }
    let body = (member.size <= MOST).then(|| {
        let Some(extents) = &member.sparse else { return stored.clone() };
        let mut body = vec![0; member.size as usize];
        let mut rest = &stored[..];
        for extent in extents {
            let (part, after) = rest.split_at(extent.len as usize);
            body[extent.offset as usize..][..part.len()].copy_from_slice(part);
            rest = after;
        }
        body
    });
    let xattrs = member.xattrs.into_iter();
    Ok(Seen {
        flag: plain(member.flag),
        link: if matches!(member.flag, b'1' | b'2') { member.link } else { Vec::new() },
        size: member.size,
        mode: member.mode & 0o7777,
        uid: member.uid,
        gid: member.gid,
        mtime: (member.mtime.secs, member.mtime.nanos),
        device: match member.flag {
            b'3' | b'4' => (member.device.major, member.device.minor),
            _ => (0, 0),
        },
        xattrs: xattrs.map(|one| (one.name.into_encoded_bytes(), one.value)).collect(),
        name: member.name,
        body,
    })
}

/// The type, all that are plain files being one.
pub fn plain(flag: u8) -> u8 {
    if matches!(flag, 0 | b'7' | b'S') { b'0' } else { flag }
}

impl Seen {
    /// The first thing that is not the same.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let fields = (self.mode, self.uid, self.gid, self.mtime, self.device);
        let others = (other.mode, other.uid, other.gid, other.mtime, other.device);
        self.rough_difference(other).or_else(|| {
            let same = fields == others && self.xattrs == other.xattrs && self.name == other.name;
            (!same).then(|| {
                format!(
                    "{:?} {fields:?} {:?} and {:?} {others:?} {:?}",
                    text(&self.name),
                    self.xattrs,
                    text(&other.name),
                    other.xattrs
                )
            })
        })
    }

    /// The first of what moves or names bytes: a directory's name has a slash at its end, or none.
    pub fn rough_difference(&self, other: &Self) -> Option<String> {
        let what = |seen: &Self| (trimmed(&seen.name).to_vec(), seen.flag, seen.size);
        if what(self) != what(other) {
            return Some(format!("{:?} and {:?}", shown(self), shown(other)));
        }
        if self.link != other.link {
            return Some(format!("links to {:?} and {:?}", text(&self.link), text(&other.link)));
        }
        let differ = self.body.is_some() && other.body.is_some() && self.body != other.body;
        differ.then(|| "the bodies differ".into())
    }
}

fn shown(seen: &Seen) -> (String, char, u64) {
    (text(&seen.name), char::from(seen.flag), seen.size)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn trimmed(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    &name[..end]
}
