//! GNU tar: its list, and the bytes of all files one after the other.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use super::seen::{MOST, Seen, text, trimmed};
use super::{Reading, output};

/// How GNU tar reads the archive that Varve reads as `ours`.
pub fn compare(ours: &[Seen], file: &Path) -> Reading {
    let list = ["--list", "--verbose", "--numeric-owner", "--full-time", "--quoting-style=c"];
    let told = match tar(file, &list) {
        Ok(told) => told,
        Err(why) => return Reading::Refused(why),
    };
    let lines: Vec<&[u8]> =
        told.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    for (ours, line) in ours.iter().zip(&lines) {
        let Some(theirs) = entry(line) else { return Reading::Other(text(line)) };
        let (name, link) = (trimmed(&ours.name).to_vec(), ours.link.clone());
        let size = if ours.flag == b'0' { ours.size } else { 0 };
        if theirs != (ours.flag, size, name, link) {
            return Reading::Other(format!("{:?} and {}", text(&ours.name), text(line)));
        }
    }
    if lines.len() != ours.len() {
        return Reading::Other(format!("{} entries, and {} there", ours.len(), lines.len()));
    }
    bodies(ours, file)
}

fn bodies(ours: &[Seen], file: &Path) -> Reading {
    if ours.iter().any(|seen| seen.size > MOST) {
        return Reading::Same;
    }
    let ours: Vec<u8> =
        ours.iter().flat_map(|seen| seen.body.clone().unwrap_or_default()).collect();
    match tar(file, &["--extract", "--to-stdout"]) {
        Err(why) => Reading::Refused(why),
        Ok(theirs) if theirs == ours => Reading::Same,
        Ok(_) => Reading::Other("the bodies differ".into()),
    }
}

fn tar(file: &Path, words: &[&str]) -> Result<Vec<u8>, String> {
    let file = [OsStr::new("--absolute-names"), OsStr::new("--file"), file.as_os_str()];
    output(Command::new("tar").args(words).args(file).env("TZ", "UTC"))
}

/// Type, size, name and target of a line of the list.
fn entry(line: &[u8]) -> Option<(u8, u64, Vec<u8>, Vec<u8>)> {
    let flag = match line.first()? {
        b'-' | b'C' => b'0',
        b'h' => b'1',
        b'l' => b'2',
        b'c' => b'3',
        b'b' => b'4',
        b'd' => b'5',
        b'p' => b'6',
        _ => return None,
    };
    let quote = line.iter().position(|byte| *byte == b'"')?;
    let facts = text(&line[..quote]);
    let size = facts.split_whitespace().nth(2)?;
    let size = if flag == b'0' { size.parse().ok()? } else { 0 };
    let (name, rest) = quoted(&line[quote..])?;
    let link = match rest.iter().position(|byte| *byte == b'"') {
        Some(at) => quoted(&rest[at..])?.0,
        None => Vec::new(),
    };
    Some((flag, size, trimmed(&name).to_vec(), link))
}

/// A C string, and what follows it.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut bytes = Vec::new();
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some((bytes, rest)),
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', letter, rest @ ..] => {
                let letters = *b"a\x07b\x08f\x0cn\nr\rt\tv\x0b";
                let known = letters.chunks(2).find(|pair| pair[0] == *letter);
                bytes.push(known.map_or(*letter, |pair| pair[1]));
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
            [] => return None,
        };
    }
}
