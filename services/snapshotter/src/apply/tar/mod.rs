//! A strict reader of tar archives: ustar, GNU, PAX, star and the oldest form, sparse files too.
//!
//! Fields are found by the `tar` crate's `Header`; iteration, extension headers, numbers and sparse
//! maps are read here, each with a limit (the crate's own iterator reads extension bodies without
//! one, and knows no PAX sparse files). Where Go's archive/tar and GNU tar agree, so do we. Where
//! two readers could see two different archives (two names for one entry, two PAX headers, a global
//! size) the archive is refused. Otherwise Go decides, for its reading is what images were made by:
//! links, devices, directories and fifos have no body whatever their size says, and global headers
//! change nothing.

mod field;
mod input;
mod pax;
mod sparse;

use std::io::BufRead;

pub use input::Body;
use input::Input;
use pax::Pax;
use tar::Header;

use super::{ApplyError, Cancel, Device, Extent, Limits, Mtime, Xattr};

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;

/// One entry as the archive has it, extension headers applied and nothing judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub flag: u8,
    pub mode: i64,
    pub uid: i64,
    pub gid: i64,
    pub mtime: Mtime,
    pub device: Device,
    /// Logical size.
    pub size: u64,
    pub sparse: Option<Vec<Extent>>,
    pub xattrs: Vec<Xattr>,
    /// Where the body begins in the stream.
    pub offset: u64,
}

/// The archive: members in order, the body of the last one.
pub struct Archive<'a, R> {
    input: Input<'a, R>,
    limits: &'a Limits,
}

/// What extension headers said about the member that comes next.
#[derive(Default)]
struct Pending {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.long_name.is_none() && self.long_link.is_none() && self.pax.is_none()
    }
}

impl<'a, R: BufRead> Archive<'a, R> {
    pub fn new(reader: R, limits: &'a Limits, cancel: &'a Cancel) -> Self {
        Self { input: Input::new(reader, cancel), limits }
    }

    /// The next member; what is left of the last one's body is skipped.
    #[expect(clippy::should_implement_trait, reason = "it may fail, and lends what it reads from")]
    pub fn next(&mut self) -> Result<Option<Member>, ApplyError> {
        let mut pending = Pending::default();
        for extensions in 0.. {
            let Some(header) = self.header()? else {
                if pending.is_empty() {
                    return Ok(None);
                }
                return Err(self.bad("it ends after an extension header"));
            };
            if !self.extension(&header, &mut pending)? {
                return self.member(&header, pending).map(Some);
            }
            if extensions >= self.limits.extensions {
                let what = "more extension headers before one entry";
                let most = self.limits.extensions as u64;
                return Err(ApplyError::limit("extensions", what, most));
            }
        }
        unreachable!("the loop ends with an entry, the archive or an error")
    }

    /// The stored bytes of the member that `next` gave last.
    pub fn body(&mut self) -> Body<'_, 'a, R> {
        self.input.body()
    }

    /// Reads to the end of the stream. What follows the archive's end belongs to no member.
    pub fn drain(&mut self) -> Result<(), ApplyError> {
        self.input.drain()
    }

    fn bad(&self, why: impl Into<String>) -> ApplyError {
        self.input.bad(why)
    }

    /// The next header whose checksum holds, or `None` at the end: two blocks of zeros, one at the
    /// stream's end, or the stream's end alone.
    fn header(&mut self) -> Result<Option<Header>, ApplyError> {
        self.input.skip_body()?;
        let mut header = Header::new_old();
        if !self.input.block_or_end(header.as_mut_bytes())? {
            return Ok(None);
        }
        if header.as_bytes() == &[0; BLOCK] {
            let second = self.input.block_or_end(header.as_mut_bytes())?;
            if second && header.as_bytes() != &[0; BLOCK] {
                return Err(self.bad("a block of zeros stands between entries"));
            }
            return Ok(None);
        }
        if !field::checksum_holds(&header) {
            return Err(self.bad("a header's checksum is wrong"));
        }
        Ok(Some(header))
    }

