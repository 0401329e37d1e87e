//! A document of shell sessions: in its indented blocks a line that begins with `$ ` is a command, and what
//! follows is what it prints. All else is prose, and stays as it is.

/// How a block's lines are indented.
const INDENT: &str = "    ";

/// A document, line by line.
#[derive(Debug)]
pub struct Sheet {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Prose(String),
    Step(Step),
}

/// A command, and what it prints.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    pub command: String,
    pub output: String,
}

impl Sheet {
    /// Reads a document; output before the first command of a block is prose.
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        // Blank lines belong to an output only where it goes on behind them.
        let mut blanks = 0;
        for line in text.lines() {
            let inner = line.strip_prefix(INDENT);
            match (inner, pieces.last_mut()) {
                _ if line.trim().is_empty() => {
                    blanks += 1;
                    continue;
                }
                (Some(inner), Some(Piece::Step(step))) if !inner.starts_with("$ ") => {
                    step.output += &"\n".repeat(blanks);
                    step.output += &format!("{inner}\n");
                }
                (inner, _) => {
                    pieces.extend((0..blanks).map(|_| Piece::Prose(String::new())));
                    let command = inner.and_then(|inner| inner.strip_prefix("$ "));
                    pieces.push(match command {
                        Some(command) => {
                            Piece::Step(Step { command: command.to_owned(), output: String::new() })
                        }
                        None => Piece::Prose(line.to_owned()),
                    });
                }
            }
            blanks = 0;
        }
        Self { pieces }
    }

    /// The commands, in their order.
    pub fn steps(&mut self) -> impl Iterator<Item = &mut Step> {
        self.pieces.iter_mut().filter_map(|piece| match piece {
            Piece::Step(step) => Some(step),
            Piece::Prose(_) => None,
        })
    }

    /// The document again.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Prose(line) => text += &format!("{line}\n"),
                Piece::Step(step) => {
                    text += &format!("{INDENT}$ {}\n", step.command);
                    step.output.lines().for_each(|line| text += &indented(line));
                }
            }
        }
        text
    }
}

fn indented(line: &str) -> String {
    match line.trim_end() {
        "" => "\n".to_owned(),
        line => format!("{INDENT}{line}\n"),
    }
}

/// An output without what differs from run to run: ages, sizes on disk (another file system has other
/// blocks), the width of columns that follows from them, the driver, by which directory the free space was
/// found, and the order in which layers that are worked on at once are done.
pub fn normalized(output: &str) -> Vec<String> {
    let mut lines: Vec<String> = output.trim_end().lines().map(words).collect();
    for layers in lines.chunk_by_mut(|a, b| is_of_layer(a) && is_of_layer(b)) {
        layers.sort();
    }
    lines
}

fn words(line: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        match word {
            "ago" => {
                take_age(&mut words);
                words.push("AGE");
            }
            // A client of other processes sees less of the root than they do.
            _ if words.ends_with(&["free", "in"]) => words.push("DIR"),
            "native" => words.push("overlayfs"),
            word if is_size(word) => words.push("SIZE"),
            word => words.push(word),
        }
    }
    words.join(" ")
}

/// `3 days`, `About an hour`, `Less than a second`: as Docker writes them.
fn take_age(words: &mut Vec<&str>) {
    words.truncate(words.len().saturating_sub(2));
    while words.last().is_some_and(|word| ["About", "Less", "than"].contains(word)) {
        words.pop();
    }
}

/// `63.32MB`.
fn is_size(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    unit.len() < word.len() && ["B", "kB", "MB", "GB", "TB"].contains(&unit)
}

/// `f83af2dc569a: Pull complete`.
fn is_of_layer(line: &str) -> bool {
    let id = line.split_once(": ").map_or("", |(id, _)| id);
    id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# A walk

Look:

    $ varve images
    NAME   SIZE

    Total: 3

    $ ls

And more.
";

    #[test]
    fn a_document_is_read_into_its_commands_and_written_as_it_was() {
        let mut sheet = Sheet::parse(TEXT);
        let steps: Vec<Step> = sheet.steps().map(|step| step.clone()).collect();
        let step = |command: &str, output: &str| Step {
            command: command.to_owned(),
            output: output.to_owned(),
        };
        assert_eq!(steps, [step("varve images", "NAME   SIZE\n\nTotal: 3\n"), step("ls", "")]);
        assert_eq!(sheet.render(), TEXT);
    }

    #[test]
    fn ages_sizes_and_the_order_of_layers_are_no_difference() {
        let one = "a   2 weeks ago   3MB\naaaaaaaaaaaa: Done\nbbbbbbbbbbbb: Done\n";
        let two = "a   About an hour ago   73.7kB\nbbbbbbbbbbbb: Done\naaaaaaaaaaaa: Done";
        assert_eq!(normalized(one), normalized(two));
        assert_eq!(normalized(one)[0], "a AGE SIZE");
        assert_eq!(normalized("1MB of 2GB free in /a"), normalized("3kB of 4GB free in /a/b"));
    }

    #[test]
    fn names_digests_and_the_order_of_other_lines_are() {
        assert_ne!(normalized("a: x\nb: x"), normalized("b: x\na: x"));
        assert_ne!(normalized("aaaaaaaaaaaa: Done"), normalized("bbbbbbbbbbbb: Done"));
        assert_ne!(normalized("size: 709"), normalized("size: 710"));
    }
}
