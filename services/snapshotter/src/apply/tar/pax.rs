//! PAX extended headers (POSIX.1-2008, pax, *pax Extended Header*).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::super::{Limits, Mtime, Xattr};

/// What one extended header says; records that mean nothing here are dropped.
#[derive(Default, Debug)]
pub(super) struct Pax {
    pub path: Option<Vec<u8>>,
    pub linkpath: Option<Vec<u8>>,
    pub size: Option<i64>,
    pub uid: Option<i64>,
    pub gid: Option<i64>,
    pub mtime: Option<Mtime>,
    pub xattrs: Vec<Xattr>,
    /// There where any `GNU.sparse.*` record is.
    pub sparse: Option<Sparse>,
}

/// The `GNU.sparse.*` records, formats 0.0, 0.1 and 1.0.
#[derive(Default, Debug)]
pub(super) struct Sparse {
    pub major: Option<i64>,
    pub minor: Option<i64>,
    pub name: Option<Vec<u8>>,
    pub size: Option<i64>,
    /// What 1.0 calls the size.
    pub realsize: Option<i64>,
    /// Offsets and lengths in turn (0.0 and 0.1).
    pub map: Vec<i64>,
}

/// Before the name of an extended attribute.
const XATTR: &[u8] = b"SCHILY.xattr.";

impl Pax {
    /// Reads the body of a header. Says why where it is none.
    pub(super) fn parse(body: &[u8], limits: &Limits) -> Result<Self, String> {
        let mut pax = Self::default();
        let mut rest = body;
        while !rest.is_empty() {
            let (key, value, after) = record(rest).ok_or("a PAX record is malformed")?;
            match value {
                [] if !key.starts_with(XATTR) => pax.take_back(key),
                _ => pax
                    .set(key, value, limits)
                    .map_err(|why| format!("PAX record {}: {why}", String::from_utf8_lossy(key)))?,
            }
            rest = after;
        }
        Ok(pax)
    }

    /// An empty value leaves what the header itself says, whatever a record before it said (POSIX): who reads it
    /// otherwise finds other entries. An attribute may be empty: to Go it is one.
    fn take_back(&mut self, key: &[u8]) {
        match key {
            b"path" => self.path = None,
            b"linkpath" => self.linkpath = None,
            b"size" => self.size = None,
            b"uid" => self.uid = None,
            b"gid" => self.gid = None,
            b"mtime" => self.mtime = None,
            _ => {
                if let (Some(key), Some(sparse)) =
                    (key.strip_prefix(b"GNU.sparse."), &mut self.sparse)
                {
                    sparse.take_back(key);
                }
            }
        }
    }

    /// Whether it says how many bytes follow.
    pub(super) fn moves_bytes(&self) -> bool {
        self.size.is_some() || self.sparse.is_some()
    }

    fn set(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), String> {
        match key {
            b"path" => self.path = Some(name(value)?),
            b"linkpath" => self.linkpath = Some(name(value)?),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            // No file is given them, but who reads an archive with Go refuses one where they are no times.
            b"atime" | b"ctime" => drop(time(value)?),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattr(name, value, limits)?;
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.get_or_insert_default().set(key, value, limits)?;
                }
            }
        }
        Ok(())
    }

    /// One extended attribute; the last of a name wins.
    fn xattr(&mut self, name: &[u8], value: &[u8], limits: &Limits) -> Result<(), String> {
        if name.is_empty() || name.len() > 255 {
            return Err("the attribute's name has no, or more than 255, bytes".into());
        }
        if value.len() > limits.xattr_value {
            return Err(format!("the attribute has more than {} bytes", limits.xattr_value));
        }
        self.xattrs.retain(|known| known.name.as_encoded_bytes() != name);
        if self.xattrs.len() == limits.xattrs {
            return Err(format!("there are more than {} attributes", limits.xattrs));
        }
        let name = OsString::from_vec(name.to_vec());
        self.xattrs.push(Xattr { name, value: value.to_vec() });
        Ok(())
    }
}

impl Sparse {
    fn take_back(&mut self, key: &[u8]) {
        match key {
            b"major" => self.major = None,
            b"minor" => self.minor = None,
            b"name" => self.name = None,
            b"size" => self.size = None,
            b"realsize" => self.realsize = None,
            b"map" => self.map.clear(),
            _ => {}
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), String> {
        match key {
            b"major" => self.major = Some(decimal(value)?),
            b"minor" => self.minor = Some(decimal(value)?),
            b"name" => self.name = Some(name(value)?),
            b"size" => self.size = Some(decimal(value)?),
            b"realsize" => self.realsize = Some(decimal(value)?),
            b"map" => {
                self.map.clear();
                for part in value.split(|&byte| byte == b',') {
                    self.add(part, limits)?;
                }
            }
            b"offset" if self.map.len().is_multiple_of(2) => self.add(value, limits)?,
            b"numbytes" if !self.map.len().is_multiple_of(2) => self.add(value, limits)?,
            b"offset" | b"numbytes" => return Err("offsets and lengths do not alternate".into()),
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, value: &[u8], limits: &Limits) -> Result<(), String> {
        if self.map.len() >= 2 * limits.extents {
            return Err(format!("there are more than {} extents", limits.extents));
        }
        self.map.push(decimal(value)?);
        Ok(())
    }
}

/// `length SP key=value LF`, where the length counts all of it; and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let len = usize::try_from(decimal(&bytes[..space]).ok()?).ok()?;
    if len <= space + 1 || len > bytes.len() || bytes[len - 1] != b'\n' {
        return None;
    }
    let record = &bytes[space + 1..len - 1];
    let equals = record.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    let fine = !key.is_empty() && !key.contains(&0);
    fine.then_some((key, value, &bytes[len..]))
}

fn name(value: &[u8]) -> Result<Vec<u8>, String> {
    if value.contains(&0) { Err("it has a NUL".into()) } else { Ok(value.to_vec()) }
}

/// Digits, with a sign or not.
pub(super) fn decimal(value: &[u8]) -> Result<i64, String> {
    let text = str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| "it is no number".into())
}

/// Seconds with a fraction or not, cut to nanoseconds toward zero as Go does.
fn time(value: &[u8]) -> Result<Mtime, String> {
    let mut halves = value.splitn(2, |&byte| byte == b'.');
    let whole = halves.next().unwrap_or(&[]);
    let fraction = halves.next().unwrap_or(&[]);
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err("it is no time".into());
    }
    let secs = decimal(whole)?;
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanos = digits.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    if whole.starts_with(b"-") && nanos > 0 {
        let secs = secs.checked_sub(1).ok_or("it is too long ago")?;
        return Ok(Mtime { secs, nanos: 1_000_000_000 - nanos });
    }
    Ok(Mtime { secs, nanos })
}
