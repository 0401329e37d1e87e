//! The terminal that a person sits at.

use std::io::{self, IsTerminal};

use rustix::termios::{OptionalActions, Termios};
use varve_core::{Error, Result};

/// A terminal in raw mode: every key goes to the program. Dropped, it is as before.
pub struct Raw(Termios);

impl Raw {
    /// Of standard input.
    pub fn enter() -> Result<Self> {
        let failed = |errno: rustix::io::Errno| Error::io("setting the terminal", errno.into());
        let before = rustix::termios::tcgetattr(io::stdin()).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(io::stdin(), OptionalActions::Drain, &raw).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// Rows and columns of the terminal that output goes to.
pub fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Refuses to bring a terminal's program to an input that is none, in Docker's words.
pub fn need() -> Result<()> {
    match io::stdin().is_terminal() {
        true => Ok(()),
        false => Err(Error::invalid("the input device is not a TTY; leave out -t, or -i")),
    }
}

/// Refuses a terminal where there is none at all: then there is nothing for a program's own to be shown on.
pub fn need_any() -> Result<()> {
    let any = io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal();
    match any {
        true => Ok(()),
        false => Err(Error::invalid("there is no terminal here; leave out -t")),
    }
}
