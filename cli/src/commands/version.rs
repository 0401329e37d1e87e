//! `varve version`.

use clap::Args;
use serde::Serialize;
use varve_core::{Platform, Result};
use varve_rpc::channel::channel;
use varve_rpc::version;

use crate::args::Global;
use crate::failure;
use crate::output::Output;
use crate::services;

/// Show the version, and that of the services of --address or --config
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve version --output json")]
pub struct Version {}

#[derive(Serialize)]
struct Facts {
    version: &'static str,
    platform: String,
    root: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    services: Vec<Service>,
}

#[derive(Serialize)]
struct Service {
    address: String,
    version: String,
}

impl Version {
    /// Needs no root: it only names it.
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let facts = Facts {
            version: env!("CARGO_PKG_VERSION"),
            platform: Platform::host().to_string(),
            root: crate::root::path(global.root.as_deref())?.display().to_string(),
            services: services(global).await?,
        };
        let mut lines = vec![
            format!("Version:   {}", facts.version),
            format!("Platform:  {}", facts.platform),
            format!("Root:      {}", facts.root),
        ];
        let service = |it: &Service| format!("Service:   {} at {}", it.version, it.address);
        lines.extend(facts.services.iter().map(service));
        Output { format: global.format() }.lines(&lines, &facts)
    }
}

/// Those that were named; one that does not answer is an error.
async fn services(global: &Global) -> Result<Vec<Service>> {
    let mut all = Vec::new();
    for address in services::remote::named(global)? {
        let version = version::ask(&channel(&address)).await;
        let version = version.map_err(|error| error.context(address.to_string()))?;
        all.push(Service { address: address.to_string(), version });
    }
    Ok(all)
}
