//! What is opened once for many inputs, as that takes longer than an input does.

use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};

/// Something open, which a number of inputs share: what one leaves, the next ones find. Then it is closed, and another
/// one opened.
pub struct Shared<R> {
    inputs: usize,
    open: fn() -> R,
    close: fn(R),
    /// How many inputs there were.
    now: Mutex<(usize, Option<R>)>,
}

impl<R> Shared<R> {
    pub const fn new(inputs: usize, open: fn() -> R, close: fn(R)) -> Self {
        Self { inputs, open, close, now: Mutex::new((0, None)) }
    }

    pub fn with<T>(&self, work: impl FnOnce(&R) -> T) -> T {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (used, room) = &mut *now;
        if used.is_multiple_of(self.inputs) {
            room.take().into_iter().for_each(self.close);
        }
        *used += 1;
        work(room.get_or_insert_with(self.open))
    }
}

/// For what takes a thread of its own.
pub fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a thread can be started")
}
