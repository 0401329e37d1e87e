//! The terminal of a container: the runtime makes a pair and hands its outer end over on a socket.

use std::fs::File;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::termios::Winsize;
use varve_core::{Error, Result};

/// How long a runtime that has connected may take to send what it came for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest name of a socket, in bytes, of the 108 that the kernel takes with the zero at its end (unix(7)).
const LONGEST: usize = 107;

/// A socket that waits for a terminal.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Named by `path`, where the socket's own name is longer than the kernel takes.
    _dir: OwnedFd,
}

impl Socket {
    /// Listens in `dir`.
    pub fn listen(dir: &Path) -> Result<Self> {
        let (listener, path, dir) = bind(dir, "console.sock")?;
        Ok(Self { listener, path, _dir: dir })
    }

    /// As another process finds it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The terminal. To be asked for when the runtime is done: it has sent it then.
    pub fn accept(&self) -> Result<File> {
        let failed = |error| Error::io("taking the container's terminal", error);
        self.listener.set_nonblocking(true).map_err(failed)?;
        let (stream, _) = self.listener.accept().map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut name = [0; 4096];
        let mut parts = [IoSliceMut::new(&mut name)];
        rustix::net::recvmsg(&stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
            .map_err(|errno| failed(errno.into()))?;
        let fds = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        let fd = fds.last();
        fd.map(File::from).ok_or_else(|| Error::internal("the runtime sent no terminal"))
    }
}

/// A listener at `name` in `dir`, however long the path, and the path by which others find it while the
/// answered descriptor is open.
pub fn bind(dir: &Path, name: &str) -> Result<(UnixListener, PathBuf, OwnedFd)> {
    let failed = |error| Error::io(dir.join(name).display(), error);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, dir, flags, Mode::empty());
    let fd = fd.map_err(|errno| failed(errno.into()))?;
    let path = format!("/proc/{}/fd/{}/{name}", std::process::id(), fd.as_raw_fd());
    let path = PathBuf::from(path);
    // What a monitor that was killed has left.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).map_err(failed)?;
    let plain = dir.join(name);
    // Another process needs no leave to look into this one then.
    let short = plain.is_absolute() && plain.as_os_str().len() <= LONGEST;
    Ok((listener, if short { plain } else { path }, fd))
}

/// Gives a terminal its size. That it is gone is no error.
pub fn resize(terminal: &File, (rows, columns): (u16, u16)) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let _ = rustix::termios::tcsetwinsize(terminal, size);
}
