//! Work of several parts in one task, which wake each other.
//!
//! A part that wakes another while the task is at work anyway has the task go on, and nobody else is told: a runtime
//! would put a task that wakes itself behind all others and call one more of its threads for help.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

const ASLEEP: u8 = 0;
const AT_WORK: u8 = 1;
/// While at work, or since.
const WOKEN: u8 = 2;

/// Times that the parts may wake each other before others have their turn. (A part that has used up what tokio lets a
/// task do in one turn is woken after it, which is no such time.)
const ROUNDS: usize = 16;

/// The turns of one task.
pub struct Turns {
    state: Arc<State>,
    waker: Waker,
}

struct State {
    now: AtomicU8,
    task: AtomicWaker,
}

impl Turns {
    pub fn new() -> Self {
        let state = Arc::new(State { now: AtomicU8::new(ASLEEP), task: AtomicWaker::new() });
        Self { waker: state.clone().into(), state }
    }

    /// Works, and again as long as one part has woken another.
    pub fn poll<T>(
        &self,
        task: &mut Context<'_>,
        mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.state.task.register(task.waker());
        let mut context = Context::from_waker(&self.waker);
        for _ in 0..ROUNDS {
            // What was done before somebody was woken is seen from here on.
            self.state.now.swap(AT_WORK, Ordering::AcqRel);
            if let done @ Poll::Ready(_) = work(&mut context) {
                return done;
            }
            if self.state.sleeps() {
                return Poll::Pending;
            }
        }
        self.state.now.swap(ASLEEP, Ordering::AcqRel);
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl State {
    /// Whether nobody was woken meanwhile; then the next one to be so wakes the task.
    fn sleeps(&self) -> bool {
        self.now.compare_exchange(AT_WORK, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Wake for State {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.now.swap(WOKEN, Ordering::AcqRel) == ASLEEP {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts.
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_is_woken_at_work_goes_on_and_whoever_sleeps_is_woken_once() {
        let (turns, task) = (Turns::new(), Arc::new(Task(AtomicUsize::new(0))));
        let waker = Waker::from(task.clone());
        let mut rounds = 0;
        let polled = turns.poll(&mut Context::from_waker(&waker), |context| {
            rounds += 1;
            if rounds < 3 {
                context.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        assert_eq!((rounds, task.0.load(Ordering::Relaxed)), (3, 0));
        turns.waker.wake_by_ref();
        turns.waker.wake_by_ref();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        assert!(turns.poll(&mut Context::from_waker(&waker), |_| Poll::Ready(())).is_ready());
    }

    #[test]
    fn parts_that_wake_each_other_for_ever_let_others_have_their_turn() {
        let (turns, task) = (Turns::new(), Arc::new(Task(AtomicUsize::new(0))));
        let waker = Waker::from(task.clone());
        let polled = turns.poll(&mut Context::from_waker(&waker), |context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_is_forgotten_who_is_woken_from_elsewhere() {
        let (to, mut from) = tokio::sync::mpsc::channel(1);
        let sender = tokio::spawn(async move {
            for n in 0..20_000_u32 {
                to.send(n).await.unwrap();
            }
        });
        let turns = Turns::new();
        for n in 0..20_000 {
            let next =
                std::future::poll_fn(|task| turns.poll(task, |context| from.poll_recv(context)));
            assert_eq!(next.await, Some(n));
        }
        sender.await.unwrap();
    }
}
