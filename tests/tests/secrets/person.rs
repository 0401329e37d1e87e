//! Somebody with a login that nobody else in the world has, who runs commands and keeps all that they print.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;
use varve_tests::cluster::{Cluster, Topology};
use varve_tests::command::{binary, text};

pub struct Person {
    pub password: String,
    pub identity: String,
    /// The root, and what else the commands may write.
    pub world: TempDir,
    /// Docker's config, where the login belongs; and a helper.
    home: TempDir,
    cluster: Cluster,
    /// All that was printed.
    pub printed: String,
}

impl Person {
    /// With the services where `topology` has them.
    pub fn new(topology: Topology) -> Self {
        let unique = format!("{}{:?}", std::process::id(), Instant::now());
        let digest = varve_core::Digest::of(unique.as_bytes()).to_string();
        let (password, identity) =
            (format!("pw-{}", &digest[10..30]), format!("id-{}", &digest[40..60]));
        let (world, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (varve, root) = (binary().unwrap(), world.path().join("root"));
        let hosts = home.path().join("hosts");
        let limits = format!("hosts_dirs = [{hosts:?}]\nbackoff = 0.01\nbackoff_max = 0.02\n");
        let cluster = Cluster::logging("trace", topology, &varve, &root, &limits).unwrap();
        Self { password, identity, world, home, cluster, printed: String::new() }
    }

    pub fn root(&self) -> PathBuf {
        self.world.path().join("root")
    }

    /// What the services logged, where they are apart.
    pub fn logs(&self) -> String {
        self.cluster.logs()
    }

    /// With a log of everything.
    pub fn command(&self, args: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(binary().unwrap());
        command.arg("--root").arg(self.root()).args(["--log", "trace"]);
        command.args(self.cluster.arguments()).args(args);
        command.env_clear().env("HOME", self.world.path()).env("RUST_LOG", "trace");
        command.env("DOCKER_CONFIG", self.home.path());
        command.env("XDG_CACHE_HOME", self.world.path().join("cache"));
        command.env("PATH", format!("{}:{path}", self.home.path().display()));
        command.stdin(Stdio::null());
        command
    }

    /// Runs it; whether it succeeded is for the caller to know.
    pub fn run(&mut self, args: &[&str], stdin: &str) -> bool {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that does not read is no error.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        self.printed += &format!("\n$ {}\n", args.join(" "));
        self.printed += &(text(&output.stdout) + &text(&output.stderr));
        output.status.success()
    }

    pub fn succeed(&mut self, args: &[&str]) {
        assert!(self.run(args, ""), "{args:?}: {}", tail(&self.printed));
    }

    pub fn fail(&mut self, args: &[&str]) {
        assert!(!self.run(args, ""), "{args:?} succeeded");
    }

    pub fn log_in(&mut self, server: &str, password: &str) -> bool {
        let args = ["login", "-u", "me", "--password-stdin", server];
        self.run(&args, &format!("{password}\n"))
    }

    /// A helper that takes its time, so that whoever looks sees it run.
    pub fn install_helper(&self, server: &str) {
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nsleep 0.1\ncase \"$1\" in\n\
            store) cat > kept;;\n\
            get) test -f kept && cat kept || { echo credentials not found in native keychain; exit 1; };;\n\
            erase) cat > /dev/null; rm kept;;\nesac\n";
        let path = self.home.path().join("docker-credential-shelf");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let config = format!(r#"{{"credHelpers":{{"{server}":"shelf"}}}}"#);
        fs::write(self.home.path().join("config.json"), config).unwrap();
    }

    /// How `host` is reached; as the login, it is nobody else's to read.
    pub fn write_hosts(&self, host: &str, text: &str) {
        let directory = self.home.path().join("hosts").join(host);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("hosts.toml"), text).unwrap();
    }

    /// Ends the services, so that all is written.
    pub fn stop(&mut self) {
        for process in self.cluster.processes().iter_mut().rev() {
            assert!(process.stop().is_some_and(|ended| ended.success()), "it does not end");
        }
    }
}

/// The last of what was printed, without the log.
pub fn tail(printed: &str) -> String {
    let lines: Vec<_> = printed.lines().filter(|line| !line.contains("TRACE")).collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Every file below, with its bytes.
pub fn files(below: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(below).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all.extend(files(&entry.path()));
        } else if kind.is_file() {
            all.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
    all
}
