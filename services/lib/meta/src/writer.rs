//! The writer: one thread that runs operations in groups, makes each group durable with one batch
//! and one sync, and answers afterwards. A group of operations that may last later is not synced.

use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use varve_core::{Error, Result};

use crate::db::{Core, Options};
use crate::fault::words;
use crate::keeper::Keeper;
use crate::state::State;
use crate::tx::Tx;

/// The most operations in one group.
const GROUP: usize = 256;

/// How long the queue must be empty before what was not synced is, and an export that is due is written.
const IDLE: Duration = Duration::from_millis(200);

/// When a write is on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lasts {
    /// Before it is answered.
    Now,
    /// With the next write that lasts, a moment later, or at the close: whichever comes first.
    Later,
}

enum Message {
    Op(Box<dyn Job>),
    Export(Sender<Result<()>>),
    Stop(Sender<Result<Option<State>>>),
}

/// The handle on the thread.
pub(crate) struct Writer {
    queue: Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    id: ThreadId,
}

impl Writer {
    pub fn start(
        core: Arc<Core>,
        state: State,
        exported: Option<u64>,
        options: &Options,
    ) -> Result<Self> {
        let (queue, inbox) = mpsc::channel();
        let keeper = Keeper::new(core, state, exported, options.export_every)?;
        let thread = thread::Builder::new()
            .name(format!("meta-{}", options.name))
            .spawn(move || run(keeper, &inbox))
            .map_err(|error| Error::io("starting the metadata writer", error))?;
        let id = thread.thread().id();
        Ok(Self { queue, thread: Mutex::new(Some(thread)), id })
    }

    /// Queues an operation; `reply` is called with its result, or dropped where the writer is gone.
    pub fn submit<T, F, R>(&self, op: F, lasts: Lasts, reply: R)
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx) -> Result<T> + Send + 'static,
        R: FnOnce(Result<T>) + Send + 'static,
    {
        // A failed send drops the job, and with it the reply.
        let op = Op { op: Some(op), lasts, result: None, reply };
        let _ = self.queue.send(Message::Op(Box::new(op)));
    }

    /// Whether the caller is an operation, which would wait for itself.
    pub fn is_current(&self) -> bool {
        self.id == thread::current().id()
    }

    /// Exports; `None` where the writer is gone.
    pub fn export(&self) -> Option<Result<()>> {
        let (reply, answer) = mpsc::channel();
        let _ = self.queue.send(Message::Export(reply));
        answer.recv().ok()
    }

    /// Finishes what is queued, exports what changed, ends the thread and answers the state that is
    /// left, the first time; on that thread itself, where nothing can be waited for, only asks for
    /// it and answers `None`.
    pub fn stop(&self) -> Option<Result<Option<State>>> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = thread.take() else { return Some(Ok(None)) };
        let (reply, answer) = mpsc::channel();
        let _ = self.queue.send(Message::Stop(reply));
        if self.is_current() {
            return None;
        }
        let _ = running.join();
        let died = || Err(Error::internal("the metadata writer died"));
        Some(answer.try_recv().unwrap_or_else(|_| died()))
    }
}

fn run(mut keeper: Keeper, inbox: &Receiver<Message>) {
    loop {
        let first = match keeper.rest_in() {
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => inbox.recv_timeout(due.max(IDLE)),
        };
        let control = match first {
            Ok(Message::Op(job)) => run_group(&mut keeper, inbox, job),
            Ok(control) => Some(control),
            Err(RecvTimeoutError::Timeout) => {
                keeper.rest();
                None
            }
            Err(RecvTimeoutError::Disconnected) => return keeper.export_or_log(),
        };
        match control {
            None | Some(Message::Op(_)) => {}
            Some(Message::Export(reply)) => drop(reply.send(keeper.export())),
            Some(Message::Stop(reply)) => return drop(reply.send(keeper.close())),
        }
    }
}

/// Runs `first` and whatever else is queued as one group; gives back the message that ended it.
fn run_group(
    keeper: &mut Keeper,
    inbox: &Receiver<Message>,
    first: Box<dyn Job>,
) -> Option<Message> {
    let mut tx = keeper.begin();
    let mut jobs = Vec::new();
    let mut next = Some(first);
    let mut control = None;
    while let Some(mut job) = next.take() {
        tx.settle_after(|tx| job.run(tx));
        jobs.push(job);
        match (jobs.len() < GROUP).then(|| inbox.try_recv()) {
            Some(Ok(Message::Op(job))) => next = Some(job),
            Some(Ok(other)) => control = Some(other),
            Some(Err(_)) | None => {}
        }
    }
    let now = jobs.iter().any(|job| job.lasts() == Lasts::Now);
    let lasts = if now { Lasts::Now } else { Lasts::Later };
    let committed = keeper.commit(tx.into_changes(), lasts);
    for job in jobs {
        // Dropping a result that nobody waits for runs the caller's code.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| job.answer(&committed)));
    }
    control
}

impl Tx {
    fn settle_after(&mut self, run: impl FnOnce(&mut Tx) -> bool) {
        let keep = run(self);
        self.settle(keep);
    }
}

/// An operation whose result type is forgotten.
trait Job: Send {
    /// Runs it; whether its changes are to be kept.
    fn run(&mut self, tx: &mut Tx) -> bool;
    fn lasts(&self) -> Lasts;
    /// Answers: with its own result, or with the failure of the commit.
    fn answer(self: Box<Self>, committed: &Result<()>);
}

struct Op<F, T, R> {
    op: Option<F>,
    lasts: Lasts,
    result: Option<Result<T>>,
    reply: R,
}

impl<T, F, R> Job for Op<F, T, R>
where
    T: Send + 'static,
    F: FnOnce(&mut Tx) -> Result<T> + Send + 'static,
    R: FnOnce(Result<T>) + Send + 'static,
{
    fn run(&mut self, tx: &mut Tx) -> bool {
        let Some(op) = self.op.take() else { return false };
        let result = panic::catch_unwind(AssertUnwindSafe(|| op(tx))).unwrap_or_else(|panic| {
            Err(Error::internal(format!("a metadata operation panicked: {}", words(&*panic))))
        });
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn lasts(&self) -> Lasts {
        self.lasts
    }

    fn answer(self: Box<Self>, committed: &Result<()>) {
        let own = self.result.unwrap_or_else(|| Err(Error::internal("the operation never ran")));
        (self.reply)(match (own, committed) {
            (Ok(_), Err(error)) => Err(copy(error)),
            (own, _) => own,
        });
    }
}

/// One failure, told to each operation of the group.
fn copy(error: &Error) -> Error {
    Error::new(error.kind(), error.chain())
}
