//! Asking a person: on the terminal, a secret without showing it.

use std::io::{self, BufRead, IsTerminal, Read};
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::oneshot;
use varve_core::remotes::Secret;
use varve_core::{Error, Result};

use crate::output;

/// Bytes of an answer, or of all that stdin has.
const CAP: u64 = 64 << 10;

/// Whether there is somebody to ask.
pub fn is_interactive() -> bool {
    io::stdin().is_terminal()
}

/// The line that is typed after `question`.
pub async fn line(question: &str) -> Result<String> {
    output::ask(question);
    let mut line = read(|text| io::stdin().lock().take(CAP).read_line(text)).await?;
    line.truncate(line.trim_end_matches(['\n', '\r']).len());
    Ok(line)
}

/// The same, and what is typed is not shown.
pub async fn secret(question: &str) -> Result<Secret> {
    let quiet = Quiet::begin()?;
    let line = line(question).await;
    drop(quiet);
    // The Enter was not shown either.
    output::tell("");
    line.map(Secret::new)
}

/// All of stdin, without the end of its last line.
pub async fn secret_of_stdin() -> Result<Secret> {
    let text = read(|text| io::stdin().lock().take(CAP).read_to_string(text)).await?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(text.strip_suffix('\r').unwrap_or(text)))
}

/// Reads on a thread that nobody waits for: one that waits for a person does not hold up the end of a
/// command that is interrupted.
async fn read(
    work: impl FnOnce(&mut String) -> io::Result<usize> + Send + 'static,
) -> Result<String> {
    let (answer, answered) = oneshot::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = work(&mut text);
        let _ = answer.send(read.map(|_| text));
    });
    let text = answered.await.map_err(|error| Error::internal("asking").with_source(error))?;
    text.map_err(|error| Error::io("reading the answer", error))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> Result<Self> {
        let failed = |error: rustix::io::Errno| Error::io("the terminal", error.into());
        let before = tcgetattr(io::stdin()).map_err(failed)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // That the terminal is gone is no news to anybody.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
