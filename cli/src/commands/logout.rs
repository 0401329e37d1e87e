//! `varve logout`: forgets a login.

use clap::Args;
use serde::Serialize;
use varve_registry::docker_config;

use super::login;
use crate::args::Global;
use crate::failure;
use crate::output::Output;

/// Forget the login at a registry
///
/// It is taken out of Docker's config.json, and away from the credential helper that this file names.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve logout registry.example:5000")]
pub struct Logout {
    /// The registry's host, as for `varve login` [default: docker.io]
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    server: String,
    /// Whether there was a login.
    removed: bool,
}

impl Logout {
    /// Needs no root and no service.
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let server = login::host(self.server.as_deref());
        let removed = docker_config::forget(&server).await?;
        let line = match removed {
            true => format!("Removing login credentials for {server}"),
            false => format!("Not logged in to {server}"),
        };
        Output { format: global.format() }.lines(&[line], &Report { server, removed })
    }
}
