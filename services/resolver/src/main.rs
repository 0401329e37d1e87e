//! The process `varve-resolver`: the resolver behind a listener.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Deserialize;
use varve_core::Result;
use varve_core::oci::Bounds;
use varve_registry::Client;
use varve_resolver::Dependencies;
use varve_rpc::channel::channel;
use varve_rpc::{Address, Served, Shutdown, content, process, serve};

/// deploy/config/resolver.toml says what each is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    listen: Address,
    content_store: Address,
    #[serde(default)]
    registry: varve_registry::Config,
    #[serde(default)]
    images: Bounds,
}

fn main() -> ExitCode {
    process::run("varve-resolver", run)
}

async fn run(config: Config) -> Result<()> {
    let shutdown = Shutdown::on_signal()?;
    let content = Arc::new(content::Client::new(channel(&config.content_store)));
    let registry = varve_registry::Config { images: config.images, ..config.registry };
    let dependencies = Dependencies { content, registry: Client::new(registry) };
    let config_of_images = varve_resolver::Config { images: config.images };
    let resolver = varve_resolver::open(config_of_images, dependencies);
    let listener = process::listen(&config.listen).await?;
    process::ready();
    let served = Served::default().resolver(Arc::new(resolver));
    let ended = serve(listener, served, shutdown).await;
    process::stopping();
    ended
}
