//! One member of an archive, as bytes: a ustar header (POSIX.1-2008, pax, *ustar Interchange Format*),
//! and before it a PAX header where it has more to say than that can.

use tar::{EntryType, Header};

use super::xattrs::Xattr;
use super::{DiffError, TreePath};

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;
/// The largest owner in seven octal digits.
const MAX_ID: u32 = 0o7_777_777;
/// The largest size and time in eleven.
const MAX_NUMBER: u64 = 0o77_777_777_777;

/// What an archive says of a file, before its content.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// A directory's ends with a slash.
    pub name: Vec<u8>,
    pub kind: EntryType,
    /// Of a link of either sort; else empty.
    pub target: Vec<u8>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bytes of content that follow.
    pub size: u64,
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Major and minor number.
    pub device: (u32, u32),
    pub xattrs: Vec<Xattr>,
}

impl Member {
    /// An empty file of nobody's, for what stands for something else.
    pub fn marker(name: Vec<u8>) -> Self {
        Self {
            name,
            kind: EntryType::Regular,
            target: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: (0, 0),
            device: (0, 0),
            xattrs: Vec::new(),
        }
    }

    /// Its blocks. `max` bounds the PAX header.
    pub fn encode(&self, path: &TreePath, max: u64) -> Result<Vec<u8>, DiffError> {
        let body = self.records(path)?;
        if body.len() as u64 > max {
            return Err(DiffError::limit(format!("a larger extension header of {path:?}"), max));
        }
        let mut blocks = Vec::new();
        if !body.is_empty() {
            let mut pax = Self::marker(b"PaxHeader".to_vec());
            (pax.kind, pax.size) = (EntryType::XHeader, body.len() as u64);
            blocks.extend_from_slice(pax.header().as_bytes());
            blocks.extend_from_slice(&body);
            blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
        }
        blocks.extend_from_slice(self.header().as_bytes());
        Ok(blocks)
    }

    /// The ustar header; what does not fit is cut, or 0, and stands in the PAX header.
    fn header(&self) -> Header {
        let fitting = |id: u32| if id > MAX_ID { 0 } else { u64::from(id) };
        let mut header = Header::new_ustar();
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_uid(fitting(self.uid));
        header.set_gid(fitting(self.gid));
        header.set_size(if self.size > MAX_NUMBER { 0 } else { self.size });
        header.set_mtime(self.seconds().unwrap_or(0));
        if let Some(ustar) = header.as_ustar_mut() {
            ustar.set_device_major(self.device.0);
            ustar.set_device_minor(self.device.1);
        }
        put(&mut header.as_old_mut().name, &self.name);
        put(&mut header.as_old_mut().linkname, &self.target);
        header.set_cksum();
        header
    }

    /// The seconds of its time, where a header can say them.
    fn seconds(&self) -> Option<u64> {
        u64::try_from(self.mtime.0).ok().filter(|seconds| *seconds <= MAX_NUMBER)
    }

    /// The PAX records; empty where the header says all.
    fn records(&self, path: &TreePath) -> Result<Vec<u8>, DiffError> {
        let mut records = Records::default();
        let names = [("path", &self.name), ("linkpath", &self.target)];
        let names = names.map(|(key, name)| (key, name, name.len() > 100 || !name.is_ascii()));
        // Bytes that are no UTF-8 stand as they are, as in every image, though the standard has a word for that.
        for (key, name, _) in names.iter().filter(|(.., long)| *long) {
            records.add(key.as_bytes(), name);
        }
        for (key, id) in [("uid", self.uid), ("gid", self.gid)] {
            if id > MAX_ID {
                records.add(key.as_bytes(), id.to_string().as_bytes());
            }
        }
        if self.size > MAX_NUMBER {
            records.add(b"size", self.size.to_string().as_bytes());
        }
        if self.mtime.1 != 0 || self.seconds().is_none() {
            records.add(b"mtime", time(self.mtime).as_bytes());
        }
        for xattr in &self.xattrs {
            // The record's key ends at the first one, so that it would be read as another.
            if xattr.name.contains(&b'=') {
                let name = String::from_utf8_lossy(&xattr.name);
                return Err(DiffError::unsayable(path, format!("its xattr {name:?} has a `=`")));
            }
            records.add(&[b"SCHILY.xattr.", &xattr.name[..]].concat(), &xattr.value);
        }
        Ok(records.0)
    }
}

fn put(field: &mut [u8], value: &[u8]) {
    let len = value.len().min(field.len());
    field[..len].copy_from_slice(&value[..len]);
}

/// The bodies of PAX headers: `length SP key=value LF`, where the length counts all of it.
#[derive(Default)]
struct Records(Vec<u8>);

impl Records {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut len = rest + digits(rest);
        if rest + digits(len) != len {
            len += 1;
        }
        self.0.extend_from_slice(format!("{len} ").as_bytes());
        self.0.extend_from_slice(key);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// Seconds with a fraction, which counts away from zero as the seconds do.
fn time((seconds, nanos): (i64, u32)) -> String {
    match (seconds, nanos) {
        (seconds, 0) => seconds.to_string(),
        (seconds @ ..0, nanos) => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanos),
        (seconds, nanos) => format!("{seconds}.{nanos:09}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for len in [0, 1, 89, 90, 91, 92, 93, 990, 9_990, 99_990] {
            let mut records = Records::default();
            records.add(b"key", &vec![b'x'; len]);
            let said: usize =
                str::from_utf8(&records.0).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, records.0.len(), "a value of {len} bytes");
        }
    }

    #[test]
    fn times_before_the_epoch_are_written_as_they_are_read() {
        assert_eq!(time((5, 0)), "5");
        assert_eq!(time((5, 7)), "5.000000007");
        assert_eq!(time((-5, 500_000_000)), "-4.500000000");
        assert_eq!(time((-1, 500_000_000)), "-0.500000000");
    }

    #[test]
    fn what_a_plain_header_can_say_needs_no_other() {
        let mut member = Member::marker(b"a".to_vec());
        assert_eq!(member.encode(&TreePath::root(), 1 << 20).unwrap().len(), BLOCK);
        member.uid = MAX_ID + 1;
        assert_eq!(member.encode(&TreePath::root(), 1 << 20).unwrap().len(), 3 * BLOCK);
    }
}
