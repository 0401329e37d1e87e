//! What a command said, without what may differ between two that do the same.

use std::process::Output;

use crate::command::text;

/// Status and lines, normalised.
#[derive(PartialEq, Eq, Debug)]
pub struct Said {
    pub status: Option<i32>,
    pub out: Vec<String>,
    pub err: Vec<String>,
}

/// What stands before an error.
const BEFORE: [&str; 6] =
    ["Error response from daemon: ", "Error: ", "error: ", "TOOL: ", "ERROR: ", "NOTE: "];
/// Lines that only one of them has, as they tell of its own workings.
const DROPPED: [&str; 6] =
    ["See 'TOOL", "Verifying Checksum", ": Waiting", "Usage:", "For more information", "time="];

impl Said {
    /// Status and lines, each with where it was said.
    pub fn all(&self) -> Vec<String> {
        let status = self.status.map(|status| format!("status {status}"));
        let (out, err) = (self.out.iter().cloned(), self.err.iter());
        status.into_iter().chain(out).chain(err.map(|line| format!("stderr: {line}"))).collect()
    }

    /// Of a command of `name`, which may name itself and the registry that it was given.
    pub fn of(output: &Output, name: &str, registry: &str) -> Self {
        let lines = |bytes: &[u8]| {
            let text = text(bytes).replace(name, "TOOL").replace(registry, "REGISTRY");
            let all = text.lines().map(line).filter(|line| !line.is_empty());
            let mut all: Vec<String> =
                all.filter(|line| !DROPPED.iter().any(|it| line.contains(it))).collect();
            sort_unordered(&mut all);
            all
        };
        Self {
            status: output.status.code(),
            out: lines(&output.stdout),
            err: lines(&output.stderr),
        }
    }
}

/// Layers move at the same time; Docker compares directories and saves several images in no order: such lines are sorted.
fn sort_unordered(lines: &mut [String]) {
    let is_layer = |line: &String| line.starts_with("<id>: ");
    let is_change = |line: &String| ["A /", "C /", "D /"].iter().any(|kind| line.starts_with(kind));
    let is_loaded = |line: &String| line.starts_with("Loaded image: ");
    let unordered = |line: &String| is_layer(line) || is_change(line) || is_loaded(line);
    let first = lines.iter().position(unordered);
    let last = lines.iter().rposition(unordered);
    if let (Some(first), Some(last)) = (first, last) {
        lines[first..=last].sort();
    }
}

fn line(line: &str) -> String {
    let mut line = line.trim();
    while let Some(rest) = BEFORE.iter().find_map(|before| line.strip_prefix(before)) {
        line = rest;
    }
    // What to do is Varve's to add.
    let line = line.split("; ").next().unwrap_or(line);
    let cells: Vec<String> =
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(cell).collect();
    let line = cells.join("  ");
    match line.rsplit_once(" size: ") {
        Some((before, bytes)) if bytes.parse::<u64>().is_ok() => format!("{before} size: <n>"),
        _ => line,
    }
}

fn cell(cell: &str) -> String {
    if is_age(cell) {
        return "<ago>".into();
    }
    cell.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// `About a minute ago`, `2 hours ago`, `Up 3 seconds`, `Exited (3) 1 second ago`.
fn is_age(cell: &str) -> bool {
    cell.ends_with(" ago") && !cell.contains('(') || cell == "Less than a second"
}

fn word(word: &str) -> String {
    if let Some((name, digest)) = word.split_once("@sha256:")
        && is_id(digest)
    {
        return format!("{name}@<id>");
    }
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let replaced = if is_id(bare) {
        "<id>"
    } else if is_size(bare) {
        "<size>"
    } else if is_date(bare) {
        "<date>"
    } else {
        return word.to_owned();
    };
    word.replacen(bare, replaced, 1)
}

fn is_id(word: &str) -> bool {
    let hex = word.rsplit(['@', ':']).next().unwrap_or(word);
    let digits = hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let plain = word == hex || word.starts_with("sha256:");
    plain && digits && matches!(hex.len(), 12 | 64)
}

fn is_size(word: &str) -> bool {
    let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &word[number.len()..];
    matches!(unit, "B" | "kB" | "MB" | "GB") && number.parse::<f64>().is_ok()
}

fn is_date(word: &str) -> bool {
    word.len() > 10
        && word.as_bytes()[4] == b'-'
        && word.contains('T')
        && word[..4].parse::<u16>().is_ok()
}

#[test]
fn what_may_differ_is_told_alike() {
    let id = "a".repeat(64);
    assert_eq!(line(&format!("sha256:{id}")), "<id>");
    assert_eq!(
        line("box   1     aaaaaaaaaaaa   2 hours ago   1.5MB"),
        "box  1  <id>  <ago>  <size>"
    );
    assert_eq!(line("Error response from daemon: No such image: x"), "No such image: x");
    assert_eq!(line("TOOL: No such image: x; check the name"), "No such image: x");
    assert_eq!(line(&format!("box@sha256:{id}")), "box@<id>");
    assert_eq!(line("1: digest: sha256:abc size: 735"), "1: digest: sha256:abc size: <n>");
}
