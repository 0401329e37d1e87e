//! Another user of the machine, for whom a root, its sockets, its logs and the trees of its images are as if they
//! were not there, wherever the services run and however careless the umask was.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use varve_tests::cluster::{Cluster, Topology};
use varve_tests::command::{binary, text};
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::layer::Layer;
use varve_tests::peers::{have, need_root};
use varve_tests::{busybox, container};

const NOBODY: u32 = 65534;
/// Tells which of the paths on its standard input it can read, write or run, or look into.
const LOOK: &str = "while IFS= read -r p; do for t in r w x; do [ -$t \"$p\" ] && echo \"$t $p\"; done; \
    [ -d \"$p\" ] && ls \"$p\" 2>/dev/null; done; true";

/// A root below a directory that everybody may enter.
struct Place {
    open: TempDir,
}

impl Place {
    fn new() -> Self {
        let open = tempfile::tempdir().unwrap();
        fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { open }
    }

    fn root(&self) -> PathBuf {
        self.open.path().join("root")
    }

    /// With a umask that closes nothing.
    fn run(&self, cluster: &Cluster, args: &[&str]) -> String {
        let output = careless()
            .arg(binary().unwrap())
            .arg("--root")
            .arg(self.root())
            .args(cluster.arguments())
            .args(args)
            .env("DOCKER_CONFIG", self.open.path().join("none"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

/// `sh` that runs its arguments with a umask of 0.
fn careless() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 0; exec \"$@\"", "sh"]).stdin(Stdio::null());
    command
}

/// A process that ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nobody(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    let id = NOBODY.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups", program]).args(args);
    command.env_clear().env("PATH", std::env::var("PATH").unwrap()).current_dir("/");
    command
}

/// What nobody can do with anything at or below `path`.
fn reached(path: &Path) -> String {
    let mut all = Vec::new();
    walk(path, &mut all);
    assert!(all.len() > 1, "nothing is there");
    let mut child =
        nobody("sh", &["-c", LOOK]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: String = all.iter().map(|path| format!("{}\n", path.display())).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    text(&output.stdout)
}

fn walk(path: &Path, all: &mut Vec<PathBuf>) {
    all.push(path.to_owned());
    let Ok(facts) = fs::symlink_metadata(path) else { return };
    if facts.is_dir() {
        // A directory of a container may have gone meanwhile.
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.for_each(|entry| walk(&entry.path(), all));
    }
}

fn image() -> Content {
    let layer = Layer::new()
        .dir("bin/", 0o777)
        .file("bin/su", 0o4755, b"#!/bin/sh\nid\n")
        .file("open", 0o666, b"for everybody in the image, and nobody else")
        .finish();
    let mut content = Content::default();
    content.image(Family::Oci, Packing::Gzip, &platform("linux", "amd64", ""), &[layer]);
    content
}

fn ready(test: &str) -> bool {
    need_root(test) && have(&["setpriv"], test)
}

#[test]
fn another_user_reaches_nothing_of_a_root_wherever_the_services_run() {
    let test = "another_user_reaches_nothing_of_a_root_wherever_the_services_run";
    if !ready(test) {
        return;
    }
    let fake = Fake::start().unwrap();
    fake.push("lab/app", "1", &image());
    let name = format!("{}/lab/app:1", fake.address());
    for topology in [Topology::Embedded, Topology::Daemon, Topology::Split] {
        let place = Place::new();
        let cluster = Cluster::start(topology, &binary().unwrap(), &place.root()).unwrap();
        let pull = ["pull", "-q", "--platform", "linux/amd64", &name];
        place.run(&cluster, &[&pull[..], &["--snapshotter", "native"]].concat());
        let root = place.root();
        let mut all = Vec::new();
        walk(&root, &mut all);
        let su: Vec<_> = all.iter().filter(|path| path.ends_with("bin/su")).collect();
        assert!(!su.is_empty(), "{topology:?}: the tree is there");
        assert_eq!(fs::metadata(su[0]).unwrap().mode() & 0o7777, 0o4755);
        assert_eq!(reached(&root), "", "{topology:?}");
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700, "{topology:?}");
        check_sockets(&all);
    }
}

fn check_sockets(all: &[PathBuf]) {
    use std::os::unix::fs::FileTypeExt;
    for path in all {
        let facts = fs::symlink_metadata(path).unwrap();
        if facts.file_type().is_socket() {
            assert_eq!(facts.mode() & 0o777, 0o600, "{}", path.display());
        }
    }
}

