//! The process `varve-snapshotter`: the snapshotters of a root behind a listener.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Deserialize;
use varve_core::Result;
use varve_rpc::channel::channel;
use varve_rpc::events::Announcer;
use varve_rpc::{
    Address, Served, Shutdown, announce, collect, content, leases, process, proxied, serve,
};
use varve_snapshotter::{DRIVERS, Dependencies, Set};

/// deploy/config/snapshotter.toml says what each is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    listen: Address,
    content_store: Address,
    root: PathBuf,
    #[serde(default)]
    snapshotter: varve_snapshotter::Config,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    #[serde(default)]
    proxy: proxied::Config,
}

fn main() -> ExitCode {
    process::run("varve-snapshotter", run)
}

async fn run(config: Config) -> Result<()> {
    let shutdown = Shutdown::on_signal()?;
    // Bulk bytes have a connection of their own, so that they never hold up a question.
    let (store, bulk) = (channel(&config.content_store), channel(&config.content_store));
    let neighbours = Dependencies {
        content: Arc::new(content::Client::new(bulk)),
        leases: Arc::new(leases::Client::new(store.clone())),
    };
    let collector = Arc::new(collect::Client::new(store.clone()));
    let root = config.root.join("snapshotters");
    let template = varve_snapshotter::Config { root, ..config.snapshotter };
    let set = Arc::new(Set::new(template, config.aliases, neighbours, collector));
    set.announce_used().await;
    let listener = process::listen(&config.listen).await?;
    let proxy = config.proxy.bind().await?;
    process::ready();
    let telling = announce::snapshotters(set.clone(), &Announcer::elsewhere(store));
    let proxied = proxy.serve(None, Some(telling.clone()), shutdown.clone());
    let served = Served::default().snapshotters(telling, &DRIVERS);
    let ended = tokio::try_join!(serve(listener, served, shutdown), proxied);
    process::stopping();
    ended.map(drop).and(set.close().await)
}
