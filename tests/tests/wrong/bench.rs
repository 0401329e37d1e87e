//! Where wrong commands are run: an image that is here, files that are broken, registries that are none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use tempfile::TempDir;
use varve_registry::testsuite::{Fault, On, Rule};
use varve_tests::beside::words;
use varve_tests::command::Varve;
use varve_tests::container::Told;
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::soak;

use crate::broken;

/// What a registry refuses with.
const STATUSES: [u16; 5] = [401, 403, 404, 429, 500];

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
        faulty(&registry);
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
        let refusing = STATUSES.map(|status| format!("{}/status-{status}/x", values["{address}"]));
        let nowhere = ["{closed}", "{silent}"].map(|host| format!("{}/pushed", values[host]));
        for repository in refusing.iter().chain(&nowhere) {
            varve.run(&["tag", &image, &format!("{repository}:1")])?;
        }
        Ok(Self { varve, dir, values, _registry: registry })
    }

    /// Runs a line of the table, and answers how long that took, too.
    pub fn run(&self, line: &str) -> Result<(Told, Duration)> {
        let fill = |word: String| {
            self.values.iter().fold(word, |word, (name, value)| word.replace(name, value))
        };
        let words: Vec<String> = words(line).into_iter().map(fill).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.varve.command(&words);
        // No login of whoever runs the test.
        command.env("HOME", self.dir.path()).env_remove("DOCKER_CONFIG");
        let begun = Instant::now();
        Ok((Told::of(command.output()?), begun.elapsed()))
    }

    /// All that a person can see of the root, the blobs in it, and the broken files.
    pub fn fingerprint(&self) -> Result<BTreeSet<String>> {
        let mut all = BTreeSet::from([self.varve.run(&["ps", "--all", "--quiet"])?]);
        for list in ["images", "content", "snapshots", "leases"] {
            all.insert(self.varve.json(&[list, "ls"])?.to_string());
        }
        all.extend(files(self.varve.root())?);
        all.extend(files(self.dir.path())?);
        Ok(all)
    }
}

/// Repositories below `status-NNN/` answer so; those below `no-json/` and the like are broken in that way.
fn faulty(registry: &Fake) {
    let mut rules: Vec<Rule> = STATUSES
        .map(|status| {
            Rule::new(On::Path(format!("/status-{status}/")), Fault::Status(status, None))
        })
        .into();
    let loops = format!("http://{}*", registry.address());
    for (repository, fault) in [
        ("no-json", Fault::Body("{\"schemaVersion\":".into())),
        ("other-bytes", Fault::OtherBytes),
        ("other-digest", Fault::Digest(format!("sha256:{}", "ab".repeat(32)))),
        ("in-circles", Fault::Redirect(loops)),
    ] {
        registry.push(&format!("{repository}/x"), "1", &soak::image(1, 1));
        rules.push(Rule::new(On::Path(format!("/{repository}/x/manifests/")), fault));
    }
    registry.faults(rules);
}

/// Paths and sizes of all files below a directory; not of the databases, whose records are told above and whose logs
/// grow with every lease, nor of its owner's lock and socket.
fn files(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in dir.read_dir()? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        match entry.file_name().to_str() {
            Some("meta" | "lock" | "varve.sock") => {}
            _ if kind.is_dir() => found.extend(files(&path)?),
            _ => found.push(format!("{} {}", path.display(), entry.metadata()?.len())),
        }
    }
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
