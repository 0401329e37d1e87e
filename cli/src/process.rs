//! Which process made something, told so that it stays true: a process id comes again, a process id
//! with its start and the boot does not. What another pid namespace (a container) calls a process
//! says nothing here, so the namespace is part of it. And how processes end that this one did not begin.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};
use varve_core::{Error, Result, boot_id};

/// `boot/pid namespace/pid/start` of this process.
pub fn identity() -> Result<String> {
    identity_of(std::process::id())
}

/// The same of another process that is seen from here.
pub fn identity_of(pid: u32) -> Result<String> {
    let start = start(pid)
        .ok_or_else(|| Error::internal(format!("/proc does not tell of the process {pid}")))?;
    Ok(format!("{}/{}/{pid}/{start}", boot_id()?, pid_namespace()?))
}

/// Whether the process of that [`identity`] is gone. What cannot be read, or lives in another pid
/// namespace, is not known to be.
pub fn is_gone(identity: &str) -> bool {
    let parts: Vec<&str> = identity.split('/').collect();
    let [boot, namespace, pid, began] = parts[..] else { return false };
    let (Ok(pid), Ok(this_boot), Ok(here)) = (pid.parse(), boot_id(), pid_namespace()) else {
        return false;
    };
    let seen_from_here = || namespace == here && start(pid).is_none_or(|start| start != began);
    boot != this_boot || seen_from_here()
}

/// The inode that the kernel names this pid namespace by (pid_namespaces(7)).
fn pid_namespace() -> Result<String> {
    const PATH: &str = "/proc/self/ns/pid";
    let inode = fs::metadata(PATH).map_err(|error| Error::io(PATH, error))?.ino();
    Ok(inode.to_string())
}

/// When a process began, in clock ticks since the boot: field 22 of its stat (proc(5)), counted from
/// the end of the name, which may hold anything. One that has ended and is not waited for by its parent
/// (field 3) is as good as gone.
fn start(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let alive = fields.next().is_some_and(|state| !matches!(state, "Z" | "X"));
    alive.then(|| fields.nth(18).map(str::to_owned)).flatten()
}

/// From now on, what processes of this one leave behind when they end are this one's own, to [`wait`] for
/// (PR_SET_CHILD_SUBREAPER).
pub fn adopt() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Waits for the end of a child. Answers its exit status as a shell tells it: a signal's number is added to 128.
/// Blocks.
pub fn wait(pid: Pid) -> io::Result<u8> {
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(status) = status.exit_status() {
                    return Ok(status as u8);
                }
                if let Some(signal) = status.terminating_signal() {
                    return Ok(128_u8.wrapping_add(signal as u8));
                }
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_is_gone_whether_it_was_waited_for_or_not() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let identity = identity_of(child.id());
        let path = format!("/proc/{}/stat", child.id());
        while !fs::read_to_string(&path).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
        assert!(identity.is_err() || is_gone(&identity.unwrap()));
        assert!(identity_of(child.id()).is_err());
        child.wait().unwrap();
    }

    #[test]
    fn this_process_is_here_and_one_that_had_its_number_before_is_gone() {
        let own = identity().unwrap();
        assert!(!is_gone(&own));
        let (rest, start) = own.rsplit_once('/').unwrap();
        assert!(is_gone(&format!("{rest}/{start}0")));
        let (boot, rest) = own.split_once('/').unwrap();
        assert!(is_gone(&format!("{boot}0/{rest}")));
        let elsewhere = own.replacen('/', "/1", 1);
        assert!(!is_gone(&elsewhere), "{elsewhere} may well be alive in its container");
        assert!(!is_gone(&format!("{elsewhere}0")));
        assert!(!is_gone("nonsense"));
    }
}
