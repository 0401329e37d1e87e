//! Docker's credential helpers: programs `docker-credential-NAME` that keep logins. Only a client runs
//! them, as its user: a service has no business in anybody's key ring.
//!
//! A helper is told the server, or a login, on its standard input and prints JSON; where it has nothing,
//! it says so and fails (docker-credential-helpers, *Development*). No secret is an argument.

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use varve_core::remotes::{Credential, Login, Secret};
use varve_core::{Error, Kind, Result};

use super::key as server;
use crate::refusal::printable;

/// A key ring may have to be unlocked by hand; what takes longer is not waiting for a person.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that a helper may print.
const CAP: u64 = 64 << 10;
/// The user name that says that the secret is an identity token.
const TOKEN: &str = "<token>";
/// How helpers say that they have no such login; an exit status of its own there is not.
const NONE: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
struct Answer {
    #[serde(default, rename = "Username")]
    username: String,
    #[serde(default, rename = "Secret")]
    secret: String,
}

/// A login as helpers take it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Stored<'a> {
    #[serde(rename = "ServerURL")]
    server_url: &'a str,
    username: &'a str,
    secret: &'a str,
}

/// Asks `docker-credential-<name>` for the login at `host`; `None` where it has none.
///
/// FailedPrecondition where it is not installed, fails, or answers with something else;
/// DeadlineExceeded after 30 s, and then it has been killed.
pub async fn get(name: &str, host: &str) -> Result<Option<Credential>> {
    let program = program(name)?;
    let Some(said) = call(&program, "get", host, server(host), PATIENCE).await? else {
        return Ok(None);
    };
    read(&said, host).map_err(|why| Error::precondition(format!("{program} {why}")))
}

/// Gives `credential` to `docker-credential-<name>` to keep. Fails as [`get`] does.
pub async fn store(name: &str, credential: &Credential) -> Result<()> {
    let program = program(name)?;
    let (username, secret) = match &credential.login {
        Login::Basic { username, password } => (username.as_str(), password),
        Login::IdentityToken(token) => (TOKEN, token),
        Login::RegistryToken(_) => {
            return Err(Error::invalid(format!("{program} keeps no registry tokens")));
        }
    };
    let (host, secret) = (&*credential.host, secret.expose());
    let login = Stored { server_url: server(host), username, secret };
    let input = serde_json::to_string(&login)
        .map_err(|_| Error::internal("a login that cannot be written"))?;
    call(&program, "store", host, &input, PATIENCE).await.map(drop)
}

/// Has `docker-credential-<name>` forget the login at `host`; `false` where it had none. Fails as
/// [`get`] does.
pub async fn erase(name: &str, host: &str) -> Result<bool> {
    if get(name, host).await?.is_none() {
        return Ok(false);
    }
    let program = program(name)?;
    Ok(call(&program, "erase", host, server(host), PATIENCE).await?.is_some())
}

fn program(name: &str) -> Result<String> {
    if name.is_empty() || name.contains('/') {
        return Err(Error::precondition(format!("credential helper {name:?}: is no name")));
    }
    Ok(format!("docker-credential-{name}"))
}

/// What the program printed; `None` where it has no such login.
async fn call(
    program: &str,
    action: &str,
    host: &str,
    input: &str,
    patience: Duration,
) -> Result<Option<Vec<u8>>> {
    let child = spawn(program, action)?;
    // Dropping the child, as running out of time does, kills it.
    let run = tokio::time::timeout(patience, run(child, input)).await.map_err(|_| {
        let message = format!("{program} did not answer for {} s", patience.as_secs_f64());
        Error::new(Kind::DeadlineExceeded, message)
    })?;
    let io = |error| Error::precondition(format!("{program} cannot be asked")).with_source(error);
    let (succeeded, said, complained) = run.map_err(io)?;
    if said.len() as u64 > CAP {
        return Err(Error::precondition(format!("{program} printed more than {CAP} bytes")));
    }
    match succeeded {
        true => Ok(Some(said)),
        false => refused(program, host, &said, &complained).map(|()| None),
    }
}

fn spawn(program: &str, action: &str) -> Result<Child> {
    let mut command = Command::new(program);
    command.arg(action).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::precondition(format!(
            "{program} is not installed, and Docker's config.json says that it keeps the login"
        )),
        _ => Error::precondition(format!("{program} cannot be run")).with_source(error),
    })
}

/// Whether it succeeded, what it printed, and what it said on its standard error.
async fn run(mut child: Child, input: &str) -> std::io::Result<(bool, Vec<u8>, Vec<u8>)> {
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input.as_bytes()).await {
            // It may know without reading.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (said, complained) = tokio::try_join!(capped(out), capped(err))?;
    if said.len() as u64 > CAP {
        return Ok((false, said, complained));
    }
    Ok((child.wait().await?.success(), said, complained))
}

async fn capped(from: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(CAP + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// serde_json's own words may quote a secret: they are not told.
pub(crate) fn read(said: &[u8], host: &str) -> Result<Option<Credential>, &'static str> {
    let answer: Answer =
        serde_json::from_slice(said).map_err(|_| "answered something that is no login")?;
    let Answer { username, secret } = answer;
    if secret.is_empty() {
        return Ok(None);
    }
    let secret = Secret::new(secret);
    let login = match username == TOKEN {
        true => Login::IdentityToken(secret),
        false => Login::Basic { username, password: secret },
    };
    Ok(Some(Credential { host: host.to_owned(), login }))
}

/// Helpers say why on standard output; that they have nothing is no error.
fn refused(program: &str, host: &str, said: &[u8], complained: &[u8]) -> Result<()> {
    let said = String::from_utf8_lossy(said);
    if said.trim() == NONE {
        return Ok(());
    }
    let why = match said.trim().is_empty() {
        true => printable(&String::from_utf8_lossy(complained)),
        false => printable(&said),
    };
    let because = if why.is_empty() { String::new() } else { format!(": {why}") };
    Err(Error::precondition(format!("{program} has failed for {host}{because}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_login_an_identity_token_or_nothing() {
        let read = |text: &str| read(text.as_bytes(), "h").unwrap().map(|found| found.login);
        let password = Secret::new("s");
        let basic = Login::Basic { username: "me".into(), password: password.clone() };
        assert_eq!(read(r#"{"ServerURL":"h","Username":"me","Secret":"s"}"#), Some(basic));
        let token = Login::IdentityToken(password);
        assert_eq!(read(r#"{"Username":"<token>","Secret":"s"}"#), Some(token));
        assert_eq!(read(r#"{"Username":"","Secret":""}"#), None);
    }

    #[tokio::test]
    async fn one_that_does_not_answer_is_killed() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let (program, pid) = (directory.path().join("slow"), directory.path().join("pid"));
        let script = format!("#!/bin/sh\necho $$ > {}\nexec sleep 600\n", pid.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let patience = Duration::from_millis(500);
        let program = program.to_str().unwrap();
        let error = call(program, "get", "h", "h", patience).await.unwrap_err();
        assert_eq!(error.kind(), Kind::DeadlineExceeded);
        let pid = std::fs::read_to_string(pid).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z"));
        while runs() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_name_cannot_lead_to_another_program() {
        for name in ["", "../x", "x/y"] {
            assert_eq!(get(name, "h").await.unwrap_err().kind(), Kind::FailedPrecondition);
        }
        let error = get("there-is-none-of-this-name", "h").await.unwrap_err();
        assert!(error.message().contains("is not installed"), "{error}");
    }
}
