//! Differences that are meant: the table of a page, whose first column is the command and last the reason.

use std::collections::BTreeMap;

/// The commands of the table's rows, and whether each was seen to differ.
pub struct Expected(BTreeMap<String, bool>);

impl Expected {
    /// Rows of any table whose first column is code.
    pub fn read(page: &str) -> Self {
        let code = |line: &str| {
            let cell = line.strip_prefix("| `")?;
            let end = cell.find("` |")?;
            Some((cell[..end].replace("\\|", "|"), false))
        };
        Self(page.lines().filter_map(code).collect())
    }

    /// Whether this command may differ, which it does.
    pub fn takes(&mut self, command: &str) -> bool {
        self.0.get_mut(command).map(|seen| *seen = true).is_some()
    }

    /// Those that did not differ.
    pub fn left(self) -> Vec<String> {
        self.0.into_iter().filter(|(_, seen)| !seen).map(|(command, _)| command).collect()
    }
}

#[test]
fn a_row_is_a_command_that_differs() {
    let page = "words\n\n| command | docker |\n|---|---|\n| `images -q` | x |\n| `ps` | y |\n";
    let mut expected = Expected::read(page);
    assert!(expected.takes("images -q") && expected.takes("images -q"));
    assert!(!expected.takes("other"));
    assert_eq!(expected.left(), ["ps"]);
}
