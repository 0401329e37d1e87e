//! The process `varve-content-store`: the store behind a listener.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Deserialize;
use varve_content_store::Scrub;
use varve_core::Result;
use varve_core::oci::Bounds;
use varve_rpc::events::{Announcer, Bus};
use varve_rpc::{Address, Served, Shutdown, announce, process, proxied, serve};

/// deploy/config/content-store.toml says what each is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    listen: Address,
    root: PathBuf,
    #[serde(default)]
    store: varve_content_store::Config,
    #[serde(default)]
    images: Bounds,
    #[serde(default)]
    proxy: proxied::Config,
    #[serde(default)]
    scrub: Scrub,
}

fn main() -> ExitCode {
    process::run("varve-content-store", run)
}

async fn run(config: Config) -> Result<()> {
    let shutdown = Shutdown::on_signal()?;
    let (dir, images) = (config.root.join("content"), config.images);
    let store = varve_content_store::Config { dir, images, ..config.store };
    let store = varve_content_store::open(store).await?;
    let listener = process::listen(&config.listen).await?;
    let proxy = config.proxy.bind().await?;
    process::ready();
    let bus = Bus::new();
    let telling = announce::store(store.clone(), &Announcer::here(&bus));
    let proxied = proxy.serve(Some(telling.content.clone()), None, shutdown.clone());
    let served = Served::default().content_store(telling, bus, &shutdown);
    let serving = async { tokio::try_join!(serve(listener, served, shutdown), proxied) };
    let ended = tokio::select! {
        ended = serving => ended,
        () = store.scrub(config.scrub) => unreachable!("it ends with what it stands beside"),
    };
    process::stopping();
    ended.map(drop).and(store.close().await)
}
