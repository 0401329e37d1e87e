//! Services in a directory of their own, and calls to them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;
use varve_content_store::ContentStore;
use varve_rpc::events::Bus;
use varve_rpc::introspection::Plugin;
use varve_rpc::{
    Shutdown, collect, containers, content, diff, events, fetcher, images, introspection, leases,
    namespaces, resolver, snapshots, unpack, version,
};
use varve_snapshotter::{Dependencies, Service};

use super::elsewhere::{Nowhere, One};
use super::{Call, methods};

/// What an answer may take. A test machine has other things to do; a hang has no end at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// After how long without a further answer a stream of them is left.
const IDLE: Duration = Duration::from_millis(20);
/// Answers of one call that are looked at.
const ANSWERS: usize = 64;

/// A store and a snapshotter, open.
pub struct Room {
    runtime: Runtime,
    routes: Routes,
    store: Arc<ContentStore>,
    snapshotter: Service,
    shutdown: Shutdown,
    _dir: TempDir,
}

impl Room {
    /// Opens them in a new directory.
    pub fn open() -> Self {
        let dir = crate::scratch::directory();
        let runtime = crate::shared::runtime();
        let shutdown = Shutdown::new();
        let (store, snapshotter) = runtime.block_on(services(&dir));
        let root = dir.path().join("snapshots");
        let routes = runtime.block_on(async { routes(&store, &snapshotter, root, &shutdown) });
        Self { runtime, routes, store, snapshotter, shutdown, _dir: dir }
    }

    /// Makes one call.
    ///
    /// # Panics
    /// Where it has no answer in time. A method that is none is not called.
    pub fn call(&self, call: &Call) -> Option<tonic::Code> {
        let method = methods().get(usize::from(call.method))?;
        let mut frames = BytesMut::new();
        let few = if method.takes_many { call.messages.len() } else { 1 };
        for message in call.messages.iter().take(few) {
            frames.put_u8(0);
            frames.put_u32(message.len() as u32);
            frames.put_slice(message);
        }
        let request = Request::post(&method.path)
            .header(header::CONTENT_TYPE, "application/grpc")
            .header("te", "trailers");
        let request = match call.leased {
            true => request.header("containerd-lease", "lease"),
            false => request,
        };
        let request = request.body(Body::new(Full::new(frames.freeze()))).expect("a path of ours");
        let answered = self.answer(request, method.gives_many);
        Some(answered.unwrap_or_else(|| panic!("{} has no answer: {call:?}", method.path)))
    }

    /// What came of it, in gRPC's word; `None` where nothing came. A stream that goes on is Ok.
    fn answer(&self, request: Request<Body>, gives_many: bool) -> Option<tonic::Code> {
        let routes = self.routes.clone();
        let whole = async {
            // Headers of a stream may come with its first answer only.
            let limit = if gives_many { IDLE * 5 } else { PATIENCE };
            let Ok(response) = timeout(limit, routes.oneshot(request)).await else {
                return gives_many.then_some(tonic::Code::Ok);
            };
            let (parts, body) = response.expect("routes answer").into_parts();
            if let Some(status) = tonic::Status::from_header_map(&parts.headers) {
                return Some(status.code());
            }
            match gives_many {
                true => Some(some(body).await),
                false => timeout(PATIENCE, some(body)).await.ok(),
            }
        };
        self.runtime.block_on(whole)
    }
}

/// Some of the answers, until they end or none comes for a while.
async fn some(mut body: Body) -> tonic::Code {
    for _ in 0..ANSWERS {
        match timeout(IDLE * 5, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let status = frame.trailers_ref().and_then(tonic::Status::from_header_map);
                if let Some(status) = status {
                    return status.code();
                }
            }
            Ok(Some(Err(status))) => return status.code(),
            Ok(None) => return tonic::Code::Unknown,
            Err(_) => return tonic::Code::Ok,
        }
    }
    tonic::Code::Ok
}

impl Room {
    /// Lets go of all of it.
    ///
    /// # Panics
    /// Where that fails, or does not end.
    pub fn close(self) {
        self.shutdown.start();
        let closed = async {
            self.store.close().await.expect("a store can be closed");
            self.snapshotter.close().await.expect("a snapshotter can be closed");
        };
        self.runtime.block_on(async { timeout(PATIENCE, closed).await }).expect("closing ends");
    }
}

async fn services(dir: &TempDir) -> (Arc<ContentStore>, Service) {
    let short = Duration::from_millis(200);
    let store = varve_content_store::Config {
        stall_limit: short,
        attendee_limit: short,
        max_writers: 8,
        ..varve_content_store::Config::new(dir.path().join("content"))
    };
    let store = varve_content_store::open(store).await.expect("a new store opens");
    let limits = varve_snapshotter::apply::Limits {
        total_bytes: 1 << 20,
        entries: 1000,
        ..varve_snapshotter::apply::Limits::default()
    };
    let config = varve_snapshotter::Config {
        parent_patience: short,
        limits,
        ..varve_snapshotter::Config::new(dir.path().join("snapshots"))
    };
    let neighbours = Dependencies { content: store.clone(), leases: store.clone() };
    let opened = varve_snapshotter::open_by_name("native", config, neighbours).await;
    (store, opened.expect("a new snapshotter opens"))
}

/// All that a process can serve.
fn routes(
    store: &Arc<ContentStore>,
    snapshotter: &Service,
    root: std::path::PathBuf,
    shutdown: &Shutdown,
) -> Routes {
    let one = Arc::new(One(snapshotter.clone(), root));
    let (all, bus) = (store.clone(), Bus::new());
    Routes::default()
        .add_service(content::server(all.clone()))
        .add_service(images::server(all.clone(), all.clone(), shutdown.clone()))
        .add_service(leases::server(all.clone(), all.clone()))
        .add_service(namespaces::server(all.clone()))
        .add_service(containers::server(all.clone()))
        .add_service(collect::server(
            all.clone(),
            all.clone(),
            all.clone(),
            all.clone(),
            all,
            shutdown.clone(),
        ))
        .add_service(events::server(bus, shutdown.clone()))
        .add_service(snapshots::server(one.clone()))
        .add_service(diff::server(one.clone()))
        .add_service(unpack::server(one))
        .add_service(resolver::server(Arc::new(Nowhere)))
        .add_service(fetcher::server(Arc::new(Nowhere)))
        .add_service(version::server("0", ""))
        .add_service(introspection::server(vec![Plugin::content()], "uuid"))
        .prepare()
}
