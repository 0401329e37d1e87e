//! Coming to a program that runs already, and leaving it.

use std::io::Write;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use varve_tests::container::{Yard, until};
use varve_tests::terminal::Terminal;

#[test]
fn what_it_prints_comes_what_is_typed_goes_and_its_status_is_passed_on() {
    let Some(yard) = Yard::new("attached").unwrap() else { return };
    let script = "while read line; do echo got $line; test $line = end && exit 7; done; echo over";
    yard.detached(&["-i", "--name", "reader"], &["sh", "-c", script]).unwrap();
    let attach = |words: &[&str]| {
        let mut command = yard.varve.command(&[&["attach"], words].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // One that goes leaves the input open for the next.
    let mut first = attach(&["reader"]);
    first.stdin.take().unwrap().write_all(b"one\n").unwrap();
    until("it was heard", || Ok(yard.varve.run(&["logs", "reader"])? == "got one\n")).unwrap();
    kill_process(Pid::from_raw(first.id().cast_signed()).unwrap(), Signal::KILL).unwrap();
    assert_eq!(first.wait_with_output().unwrap().stdout, b"got one\n");

    let watching = attach(&["--no-stdin", "reader"]);
    let mut second = attach(&["reader"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    second.stdin.as_mut().unwrap().write_all(b"two\nend\n").unwrap();
    for child in [second, watching] {
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), &output.stdout[..]),
            (Some(7), &b"got two\ngot end\n"[..]),
            "{errors}"
        );
    }
    let error = yard.varve.fail(&["attach", "reader"]).unwrap();
    assert!(error.contains("You cannot attach to a stopped container"), "{error}");
}

#[test]
fn keys_leave_a_program_on_a_terminal_and_it_goes_on() {
    let Some(yard) = Yard::new("keys_leave").unwrap() else { return };
    yard.varve.run(&["pull", "--quiet", &yard.image]).unwrap();
    let mut terminal = Terminal::new(30, 90).unwrap();
    let words = ["run", "-it", "--name", "shell"];
    let mut child = terminal.run(&mut yard.command(&words, &["sh"])).unwrap();
    terminal.shows("# ").unwrap();
    terminal.types("X=kept\n").unwrap();
    terminal.shows("# ").unwrap();
    terminal.types("\u{10}\u{11}").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(terminal.is_cooked().unwrap());
    assert_eq!(yard.status("shell").unwrap(), "running 0");

    let mut terminal = Terminal::new(41, 77).unwrap();
    let words = ["attach", "--detach-keys", "ctrl-a,d", "shell"];
    let mut child = terminal.run(&mut yard.varve.command(&words)).unwrap();
    terminal.types("echo $X; stty size\n").unwrap();
    terminal.shows("kept\r\n").unwrap();
    terminal.shows("41 77\r\n").unwrap();
    terminal.types("\u{1}d").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut terminal = Terminal::new(41, 77).unwrap();
    let mut child = terminal.run(&mut yard.varve.command(&["attach", "shell"])).unwrap();
    terminal.types("exit 9\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert_eq!(yard.status("shell").unwrap(), "exited 9");
}

#[test]
fn signals_are_passed_on_or_end_the_command_alone() {
    let Some(yard) = Yard::new("passed_on").unwrap() else { return };
    let script = "trap 'echo int; exit 4' INT; echo up; while true; do sleep 0.05; done";
    yard.detached(&["--name", "one"], &["sh", "-c", script]).unwrap();
    until("it is up", || Ok(yard.varve.run(&["logs", "one"])? == "up\n")).unwrap();
    let attached = |words: &[&str]| {
        let mut command = yard.varve.command(&[&["attach"], words, &["one"]].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
        child.wait_with_output().unwrap()
    };
    assert_eq!(attached(&["--sig-proxy=false"]).status.code(), Some(130));
    assert_eq!(yard.status("one").unwrap(), "running 0");
    let output = attached(&[]);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(4), &b"int\n"[..]));
}
