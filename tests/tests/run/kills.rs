//! What a kill -9 leaves: nothing that stays.

use std::process::Stdio;
use std::time::Duration;

use varve_tests::container::{Yard, until};

#[test]
fn a_command_that_is_killed_leaves_a_container_that_lives_is_seen_and_goes() {
    let Some(yard) = Yard::new("a_command_that_is_killed").unwrap() else { return };
    let mut command = yard.command(&["run", "--rm", "--name", "left"], &["sleep", "3"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it runs", || Ok(yard.status("left").is_ok_and(|status| status == "running 0"))).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(yard.status("left").unwrap(), "running 0");
    assert_eq!(yard.varve.run(&["exec", "left", "echo", "here"]).unwrap(), "here\n");
    until("it has ended and gone", || Ok(yard.all()?.is_empty())).unwrap();
    assert_eq!(yard.mounts().unwrap(), 0);
    yard.varve.run(&["rmi", &yard.image]).unwrap();
}

#[test]
fn a_command_that_is_killed_at_any_moment_leaves_nothing_that_stays() {
    let Some(yard) = Yard::new("killed_at_any_moment").unwrap() else { return };
    yard.varve.run(&["pull", "--quiet", &yard.image]).unwrap();
    for step in 0..16 {
        let mut command = yard.command(&["run", "--rm"], &["true"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(step * 12));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    until("all have ended and gone", || Ok(yard.all()?.is_empty())).unwrap();
    assert_eq!(yard.mounts().unwrap(), 0);
    // The leases of the killed end with the next of that image.
    assert_eq!(yard.run(&[], &["true"]).unwrap().status, Some(0));
    assert!(yard.varve.json(&["leases", "ls"]).unwrap().as_array().unwrap().is_empty());
    yard.varve.run(&["gc"]).unwrap();
    assert_eq!(yard.varve.json(&["snapshots", "ls"]).unwrap().as_array().unwrap().len(), 1);
    let dirs = std::fs::read_dir(yard.varve.root().join("run/containers")).unwrap().count();
    assert_eq!(dirs, 0);
}

/// Its monitor's process id.
fn monitor(id: &str) -> Option<rustix::process::Pid> {
    let entries = std::fs::read_dir("/proc").ok()?;
    let mut pids =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_it = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.windows(2).any(|pair| pair == [&b"monitor"[..], id.as_bytes()])
    };
    rustix::process::Pid::from_raw(pids.find(is_it)?)
}

#[test]
fn a_monitor_that_is_killed_leaves_a_container_that_is_stopped_and_removed_as_any_other() {
    let Some(yard) = Yard::new("a_monitor_that_is_killed").unwrap() else { return };
    for words in [&["stop", "--time", "1"][..], &["kill"], &["rm", "--force"]] {
        let id = yard.detached(&[], &["sleep", "1000"]).unwrap();
        let pid = monitor(&id).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        until("it is gone", || Ok(yard.varve.run(&["ps"])?.contains("(unwatched)"))).unwrap();
        assert_eq!(yard.status(&id).unwrap(), "running 0");
        yard.varve.run(&[words, &[&id]].concat()).unwrap();
        assert_eq!(yard.mounts().unwrap(), 0, "{words:?}");
        if words[0] != "rm" {
            assert_eq!(yard.status(&id).unwrap(), "exited 255", "nobody saw how");
            yard.varve.run(&["start", &id]).unwrap();
            yard.varve.run(&["rm", "-f", &id]).unwrap();
        }
        assert!(yard.all().unwrap().is_empty());
    }
    yard.varve.run(&["rmi", &yard.image]).unwrap();
}

#[test]
fn a_monitor_that_is_asked_to_end_asks_its_program() {
    let Some(yard) = Yard::new("asks_its_program").unwrap() else { return };
    let script = "trap 'exit 4' TERM; echo up; while true; do sleep 0.05; done";
    let id = yard.detached(&[], &["sh", "-c", script]).unwrap();
    until("it is up", || Ok(yard.varve.run(&["logs", &id])? == "up\n")).unwrap();
    rustix::process::kill_process(monitor(&id).unwrap(), rustix::process::Signal::TERM).unwrap();
    assert_eq!(yard.varve.run(&["wait", &id]).unwrap(), "4\n");
    assert_eq!((yard.status(&id).unwrap().as_str(), yard.mounts().unwrap()), ("exited 4", 0));
}

#[test]
fn what_a_killed_monitor_was_to_remove_the_next_command_removes() {
    let Some(yard) = Yard::new("the_next_command_removes").unwrap() else { return };
    let id = yard.detached(&["--rm"], &["sleep", "1"]).unwrap();
    rustix::process::kill_process(monitor(&id).unwrap(), rustix::process::Signal::KILL).unwrap();
    until("it has ended and gone", || Ok(yard.all()?.is_empty())).unwrap();
    assert_eq!(yard.mounts().unwrap(), 0);
    assert!(!yard.varve.root().join("run/containers").join(&id).exists());
}