    /// Whether the header only says something about the next one; if so, what it says is kept.
    fn extension(&mut self, header: &Header, pending: &mut Pending) -> Result<bool, ApplyError> {
        let flag = header.as_old().linkflag[0];
        if matches!(flag, b'L' | b'K' | b'x' | b'g') {
            // Its own numbers mean nothing, but Go refuses those that are none.
            self.plain(header)?;
        }
        match flag {
            b'L' => pending.long_name = self.long(header)?,
            b'K' => pending.long_link = self.long(header)?,
            b'x' if pending.pax.is_some() => {
                return Err(self.bad("two PAX headers describe one entry"));
            }
            b'x' => pending.pax = Some(self.pax(header)?),
            // Go forgets what it was told before one, the size too, and GNU tar does not.
            b'g' if !pending.is_empty() => {
                return Err(self.bad("a global PAX header stands between an entry and its own"));
            }
            b'g' => {
                if self.pax(header)?.moves_bytes() {
                    return Err(self.bad("a global PAX header has a size"));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The body of an extension header. Its size is the header's own, never a pending PAX one.
    fn extension_body(&mut self, header: &Header) -> Result<Vec<u8>, ApplyError> {
        let size = self.number(&header.as_old().size, "size")?;
        if !(0..=self.limits.extension as i64).contains(&size) {
            let most = self.limits.extension;
            return Err(ApplyError::limit("extension", "a larger extension header", most));
        }
        self.input.begin_body(size as u64);
        self.input.read_body(size as usize)
    }

    fn long(&mut self, header: &Header) -> Result<Option<Vec<u8>>, ApplyError> {
        let body = self.extension_body(header)?;
        let text = field::text(&body);
        Ok(Some(text.to_vec()).filter(|text| !text.is_empty()))
    }

    fn pax(&mut self, header: &Header) -> Result<Pax, ApplyError> {
        let body = self.extension_body(header)?;
        Pax::parse(&body, self.limits).map_err(|why| self.bad(why))
    }

    fn number(&self, bytes: &[u8], what: &str) -> Result<i64, ApplyError> {
        field::number(bytes).ok_or_else(|| self.bad(format!("a header's {what} is no number")))
    }

    fn member(&mut self, header: &Header, pending: Pending) -> Result<Member, ApplyError> {
        let mut member = self.plain(header)?;
        let stored = self.number(&header.as_old().size, "size")?;
        let pax = pending.pax.unwrap_or_default();
        let stored = pax.size.unwrap_or(stored);
        let long = (pending.long_name, pending.long_link);
        member.name = self.one(long.0, &pax.path, member.name, "names")?;
        member.link = self.one(long.1, &pax.linkpath, member.link, "link targets")?;
        if member.flag == 0 && member.name.ends_with(b"/") {
            member.flag = b'5';
        }
        member.uid = pax.uid.unwrap_or(member.uid);
        member.gid = pax.gid.unwrap_or(member.gid);
        member.mtime = pax.mtime.unwrap_or(member.mtime);
        let stored = if field::has_no_body(member.flag) { 0 } else { stored };
        let stored = u64::try_from(stored).map_err(|_| self.bad("a size is negative"))?;
        self.input.begin_body(stored);
        member.size = stored;
        if pax.sparse.is_some() || member.flag == b'S' {
            sparse::apply(&mut self.input, header, &pax, &mut member, self.limits)?;
        }
        member.offset = self.input.offset();
        member.xattrs = pax.xattrs;
        Ok(member)
    }

    /// The header's own fields.
    fn plain(&self, header: &Header) -> Result<Member, ApplyError> {
        let old = header.as_old();
        let (major, minor) = field::device(header).ok_or_else(|| self.bad("a device number"))?;
        Ok(Member {
            name: field::name(header),
            link: field::text(&old.linkname).to_vec(),
            flag: old.linkflag[0],
            mode: self.number(&old.mode, "mode")?,
            uid: self.number(&old.uid, "uid")?,
            gid: self.number(&old.gid, "gid")?,
            mtime: Mtime { secs: self.number(&old.mtime, "mtime")?, nanos: 0 },
            device: Device { major, minor },
            size: 0,
            sparse: None,
            xattrs: Vec::new(),
            offset: 0,
        })
    }

    /// The one name that an entry has. Go prefers GNU's and GNU tar the PAX one, so both must agree.
    fn one(
        &self,
        long: Option<Vec<u8>>,
        pax: &Option<Vec<u8>>,
        plain: Vec<u8>,
        what: &str,
    ) -> Result<Vec<u8>, ApplyError> {
        match (long, pax) {
            (Some(long), Some(pax)) if &long != pax => {
                Err(self.bad(format!("one entry has two {what}")))
            }
            (Some(long), _) => Ok(long),
            (None, Some(pax)) => Ok(pax.clone()),
            (None, None) => Ok(plain),
        }
    }
}
