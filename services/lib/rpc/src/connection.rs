//! One connection of a server: what its client asks for is begun, worked at, and answered.
//!
//! Most requests have a task each. One that reads a blob is worked at in the connection's own task, between taking it
//! in and sending its answer: clients of containerd read 32 KiB at a time, which is over sooner than another task
//! would have begun. What all frames of a turn hold goes out in one call ([`Gathered`]).

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::body::Body;
use tonic::service::Routes;
use tower::{BoxError, Service};
use varve_core::content::Content;

use crate::channel::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::content::piece::{self, Answer};
use crate::deadline;
use crate::gathered::Gathered;
use crate::shutdown::Shutdown;
use crate::turns::Turns;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Requests under way at once.
const STREAMS: u32 = 1024;
/// Bytes of a frame that is taken in.
const FRAME: u32 = 1 << 20;
/// Answers of reads that may wait to be written.
const AT_ONCE: usize = 8;
/// What is worked at in the connection's task.
const READ: &str = "/containerd.services.content.v1.Content/Read";

/// What there is to ask for.
#[derive(Clone)]
pub struct Services {
    routes: Routes,
    /// Behind `routes`, too: whose pieces have a shorter way.
    content: Option<Arc<dyn Content>>,
}

impl Services {
    pub fn new(routes: Routes, content: Option<Arc<dyn Content>>) -> Self {
        Self { routes: routes.prepare(), content }
    }

    async fn answer(
        mut self,
        request: Request<Incoming>,
        reads: bool,
    ) -> Result<Response<Answer>, Infallible> {
        let request = match &self.content {
            Some(content) if reads => match piece::answer(&**content, request).await {
                Ok(answer) => return Ok(answer),
                Err(request) => request,
            },
            _ => request.map(Body::new),
        };
        Ok(self.routes.call(request).await?.map(Answer::Any))
    }
}

/// Serves until the client has gone, or, once `stop` has begun, has all its answers.
pub async fn serve<S>(stream: S, services: Services, stop: Shutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, sender) = Gathered::new(stream);
    let mut reads = Reads::default();
    let begun = reads.begun.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let reads = request.uri().path() == READ;
        begun.next_is_read(reads);
        deadline::keep(deadline::of(request.headers()), services.clone().answer(request, reads))
    });
    let connection = Builder::new(reads.begun.clone())
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_frame_size(FRAME)
        .serve_connection(TokioIo::new(stream), service);
    let (mut connection, mut stopping) = (pin!(connection), pin!(stop.started()));
    let mut stops = false;
    let mut turn = |context: &mut Context<'_>| -> Poll<Result<(), BoxError>> {
        if !stops && stopping.as_mut().poll(context).is_ready() {
            stops = true;
            connection.as_mut().graceful_shutdown();
        }
        loop {
            // One that ends well has sent all that was gathered.
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                return Poll::Ready(ended.map_err(Into::into));
            }
            // What a read has answered is the connection's to write, before anything is sent.
            if !reads.poll(context) && !ready!(sender.poll_send(context))? {
                return Poll::Pending;
            }
        }
    };
    let turns = Turns::new();
    let ended = poll_fn(|task| turns.poll(task, &mut turn)).await;
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection has ended");
    }
}

/// Reads, in the task of their connection.
#[derive(Default)]
struct Reads {
    begun: Begun,
    under_way: FuturesUnordered<Work>,
}

impl Reads {
    /// Works at those that can go on, until some have ended: their answers are to be on their way before there are
    /// more. Answers whether any has.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        self.under_way.extend(self.begun.take());
        let mut ended = 0;
        while ended < AT_ONCE
            && let Poll::Ready(Some(())) = self.under_way.poll_next_unpin(context)
        {
            ended += 1;
        }
        ended > 0
    }
}

/// Requests that hyper begins: it makes the answer of each, and has it executed at once.
#[derive(Clone, Default)]
struct Begun(Arc<Next>);

#[derive(Default)]
struct Next {
    is_read: AtomicBool,
    reads: Mutex<Vec<Work>>,
}

impl Begun {
    fn next_is_read(&self, is_read: bool) {
        self.0.is_read.store(is_read, Ordering::Relaxed);
    }

    fn reads(&self) -> MutexGuard<'_, Vec<Work>> {
        // Held for a moment only; requests in tasks of their own have this too, and begin nothing.
        self.0.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Work> {
        std::mem::take(&mut *self.reads())
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Begun {
    fn execute(&self, request: F) {
        match self.0.is_read.swap(false, Ordering::Relaxed) {
            // One that panics is one request's end, as in a task of its own.
            true => self.reads().push(Box::pin(AssertUnwindSafe(request).catch_unwind().map(drop))),
            false => drop(tokio::spawn(request)),
        }
    }
}
