//! `varve daemon`: every service in one process, behind one socket.

use clap::Args;
use varve_core::{Error, Kind, Namespace, Result};
use varve_rpc::{Address, Shutdown, process, proxied};

use crate::args::Global;
use crate::config::Config;
use crate::failure;
use crate::root::{self, Candidate};
use crate::services::embedded::Embedded;
use crate::services::routes;

/// Serve a root to others: containerd's API and Varve's own, behind one socket
///
/// No daemon is needed to work with images; one is for many clients at once, and for those that
/// speak gRPC. It runs in the foreground until SIGTERM or Ctrl-C, and tells systemd when it is ready.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  varve daemon\n  varve daemon --listen http://127.0.0.1:7000\n  \
    varve --address unix:///run/varve/varve.sock images ls"
)]
pub struct Daemon {
    /// Where to listen: unix:///PATH, or http://127.0.0.1:PORT [default: the root's socket, which
    /// other commands look for]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<Address>,
    /// Where a containerd's proxy plugins find content and snapshots, on a socket of their own: see
    /// deploy/containerd
    #[arg(long, value_name = "ADDRESS")]
    proxy: Option<Address>,
    /// The namespace that all of it is in; nobody else may use it
    #[arg(long, value_name = "NAME", default_value = proxied::NAMESPACE)]
    proxy_namespace: Namespace,
}

impl Daemon {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        Ok(self.serve(global).await?)
    }

    async fn serve(self, global: &Global) -> Result<()> {
        let config = Config::of_owner(global)?;
        let candidate = Candidate::at(&root::path(global.root.as_deref())?)?;
        let root = candidate.own()?.map_err(|candidate| owned(&candidate))?;
        let shutdown = Shutdown::on_signal()?;
        let address = self.listen.unwrap_or_else(|| routes::address(&root.path));
        let embedded = Embedded::open(&root.path, &config, config.registry()).await?;
        embedded.announce_used().await;
        let listener = process::listen(&address).await?;
        let proxy = proxied::Config { listen: self.proxy, namespace: self.proxy_namespace };
        let proxy = proxy.bind().await?;
        process::ready();
        let (content, snapshotters) =
            (embedded.services.content.clone(), embedded.services.snapshotters.clone());
        let proxied = proxy.serve(Some(content), Some(snapshotters), shutdown.clone());
        let served = routes::served(&embedded, &shutdown);
        let serving =
            async { tokio::try_join!(varve_rpc::serve(listener, served, shutdown), proxied) };
        let ended = tokio::select! {
            ended = serving => ended,
            () = embedded.scrub(config.scrub) => unreachable!("it ends with what it stands beside"),
        };
        process::stopping();
        ended.map(drop).and(embedded.close().await)
    }
}

fn owned(candidate: &Candidate) -> Error {
    let (whom, root) = (candidate.owner(), candidate.path().display());
    Error::new(Kind::Unavailable, format!("root {root}: {whom} uses it; stop it or wait for it"))
}
