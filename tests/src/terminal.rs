//! A terminal for a command under test, with somebody who types.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// How long a person waits for something to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends: ours, and the command's.
pub struct Terminal {
    outer: File,
    inner: OwnedFd,
    shown: String,
    pieces: Receiver<String>,
}

impl Terminal {
    /// Of so many rows and columns.
    pub fn new(rows: u16, columns: u16) -> Result<Self> {
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&outer)?;
        unlockpt(&outer)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let inner = ioctl_tiocgptpeer(&outer, flags)?;
        let outer = File::from(outer);
        let (to, pieces) = channel();
        let mut from = outer.try_clone()?;
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut chunk) {
                if to.send(String::from_utf8_lossy(&chunk[..length]).into_owned()).is_err() {
                    return;
                }
            }
        });
        let terminal = Self { outer, inner, shown: String::new(), pieces };
        terminal.resize(rows, columns)?;
        Ok(terminal)
    }

    /// Starts a command on it.
    pub fn run(&self, command: &mut Command) -> Result<Child> {
        let end = || Ok::<_, std::io::Error>(Stdio::from(self.inner.try_clone()?));
        command.stdin(end()?).stdout(end()?).stderr(end()?);
        command.spawn().context("cannot run the command")
    }

    /// What a command reads from where somebody sits.
    pub fn input(&self) -> Result<Stdio> {
        Ok(Stdio::from(self.inner.try_clone()?))
    }

    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.inner, size)?)
    }

    pub fn types(&mut self, text: &str) -> Result<()> {
        Ok(self.outer.write_all(text.as_bytes())?)
    }

    /// Waits until `text` has appeared after all that was waited for before.
    pub fn shows(&mut self, text: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return Ok(());
            }
            match self.pieces.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(piece) => self.shown += &piece,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    bail!("{text:?} did not appear; there is {:?}", self.shown)
                }
            }
        }
    }

    /// Whether lines are edited and keys shown, as a shell finds it.
    pub fn is_cooked(&self) -> Result<bool> {
        let modes = tcgetattr(&self.inner)?.local_modes;
        Ok(modes.contains(LocalModes::ICANON | LocalModes::ECHO))
    }
}
