//! Docker's credential helpers: scripts in a directory on PATH, which belongs to the process: the
//! tests run themselves again with another.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use varve_core::remotes::{Login, Secret};
use varve_core::{Error, Kind};
use varve_registry::DockerConfig;
use varve_registry::docker_config::{Found, helper};

const ROLE: &str = "VARVE_TEST_HELPERS";

const SCRIPTS: &[(&str, &str)] = &[
    // Says what it was asked, as a login.
    ("echo", r#"printf '{"ServerURL":"x","Username":"%s","Secret":"%s"}' "$1" "$(cat)""#),
    ("token", r#"cat >/dev/null; printf '{"Username":"<token>","Secret":"t"}'"#),
    ("none", "echo 'credentials not found in native keychain'; exit 1"),
    ("locked", "cat >/dev/null; printf 'the ring is locked\\033[2J'; exit 1"),
    ("loud", "exec yes hunter2"),
    ("nonsense", "echo hunter2"),
];

const CONFIG: &str = r#"{
    "auths": {"plain.example": {"auth": "bWU6cHc="}},
    "credsStore": "echo",
    "credHelpers": {
        "token.example": "token", "none.example": "none", "locked.example:5000": "locked",
        "loud.example": "loud", "nonsense.example": "nonsense", "gone.example": "gone"
    }
}"#;

#[test]
fn helpers_are_asked_for_the_logins_that_they_keep() {
    if std::env::var_os(ROLE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(check());
    }
    let directory = tempfile::tempdir().unwrap();
    SCRIPTS.iter().for_each(|(name, script)| install(directory.path(), name, script));
    std::fs::write(directory.path().join("config.json"), CONFIG).unwrap();
    let path = std::env::var("PATH").unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helpers_are_asked_for_the_logins_that_they_keep"])
        .env(ROLE, "yes")
        .env("PATH", format!("{}:{path}", directory.path().display()))
        .env("DOCKER_CONFIG", directory.path())
        .status();
    assert!(status.unwrap().success());
}

fn install(directory: &Path, name: &str, script: &str) {
    let path = directory.join(format!("docker-credential-{name}"));
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn check() {
    let config = DockerConfig::load().unwrap();
    let login = async |host: &str| {
        let found = match config.find(host)? {
            Found::Credential(credential) => Some(credential),
            Found::Helper(name) => helper::get(&name, host).await?,
            Found::Nothing => None,
        };
        assert!(found.as_ref().is_none_or(|found| found.host == host));
        Ok::<_, Error>(found.map(|found| found.login))
    };
    let basic = |username: &str, password: &str| {
        Some(Login::Basic { username: username.into(), password: Secret::new(password) })
    };
    assert_eq!(login("plain.example").await.unwrap(), basic("me", "pw"));
    assert_eq!(login("h:5000").await.unwrap(), basic("get", "h:5000"));
    let hub = basic("get", "https://index.docker.io/v1/");
    assert_eq!(login("docker.io").await.unwrap(), hub);
    let token = Some(Login::IdentityToken(Secret::new("t")));
    assert_eq!(login("token.example").await.unwrap(), token);
    assert_eq!(login("none.example").await.unwrap(), None);
    for (host, told) in [
        ("locked.example:5000", "has failed for locked.example:5000: the ring is locked [2J"),
        ("loud.example", "printed more than 65536 bytes"),
        ("nonsense.example", "answered something that is no login"),
        ("gone.example", "docker-credential-gone is not installed"),
    ] {
        let error = login(host).await.unwrap_err();
        assert_eq!(error.kind(), Kind::FailedPrecondition, "{host}");
        assert!(error.message().contains(told), "{host}: {error}");
        assert!(!error.chain().contains("hunter2"), "{host}: {error}");
    }
}
