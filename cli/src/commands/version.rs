//! `varve version`.

use clap::Args;
use serde::Serialize;
use varve_core::Platform;

use crate::args::Global;
use crate::failure::Result;
use crate::output::Output;

/// Show the version
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve version --output json")]
pub struct Version {}

#[derive(Serialize)]
struct Facts {
    version: &'static str,
    platform: String,
    root: String,
}

impl Version {
    /// Needs no root: it only names it.
    pub fn run(self, global: &Global) -> Result<()> {
        let facts = Facts {
            version: env!("CARGO_PKG_VERSION"),
            platform: Platform::host().to_string(),
            root: crate::root::path(global.root.as_deref())?.display().to_string(),
        };
        let lines = [
            format!("Version:   {}", facts.version),
            format!("Platform:  {}", facts.platform),
            format!("Root:      {}", facts.root),
        ];
        Output { format: global.output }.lines(&lines, &facts)
    }
}
