//! What is printed on stdout, as text or as JSON. The one place that writes there.
//!
//! A reader that goes away (`varve images ls | head -1`) ends the command, without a panic and
//! without a word. Text that others wrote (labels, names) is printed without control characters.

pub mod age;
pub mod format;
pub mod size;
pub mod table;

use std::io::{self, Write};

use serde::Serialize;
use varve_core::Error;

use crate::args::Format;
use crate::failure::{Failure, Result};
use table::Table;

/// Prints in the form that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub format: Format,
}

impl Output {
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// The table, or its data as JSON.
    pub fn table(self, table: &Table, data: &impl Serialize) -> Result<()> {
        if self.is_json() { json(data) } else { write(table.to_string().as_bytes()) }
    }

    /// The lines, or the data as JSON.
    pub fn lines(self, lines: &[String], data: &impl Serialize) -> Result<()> {
        if self.is_json() {
            return json(data);
        }
        let text: String = lines.iter().map(|line| clean(line) + "\n").collect();
        write(text.as_bytes())
    }
}

fn json(data: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(data)
        .map_err(|error| Error::internal("output as JSON").with_source(error))?;
    text.push(b'\n');
    write(&text)
}

/// Writes bytes to stdout as they are.
pub fn write(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Pipe,
        _ => Error::io("stdout does not take what is printed; it ends early", error).into(),
    })
}

/// Tells a line of what goes on. That nobody reads it any more is no reason to stop the work.
pub fn tell(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Asks on the line that the answer is typed on.
pub fn ask(question: &str) {
    let mut stdout = io::stdout().lock();
    let _ = write!(stdout, "{question}").and_then(|()| stdout.flush());
}

/// The text without what could move a terminal's cursor or change its colours.
pub fn clean(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            clean.extend(char.escape_default());
        } else {
            clean.push(char);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_never_reaches_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\n\u{9b}ü"), "a\\u{1b}[2Jb\\n\\u{9b}ü");
    }
}
