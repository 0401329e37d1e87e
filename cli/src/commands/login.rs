//! `varve login`: checks a login at its registry, and keeps it where Docker does.

use std::convert::Infallible;

use clap::Args;
use serde::Serialize;
use varve_core::reference::DEFAULT_DOMAIN;
use varve_core::remotes::{Credential, Login as Way, Secret};
use varve_core::{Error, Kind, Result};
use varve_registry::Client;
use varve_registry::docker_config::{self, Kept};

use crate::args::Global;
use crate::failure;
use crate::output::Output;
use crate::progress;
use crate::prompt;
use crate::pull::Logins;

/// Log in to a registry
///
/// The registry is asked whether the login is good; then it is kept in Docker's config.json, or with the credential
/// helper that this file names. Where nobody can be asked give the password on stdin.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve login registry.example\n  \
    pass show registry | varve login -u me --password-stdin registry.example:5000")]
pub struct Login {
    /// The registry's host, with its port if it has one [default: docker.io]
    #[arg(value_name = "SERVER")]
    server: Option<String>,
    /// The user name
    #[arg(long, short, value_name = "NAME")]
    username: Option<String>,
    /// The password; whoever can list processes can read it: --password-stdin is better
    #[arg(long, short, value_name = "PASSWORD", value_parser = secret)]
    #[arg(conflicts_with = "password_stdin")]
    password: Option<Secret>,
    /// Read the password from stdin
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// Speak http to a registry that is not on this machine
    #[arg(long)]
    plain_http: bool,
}

#[derive(Serialize)]
struct Report {
    server: String,
    username: String,
    /// The helper that keeps it; none where the file itself does.
    helper: Option<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "clap's form")]
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

/// The host that a person, or a reference, means by `server`.
pub fn host(server: Option<&str>) -> String {
    docker_config::named(server.unwrap_or(DEFAULT_DOMAIN)).to_owned()
}

impl Login {
    /// Needs no root and no service.
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let host = host(self.server.as_deref());
        let client = Client::new(global.registry()?);
        if self.password.is_some() {
            progress::warn(
                "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
            );
        }
        let known = match self.is_bare() {
            true => Logins::load().await?.find(&host).await?,
            false => None,
        };
        let credential = match known {
            Some(known) if self.is_still_good(&client, &known).await? => known,
            known => {
                let login = self.ask(known.as_ref()).await?;
                Credential { host, login }
            }
        };
        let identity = client.log_in(&credential, self.plain_http).await?;
        let report = keep(credential, identity).await?;
        Output { format: global.format() }.lines(&["Login Succeeded".into()], &report)
    }

    /// Whether nothing was said but, perhaps, where.
    fn is_bare(&self) -> bool {
        self.username.is_none() && self.password.is_none()
    }

    /// Whether what is kept from before is accepted.
    async fn is_still_good(&self, client: &Client, known: &Credential) -> Result<bool> {
        let whose = match username(known) {
            "" => String::new(),
            name => format!(" [Username: {name}]"),
        };
        progress::warn(&format!("Authenticating with existing credentials...{whose}"));
        match client.log_in(known, self.plain_http).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() != Kind::Unauthenticated => Err(error),
            Err(error) => {
                progress::warn(&format!("They are not good any more: {}", error.chain()));
                Ok(false)
            }
        }
    }

    /// What was given, and of a person what was not.
    async fn ask(&self, known: Option<&Credential>) -> Result<Way> {
        let given = self.username.is_some() && (self.password.is_some() || self.password_stdin);
        if !given && !prompt::is_interactive() {
            return Err(Error::invalid(
                "Cannot perform an interactive login from a non TTY device; give --username and \
                 --password-stdin",
            ));
        }
        let username = match (&self.username, known.map_or("", username)) {
            (Some(name), _) => name.clone(),
            (None, "") => prompt::line("Username: ").await?,
            (None, before) => match prompt::line(&format!("Username ({before}): ")).await? {
                empty if empty.trim().is_empty() => before.to_owned(),
                name => name,
            },
        };
        let password = match &self.password {
            Some(password) => password.clone(),
            None if self.password_stdin => prompt::secret_of_stdin().await?,
            None => prompt::secret("Password: ").await?,
        };
        checked(username.trim(), password)
    }
}

/// An empty one would be sent as if it were none.
fn checked(username: &str, password: Secret) -> Result<Way> {
    if username.is_empty() || username.contains(':') {
        return Err(Error::invalid("the user name must not be empty, nor have a colon in it"));
    }
    if password.expose().is_empty() {
        return Err(Error::invalid("the password must not be empty; type it, or give it on stdin"));
    }
    Ok(Way::Basic { username: username.to_owned(), password })
}

fn username(credential: &Credential) -> &str {
    match &credential.login {
        Way::Basic { username, .. } => username,
        Way::IdentityToken(_) | Way::RegistryToken(_) => "",
    }
}

/// An identity token is kept in place of the password that it was given for.
async fn keep(credential: Credential, identity: Option<Secret>) -> Result<Report> {
    let (server, username) = (credential.host.clone(), username(&credential).to_owned());
    let credential = match identity {
        Some(token) => Credential { login: Way::IdentityToken(token), ..credential },
        None => credential,
    };
    let helper = match docker_config::keep(&credential, &username).await? {
        Kept::Helper(name) => Some(name),
        Kept::Plain(path) => {
            let path = path.display();
            progress::warn(&format!(
                "WARNING! The login is stored unencrypted in {path}; a helper that its \"credsStore\" \
                 names would keep it safely"
            ));
            None
        }
    };
    Ok(Report { server, username, helper })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_its_host_however_it_is_written() {
        for (server, want) in [
            (None, "docker.io"),
            (Some("https://index.docker.io/v1/"), "docker.io"),
            (Some("http://h:5000/v2/"), "h:5000"),
            (Some("h.example"), "h.example"),
        ] {
            assert_eq!(host(server), want);
        }
    }

    #[test]
    fn an_empty_name_or_password_is_no_login() {
        for (name, password) in [("", "x"), ("a:b", "x"), ("me", "")] {
            let error = checked(name, Secret::new(password)).unwrap_err();
            assert!(error.message().contains("must not be empty"), "{error}");
        }
        assert!(checked("me", Secret::new("x")).is_ok());
    }

    #[test]
    fn a_password_is_not_in_what_is_printed_of_the_command_line() {
        use clap::Parser;
        let line = ["varve", "login", "-u", "me", "-p", "hunter2"];
        let cli = crate::args::Cli::try_parse_from(line).unwrap();
        assert!(!format!("{cli:?}").contains("hunter2"));
    }
}