#[test]
fn another_user_reaches_nothing_of_a_container() {
    let test = "another_user_reaches_nothing_of_a_container";
    if !ready(test) || !have(&["runc"], test) {
        return;
    }
    let Some(program) = busybox::program(test) else { return };
    let (fake, place) = (Fake::start().unwrap(), Place::new());
    fake.push("lab/box", "1", &busybox::plain(&program));
    let name = format!("{}/lab/box:1", fake.address());
    let cluster = Cluster::start(Topology::Embedded, &binary().unwrap(), &place.root()).unwrap();
    let id = place.run(&cluster, &["run", "-d", &name, "sh", "-c", "echo a word; sleep 600"]);
    let id = id.trim().to_owned();
    container::until("it has printed", || {
        Ok(place.run(&cluster, &["logs", &id]).contains("a word"))
    })
    .unwrap();
    let log = place.root().join("run/containers").join(&id).join("log.json");
    assert!(log.exists(), "{}", log.display());
    let reached = reached(&place.root());
    place.run(&cluster, &["rm", "--force", &id]);
    assert_eq!(reached, "");
}

/// The sockets of services that run apart are in a directory that others may enter, as /run/varve is.
#[test]
fn another_user_can_connect_to_no_socket() {
    let test = "another_user_can_connect_to_no_socket";
    if !ready(test) {
        return;
    }
    let place = Place::new();
    let run = place.open.path().join("run/varve");
    let address = format!("unix://{}/varve.sock", run.display());
    let mut command = careless();
    command.arg(binary().unwrap()).arg("--root").arg(place.root());
    let daemon = command.args(["daemon", "--listen", &address]).spawn();
    let mut daemon = Running(daemon.unwrap());
    let socket = run.join("varve.sock");
    wait(&mut daemon.0, || socket.exists());
    let facts = fs::metadata(&socket).unwrap();
    let directory = fs::metadata(&run).unwrap();
    let reached = reached(&run);
    assert_eq!(facts.mode() & 0o777, 0o600);
    assert_eq!(directory.mode() & 0o022, 0, "nobody can put another socket in its place");
    // To connect takes the right to write.
    assert!(!reached.lines().any(|line| line.starts_with("w ")), "{reached}");
}

/// As the user who runs it cannot read it, no core of it is written either: the kernel has one answer to both.
#[test]
fn the_memory_of_a_process_that_holds_logins_is_not_even_for_its_own_user() {
    let test = "the_memory_of_a_process_that_holds_logins_is_not_even_for_its_own_user";
    if !ready(test) {
        return;
    }
    let open = tempfile::tempdir().unwrap();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let varve = open.path().join("varve");
    fs::copy(binary().unwrap(), &varve).unwrap();
    let root = open.path().join("root");
    // Where cores are written at all, this is where one would be.
    let cores = ["-c", "ulimit -c unlimited; exec \"$@\"", "sh", varve.to_str().unwrap()];
    let args = [&cores[..], &["--root", root.to_str().unwrap(), "daemon"]].concat();
    let daemon = nobody("sh", &args).current_dir(open.path()).spawn();
    let mut daemon = Running(daemon.unwrap());
    wait(&mut daemon.0, || root.join("varve.sock").exists());
    let process = PathBuf::from(format!("/proc/{}", daemon.0.id()));
    let owner = fs::metadata(process.join("environ")).unwrap().uid();
    let read = |file: &str| {
        let file = process.join(file).display().to_string();
        nobody("head", &["-c", "1", &file]).output().unwrap().status.success()
    };
    let (environ, maps) = (read("environ"), read("maps"));
    // What it is closed to others by does not close it to itself.
    let fake = Fake::start().unwrap();
    fake.push("lab/app", "1", &image());
    let name = format!("{}/lab/app:1", fake.address());
    let pull = |root: &Path| {
        let root = root.to_str().unwrap();
        let args = ["--root", root, "pull", "-q", "--platform", "linux/amd64", &name];
        nobody(varve.to_str().unwrap(), &args).env("HOME", "/nonexistent").output().unwrap()
    };
    let pulled = [pull(&root), pull(&open.path().join("embedded"))];
    let own_uid = fs::read_to_string(process.join("status")).unwrap();
    let pid = rustix::process::Pid::from_raw(daemon.0.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::ABORT).unwrap();
    let ended = daemon.0.wait().unwrap();
    assert!(ended.signal().is_some() && !ended.core_dumped(), "{ended}");
    assert!(own_uid.contains(&format!("Uid:\t{NOBODY}")), "{own_uid}");
    assert_eq!((owner, environ, maps), (0, false, false));
    for pulled in pulled {
        assert!(pulled.status.success(), "{}", text(&pulled.stderr));
    }
}

fn wait(child: &mut Child, there: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !there() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        assert!(Instant::now() < end, "it does not come up");
        std::thread::sleep(Duration::from_millis(20));
    }
}
