//! `varve login` and `varve logout`: what is asked, kept and forgotten, with Docker's own registry and with
//! helpers.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use varve_tests::command::{Varve, text};
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::peers::have;
use varve_tests::registry::{PASSWORD, Registry, USER};

use varve_registry::testsuite::Gate;

/// `varve` with a Docker config of its own.
struct Person {
    varve: Varve,
    home: tempfile::TempDir,
}

impl Person {
    fn new() -> Self {
        Self { varve: Varve::new().unwrap(), home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = self.varve.command(args);
        command.env("DOCKER_CONFIG", self.home.path());
        command.env("PATH", format!("{}:{path}", self.home.path().display()));
        command
    }

    fn run(&self, args: &[&str], stdin: &str) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that does not read is no error.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn log_in(&self, server: &str, password: &str) -> Output {
        self.run(&["login", "-u", USER, "--password-stdin", server], &format!("{password}\n"))
    }

    fn config(&self) -> Value {
        serde_json::from_slice(&fs::read(self.home.path().join("config.json")).unwrap()).unwrap()
    }

    fn write_config(&self, text: &str) {
        fs::write(self.home.path().join("config.json"), text).unwrap();
    }

    /// A helper that keeps one login in a file beside it.
    fn install_helper(&self) {
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\ncase \"$1\" in\n\
            store) cat > kept;;\n\
            get) test -f kept && cat kept || { echo credentials not found in native keychain; exit 1; };;\n\
            erase) cat > erased; rm kept;;\nesac\n";
        let path = self.home.path().join("docker-credential-shelf");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn said(output: &Output) -> (i32, String, String) {
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn dockers_own_registry_lets_in_who_has_logged_in() {
    if !have(&["docker-registry"], "dockers_own_registry_lets_in_who_has_logged_in") {
        return;
    }
    let registry = Registry::guarded().unwrap();
    registry.push("lab/app", "1", &demo::image()).unwrap();
    let (person, name) = (Person::new(), format!("{}/lab/app:1", registry.address()));
    let pull = ["pull", "-q", &name];
    let (code, _, refused) = said(&person.run(&pull, ""));
    assert!(code == 1 && refused.contains("varve login"), "{refused}");

    let (code, _, refused) = said(&person.log_in(registry.address(), "wrong-secret"));
    assert!(code == 1 && refused.contains("does not accept the login"), "{refused}");
    assert_eq!(refused.lines().count(), 1, "{refused}");
    assert!(!refused.contains("wrong-secret"), "{refused}");
    assert!(!person.home.path().join("config.json").exists(), "nothing bad is kept");

    let (code, told, warned) = said(&person.log_in(registry.address(), PASSWORD));
    assert_eq!((code, told.as_str()), (0, "Login Succeeded\n"), "{warned}");
    assert!(warned.contains("stored unencrypted") && !warned.contains(PASSWORD), "{warned}");
    let file = person.home.path().join("config.json");
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(said(&person.run(&pull, "")).0, 0);

    let (_, told, existing) = said(&person.run(&["login", registry.address()], ""));
    assert_eq!(told, "Login Succeeded\n");
    assert!(existing.contains("existing credentials... [Username: me]"), "{existing}");

    let (code, told, _) = said(&person.run(&["logout", registry.address()], ""));
    assert_eq!(
        (code, told),
        (0, format!("Removing login credentials for {}\n", registry.address()))
    );
    let (code, told, _) = said(&person.run(&["logout", registry.address()], ""));
    assert_eq!((code, told), (0, format!("Not logged in to {}\n", registry.address())));
    assert_eq!(said(&person.run(&pull, "")).0, 1, "what was let in is not remembered");
}

#[test]
fn what_the_config_has_beside_the_login_stays() {
    let (person, fake) = (Person::new(), Fake::start().unwrap());
    person.write_config(r#"{"psFormat":"{{.ID}}","auths":{"other":{"auth":"eDp5"}}}"#);
    assert_eq!(said(&person.log_in(fake.address(), PASSWORD)).0, 0);
    let config = person.config();
    assert_eq!(config["psFormat"], "{{.ID}}");
    assert_eq!(config["auths"]["other"]["auth"], "eDp5");
    assert_eq!(config["auths"][fake.address()]["auth"], "bWU6aHVudGVyMg==");
}

#[test]
fn an_identity_token_is_kept_in_place_of_the_password() {
    let (person, fake) = (Person::new(), Fake::start().unwrap());
    let login = Some((USER.to_owned(), PASSWORD.to_owned()));
    let identity = Some("refresh".to_owned());
    fake.guard(Gate::Bearer { login, identity, expires_in: 300, scope: None, realm: None });
    assert_eq!(said(&person.log_in(fake.address(), PASSWORD)).0, 0);
    let entry = person.config()["auths"][fake.address()].clone();
    assert_eq!((&entry["identitytoken"], &entry["auth"]), (&"refresh".into(), &"bWU6".into()));
    let (code, told, _) = said(&person.run(&["login", fake.address()], ""));
    assert_eq!((code, told.as_str()), (0, "Login Succeeded\n"));
}

#[test]
fn a_helper_keeps_the_login_and_the_file_says_only_that_there_is_one() {
    let (person, fake) = (Person::new(), Fake::start().unwrap());
    person.install_helper();
    fake.guard(Gate::Basic(USER.into(), PASSWORD.into()));
    let helpers = format!(r#"{{"credHelpers":{{"{}":"shelf"}}}}"#, fake.address());
    person.write_config(&helpers);
    let (code, _, warned) = said(&person.log_in(fake.address(), PASSWORD));
    assert_eq!((code, warned.as_str()), (0, ""));
    let kept: Value = serde_json::from_slice(&read(&person, "kept")).unwrap();
    assert_eq!((&kept["Username"], &kept["Secret"]), (&USER.into(), &PASSWORD.into()));
    assert_eq!(kept["ServerURL"], fake.address());
    assert_eq!(person.config()["auths"][fake.address()], serde_json::json!({}));
    let (_, told, _) = said(&person.run(&["logout", fake.address()], ""));
    assert!(told.starts_with("Removing login credentials"), "{told}");
    assert_eq!(read(&person, "erased"), fake.address().as_bytes());
    let (_, told, _) = said(&person.run(&["logout", fake.address()], ""));
    assert!(told.starts_with("Not logged in"), "{told}");
}

fn read(person: &Person, name: &str) -> Vec<u8> {
    fs::read(Path::new(person.home.path()).join(name)).unwrap()
}

#[test]
fn where_nobody_can_be_asked_a_login_without_a_password_is_refused() {
    let person = Person::new();
    for args in [&["login", "127.0.0.1:1"][..], &["login", "-u", "me", "127.0.0.1:1"]] {
        let (code, _, refused) = said(&person.run(args, ""));
        assert!(code == 1 && refused.contains("from a non TTY device"), "{refused}");
    }
    let (code, _, refused) = said(&person.run(&["login", "--password-stdin", "h:1"], "x"));
    assert!(code == 2 && refused.contains("--username"), "{refused}");
}

#[test]
fn a_password_on_the_command_line_is_warned_of_and_never_logged() {
    let (person, fake) = (Person::new(), Fake::start().unwrap());
    fake.guard(Gate::tokens(USER, PASSWORD));
    let args = ["login", "-u", USER, "-p", PASSWORD, "--log", "trace", fake.address()];
    let (code, told, logged) = said(&person.run(&args, ""));
    assert_eq!((code, told.as_str()), (0, "Login Succeeded\n"), "{logged}");
    assert!(logged.contains("Using --password via the CLI is insecure"), "{logged}");
    assert!(logged.lines().count() > 3, "it was logged at all: {logged}");
    assert!(!logged.contains(PASSWORD) && !logged.contains("bWU6aHVudGVyMg"), "{logged}");
}
