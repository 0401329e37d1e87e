//! Sled's threads, and what they do until they may.
//!
//! The first open of a process has sled begin seven threads, which spin until the thread that began them has made their
//! queue (sled 0.34, `lazy` and `threadpool`). On few processors one of them gets that thread's own, and all spin until
//! their time is up, one after the other: 4 to 8 ms, of a command that is done in 10. So whoever opens comes before
//! them for as long as that takes, where this process may say so (CAP_SYS_NICE); threads that it begins do not inherit
//! it (SCHED_RESET_ON_FORK, sched(7)).

use rustix::process::{getpriority_process, setpriority_process};

/// Does `open` with nobody of this process before it. Threads that it begins are as all others, and afterwards this
/// one is so, too.
pub(crate) fn undisturbed<T>(open: impl FnOnce() -> T) -> T {
    // Whoever has another policy or priority was given it by somebody, and keeps it.
    let usual = policy() == libc::SCHED_OTHER && getpriority_process(None).is_ok_and(|it| it == 0);
    let first = usual && set_priority(-20);
    if first && !set(libc::SCHED_RESET_ON_FORK) {
        set_priority(0);
    }
    let opened = open();
    if first {
        set_priority(0);
        set(0);
    }
    opened
}

/// Whether it could be set, of this thread.
fn set_priority(priority: i32) -> bool {
    setpriority_process(None, priority).is_ok()
}

/// Of this thread.
#[expect(unsafe_code, reason = "rustix has no policies of scheduling")]
fn policy() -> libc::c_int {
    // SAFETY: takes a thread's number, 0 for this one, and answers a number.
    unsafe { libc::sched_getscheduler(0) }
}

/// The usual policy with `flags`; whether it could be set.
#[expect(unsafe_code, reason = "rustix has no policies of scheduling")]
fn set(flags: libc::c_int) -> bool {
    // The one that this policy has.
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: reads the parameters during the call.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER | flags, &raw const parameters) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (libc::c_int, i32) {
        (policy(), getpriority_process(None).unwrap())
    }

    #[test]
    fn threads_that_are_begun_and_this_one_afterwards_are_as_before() {
        let before = state();
        let (within, begun) = undisturbed(|| (state(), std::thread::spawn(state).join().unwrap()));
        assert_eq!([begun, state()], [before, before]);
        if before == (libc::SCHED_OTHER, 0) && set_priority(-1) {
            assert!(set_priority(0));
            assert_eq!(within, (libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, -20));
        }
    }
}
