//! What of two that are compared is alike, and what is not.

use anyhow::{Result, bail};

use super::{Expected, Said};

/// Commands that were compared so far.
pub struct Tally {
    expected: Expected,
    alike: usize,
    listed: usize,
    unlisted: Vec<String>,
    /// Show those that are listed, too.
    all: bool,
}

impl Tally {
    /// Differences that are in the table of `page` are meant.
    pub fn new(page: &str, all: bool) -> Self {
        let expected = Expected::read(page);
        Self { expected, alike: 0, listed: 0, unlisted: Vec::new(), all }
    }

    /// Takes what each said to `command`, and shows it where it differs and may not.
    #[allow(clippy::print_stdout)]
    pub fn compare(&mut self, command: &str, theirs: (&str, &Said), ours: &Said) {
        if theirs.1 == ours {
            self.alike += 1;
            return;
        }
        let known = self.expected.takes(command);
        match known {
            true => self.listed += 1,
            false => self.unlisted.push(command.to_owned()),
        }
        if self.all || !known {
            println!("{command}\n{}", told_apart(theirs, ours));
        }
    }

    /// An error unless all that differs is listed, and all that is listed differs.
    #[allow(clippy::print_stdout)]
    pub fn end(self) -> Result<()> {
        let (alike, listed, unlisted) = (self.alike, self.listed, self.unlisted);
        println!(
            "{alike} alike, {listed} different as listed, {} different and not listed",
            unlisted.len()
        );
        let left = self.expected.left();
        if !unlisted.is_empty() || !left.is_empty() {
            bail!("not listed: {unlisted:#?}\nlisted, but alike: {left:#?}");
        }
        Ok(())
    }
}

/// The lines that only one of them said; all of both where they said the same in another order.
fn told_apart((name, theirs): (&str, &Said), ours: &Said) -> String {
    let (theirs, ours) = (theirs.all(), ours.all());
    let only = |these: &[String], others: &[String], name: &str| {
        let of = these.iter().filter(|line| !others.contains(line));
        of.map(|line| format!("  {name:<10} {line}\n")).collect::<String>()
    };
    let apart = only(&theirs, &ours, name) + &only(&ours, &theirs, "varve");
    match apart.is_empty() {
        true => only(&theirs, &[], name) + &only(&ours, &[], "varve"),
        false => apart,
    }
}
