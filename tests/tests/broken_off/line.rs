//! A unix socket that leads to a server, and breaks once so many bytes went through it in both directions.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;
use varve_rpc::Address;

/// Small, so that a line breaks within messages.
const PIECE: usize = 1 << 10;

/// Dropped, all of its connections break.
pub struct Line {
    path: PathBuf,
    carried: Arc<AtomicU64>,
    _serving: AbortOnDropHandle<()>,
}

impl Line {
    /// To `server`, through a new socket in `dir`, for `limit` bytes.
    pub fn start(server: &Path, dir: &Path, limit: u64) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = dir.join(format!("line-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let listener = UnixListener::bind(&path).unwrap();
        let (carried, server) = (Arc::<AtomicU64>::default(), server.to_owned());
        let counted = carried.clone();
        let serving = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                lines.spawn(carry(client, server.clone(), counted.clone(), limit));
            }
        }));
        Self { path, carried, _serving: serving }
    }

    pub fn address(&self) -> Address {
        Address::Unix(self.path.clone())
    }

    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

/// Until one direction ends: then both have.
async fn carry(client: UnixStream, server: PathBuf, carried: Arc<AtomicU64>, limit: u64) {
    let Ok(server) = UnixStream::connect(server).await else { return };
    let ((from, to), (back, forth)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = pump(from, forth, &carried, limit) => {}
        () = pump(back, to, &carried, limit) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    carried: &AtomicU64,
    limit: u64,
) {
    let mut piece = [0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let before = carried.fetch_add(read as u64, Ordering::Relaxed);
        let part = limit.saturating_sub(before).min(read as u64) as usize;
        if to.write_all(&piece[..part]).await.is_err() || part < read {
            return;
        }
    }
}
