//! Where wrong commands are run: an image that is here, files that are broken, registries that are none.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;
use varve_tests::beside::words;
use varve_tests::command::Varve;
use varve_tests::container::Told;
use varve_tests::demo;
use varve_tests::fake::Fake;

use crate::broken;

pub struct Bench {
    varve: Varve,
    dir: TempDir,
    /// What stands for what in commands.txt.
    values: BTreeMap<&'static str, String>,
    _registry: Fake,
}

impl Bench {
    pub fn new() -> Result<Self> {
        let (registry, varve, dir) = (Fake::start()?, Varve::new()?, tempfile::tempdir()?);
        registry.push("demo/hello", "1", &demo::image());
        broken::write(dir.path())?;
        let address = registry.address().to_owned();
        let image = format!("{address}/demo/hello:1");
        varve.run(&["pull", "--quiet", "--no-unpack", &image])?;
        // Bound and closed again: nobody listens there.
        let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let silent = answering(drop)?;
        let garbage = answering(|mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"\x00\x01 nonsense\r\n\r\n");
        })?;
        let values = BTreeMap::from([
            ("{image}", image.clone()),
            ("{dir}", dir.path().display().to_string()),
            ("{address}", address),
            ("{closed}", closed.to_string()),
            ("{port}", closed.port().to_string()),
            ("{silent}", silent),
            ("{garbage}", garbage),
        ]);
        for host in ["{closed}", "{silent}"] {
            varve.run(&["tag", &image, &format!("{}/pushed:1", values[host])])?;
        }
        Ok(Self { varve, dir, values, _registry: registry })
    }

    /// Runs a line of the table.
    pub fn run(&self, line: &str) -> Result<Told> {
        let fill = |word: String| {
            self.values.iter().fold(word, |word, (name, value)| word.replace(name, value))
        };
        let words: Vec<String> = words(line).into_iter().map(fill).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.varve.command(&words);
        // No login of whoever runs the test.
        command.env("HOME", self.dir.path()).env_remove("DOCKER_CONFIG");
        Ok(Told::of(command.output()?))
    }

    /// All that a person can see of the root, the blobs in it, and the broken files.
    pub fn fingerprint(&self) -> Result<Vec<String>> {
        let mut all = vec![self.varve.run(&["ps", "--all", "--quiet"])?];
        for list in ["images", "content", "snapshots", "leases"] {
            all.push(self.varve.json(&[list, "ls"])?.to_string());
        }
        all.extend(files(&self.varve.layout().join("blobs/sha256"))?);
        all.extend(files(&self.varve.layout().join("ingest"))?);
        all.extend(files(self.dir.path())?);
        Ok(all)
    }
}

/// Names and sizes.
fn files(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in dir.read_dir()? {
        let entry = entry?;
        found.push(format!("{} {}", entry.file_name().display(), entry.metadata()?.len()));
    }
    found.sort();
    Ok(found)
}

/// Something that listens on the loopback for as long as this process lives, and what it does with who comes.
fn answering(answer: impl Fn(TcpStream) + Send + 'static) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        listener.incoming().filter_map(|stream| stream.ok()).for_each(answer)
    });
    Ok(address)
}
