//! Go's archive/tar, behind a pipe (`../../beside/main.go`).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

use super::seen::{Seen, plain};

/// A process that reads archives.
pub struct Go {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    error: String,
    entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    name: Base64,
    link: Base64,
    body: Option<Base64>,
    flag: u8,
    size: i64,
    mode: i64,
    secs: i64,
    nanos: u32,
    uid: i64,
    gid: i64,
    major: i64,
    minor: i64,
    xattrs: std::collections::BTreeMap<String, Base64>,
}

#[derive(Deserialize)]
#[serde(try_from = "Option<String>")]
struct Base64(Vec<u8>);

impl TryFrom<Option<String>> for Base64 {
    type Error = base64::DecodeError;

    /// Nothing is told as null.
    fn try_from(text: Option<String>) -> Result<Self, Self::Error> {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(text.unwrap_or_default()).map(Self)
    }
}

impl Go {
    /// Builds it into `dir`, and starts it.
    pub fn start(dir: &Path) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("beside/main.go");
        let program = dir.join("go-reads");
        let built = Command::new("go")
            .env("GO111MODULE", "off")
            .args(["build", "-o"])
            .arg(&program)
            .arg(source)
            .status();
        assert!(built.unwrap().success(), "the reader in Go is built");
        let mut go = Command::new(program);
        let mut child = go.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, to, from: BufReader::new(from) }
    }

    pub fn read(&mut self, archive: &[u8]) -> Result<Vec<Seen>, String> {
        self.to.write_all(&(archive.len() as u32).to_be_bytes()).unwrap();
        self.to.write_all(archive).unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let listing: Listing = serde_json::from_str(&line).unwrap();
        match listing.error.is_empty() {
            true => Ok(listing.entries.unwrap_or_default().into_iter().map(seen).collect()),
            false => Err(listing.error),
        }
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn seen(entry: Entry) -> Seen {
    let link = matches!(entry.flag, b'1' | b'2');
    let special = matches!(entry.flag, b'3' | b'4');
    // Of what has no body Go tells what the header says.
    let bodiless = (b'1'..=b'6').contains(&entry.flag);
    let size = if bodiless { 0 } else { u64::try_from(entry.size).unwrap() };
    Seen {
        name: entry.name.0,
        flag: plain(entry.flag),
        link: if link { entry.link.0 } else { Vec::new() },
        size,
        mode: entry.mode & 0o7777,
        uid: entry.uid,
        gid: entry.gid,
        mtime: (entry.secs, entry.nanos),
        device: if special { (entry.major as u32, entry.minor as u32) } else { (0, 0) },
        xattrs: entry.xattrs.into_iter().map(|(key, value)| (key.into_bytes(), value.0)).collect(),
        body: (size <= super::seen::MOST).then(|| entry.body.map_or(Vec::new(), |body| body.0)),
    }
}
