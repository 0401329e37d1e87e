//! The process `varve-fetcher`: the fetcher behind a listener.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Deserialize;
use varve_core::Result;
use varve_core::oci::Bounds;
use varve_fetcher::Dependencies;
use varve_registry::Client;
use varve_rpc::channel::channel;
use varve_rpc::{Address, Served, Shutdown, content, process, serve};

/// deploy/config/fetcher.toml says what each is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    listen: Address,
    content_store: Address,
    #[serde(default)]
    registry: varve_registry::Config,
    #[serde(default)]
    fetcher: varve_fetcher::Config,
    #[serde(default)]
    images: Bounds,
}

fn main() -> ExitCode {
    process::run("varve-fetcher", run)
}

async fn run(config: Config) -> Result<()> {
    let shutdown = Shutdown::on_signal()?;
    let content = Arc::new(content::Client::new(channel(&config.content_store)));
    let registry = varve_registry::Config { images: config.images, ..config.registry };
    let dependencies = Dependencies { content, registry: Client::new(registry) };
    let fetcher = varve_fetcher::open(config.fetcher, dependencies);
    let listener = process::listen(&config.listen).await?;
    process::ready();
    let served = Served::default().fetcher(Arc::new(fetcher));
    let ended = serve(listener, served, shutdown).await;
    process::stopping();
    ended
}
