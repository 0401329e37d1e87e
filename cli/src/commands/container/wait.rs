//! `varve wait`.

use clap::Args;
use varve_core::Error;

use super::each::Each;
use crate::args::Global;
use crate::container::place::Base;
use crate::container::stop;
use crate::failure;
use crate::output;

/// Wait until containers have ended, and print their exit statuses
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  id=$(varve run -d alpine sleep 5); varve wait $id")]
pub struct Wait {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Wait {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let mut each = Each::find(global, &Base::of(global)?, &self.containers).await?;
        for (_, found) in std::mem::take(&mut each.found) {
            let place = found.place.clone();
            let waited = tokio::task::spawn_blocking(move || stop::wait(&place, None)).await;
            let waited = waited.map_err(|error| Error::internal("waiting").with_source(error))?;
            output::tell(&waited?.unwrap_or_default().to_string());
        }
        each.end()
    }
}
