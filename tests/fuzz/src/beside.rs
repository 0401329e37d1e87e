//! Archives as others read them: Go's archive/tar (containerd, Docker, skopeo), GNU tar and bsdtar.
//!
//! The rule: what Varve reads, Go reads as the same, to each name, type, size, target, owner, mode,
//! time, attribute and byte. Where Go refuses an archive that Varve reads, GNU tar or bsdtar must
//! read it as Varve does. What the two make of an archive otherwise is counted, and no finding: they
//! differ from Go, and images are made with Go's reading in mind.

mod bsd;
pub mod generate;
mod gnu;
mod go;
mod seen;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use go::Go;
pub use seen::Seen;

/// How another reads an archive that Varve reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    Same,
    /// And the first difference.
    Other(String),
    Refused(String),
}

/// What came of an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Varve refuses it: why.
    Refused(String),
    Read {
        go: Reading,
        gnu: Reading,
        bsd: Reading,
    },
}

/// The other readers.
pub struct Peers {
    dir: TempDir,
    go: Go,
    /// How often each verdict came.
    pub counts: BTreeMap<String, u64>,
}

impl Peers {
    /// Starts them; `None`, loudly, where one is not installed.
    pub fn start() -> Option<Self> {
        for (tool, says) in [("tar", "GNU tar"), ("bsdtar", "bsdtar"), ("go", "go")] {
            let word = if tool == "go" { "version" } else { "--version" };
            let output = Command::new(tool).arg(word).output();
            if !output.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(says)) {
                varve_core::testsuite::skipped(format!("other readers: there is no {says}"));
                return None;
            }
        }
        let dir = crate::scratch::directory();
        let go = Go::start(dir.path());
        Some(Self { dir, go, counts: BTreeMap::new() })
    }

    /// Has everybody read `archive`.
    pub fn read(&mut self, archive: &[u8]) -> Verdict {
        let verdict = match seen::varve(archive) {
            Err(why) => Verdict::Refused(why),
            Ok(ours) => {
                let file = self.file();
                fs::write(&file, archive).unwrap();
                let go = compare(&ours, self.go.read(archive), Seen::difference);
                let bsd = compare(&ours, bsd::read(&file), Seen::rough_difference);
                Verdict::Read { go, gnu: gnu::compare(&ours, &file), bsd }
            }
        };
        *self.counts.entry(verdict.in_short()).or_default() += 1;
        verdict
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("archive")
    }
}

type Difference = fn(&Seen, &Seen) -> Option<String>;

fn compare(ours: &[Seen], theirs: Result<Vec<Seen>, String>, difference: Difference) -> Reading {
    let theirs = match theirs {
        Ok(theirs) => theirs,
        Err(why) => return Reading::Refused(why),
    };
    for (ours, theirs) in ours.iter().zip(&theirs) {
        if let Some(why) = difference(ours, theirs) {
            return Reading::Other(format!("{:?}: {why}", String::from_utf8_lossy(&ours.name)));
        }
    }
    match ours.len() == theirs.len() {
        true => Reading::Same,
        false => Reading::Other(format!("{} entries, and {} there", ours.len(), theirs.len())),
    }
}

impl Verdict {
    /// Whether it breaks the rule, and how.
    pub fn finding(&self) -> Option<String> {
        let Self::Read { go, gnu, bsd } = self else { return None };
        match go {
            Reading::Same => None,
            Reading::Other(why) => Some(format!("Go reads another archive: {why}")),
            Reading::Refused(_) if *gnu == Reading::Same || *bsd == Reading::Same => None,
            Reading::Refused(why) => Some(format!(
                "Go refuses it ({why}), and nobody reads it as Varve does: {gnu:?}, {bsd:?}"
            )),
        }
    }

    fn in_short(&self) -> String {
        let word = |reading: &Reading| match reading {
            Reading::Same => "the same",
            Reading::Other(_) => "another",
            Reading::Refused(_) => "refused",
        };
        match self {
            Self::Refused(_) => "refused by Varve".into(),
            Self::Read { go, gnu, bsd } => {
                format!("Go: {}, GNU tar: {}, bsdtar: {}", word(go), word(gnu), word(bsd))
            }
        }
    }
}

/// What a program writes, and the first line of its complaints where it fails. One that makes gigabytes of a
/// few bytes is ended.
fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    const MOST: u64 = 16 << 20;
    let piped = command.env("LC_ALL", "C.UTF-8").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let (out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let mut bytes = Vec::new();
    out.take(MOST + 1).read_to_end(&mut bytes).unwrap();
    if bytes.len() as u64 > MOST {
        child.kill().unwrap();
        child.wait().unwrap();
        return Err("it makes too much of it".into());
    }
    let mut complaints = Vec::new();
    err.read_to_end(&mut complaints).unwrap();
    match child.wait().unwrap().success() {
        true => Ok(bytes),
        false => {
            Err(seen::text(complaints.split(|byte| *byte == b'\n').next().unwrap_or_default()))
        }
    }
}
