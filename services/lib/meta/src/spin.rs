//! Sled's threads, and what they do until they may.
//!
//! The first open of a process has sled begin seven threads, which spin until the thread that began them has made their
//! queue (sled 0.34, `lazy` and `threadpool`). On few processors one of them takes that thread's own, and spins until
//! its time is up: 4 ms, of a command that is done in 10. A thread of the policy SCHED_BATCH takes the processor from
//! nobody who is at work (sched(7)), and otherwise has as much of it as any other; threads inherit it.

use std::ptr;

/// Does `open` so that threads that it begins let it be. They keep that policy, and this thread has its own again.
pub(crate) fn undisturbed<T>(open: impl FnOnce() -> T) -> T {
    // Whoever has another policy was given it by somebody, and keeps it.
    let usual = policy() == libc::SCHED_OTHER && set(libc::SCHED_BATCH);
    let opened = open();
    if usual {
        set(libc::SCHED_OTHER);
    }
    opened
}

/// Of this thread.
#[expect(unsafe_code, reason = "rustix has no policies of scheduling")]
fn policy() -> libc::c_int {
    // SAFETY: takes a thread's number, 0 for this one, and answers a number.
    unsafe { libc::sched_getscheduler(0) }
}

/// Whether it could be set.
#[expect(unsafe_code, reason = "rustix has no policies of scheduling")]
fn set(policy: libc::c_int) -> bool {
    // Both policies have the priority 0 alone.
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: reads the parameters during the call.
    unsafe { libc::sched_setscheduler(0, policy, ptr::from_ref(&parameters)) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_are_begun_are_batch_and_this_one_is_as_before() {
        let before = policy();
        let begun = undisturbed(|| std::thread::spawn(policy)).join().unwrap();
        assert_eq!(policy(), before);
        let wanted = if before == libc::SCHED_OTHER { libc::SCHED_BATCH } else { before };
        assert_eq!(begun, wanted);
    }
}
