//! Terminals and signals.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use varve_tests::container::{Yard, until};
use varve_tests::terminal::Terminal;

#[test]
fn a_program_on_a_terminal_is_typed_to_resized_and_leaves_the_terminal_as_it_was() {
    let Some(yard) = Yard::new("terminal").unwrap() else { return };
    yard.varve.run(&["pull", "--quiet", &yard.image]).unwrap();
    let mut terminal = Terminal::new(40, 123).unwrap();
    let mut child = terminal.run(&mut yard.command(&["run", "--rm", "-it"], &["sh"])).unwrap();
    terminal.shows("# ").unwrap();
    assert!(!terminal.is_cooked().unwrap(), "every key is the program's");
    terminal.types("stty size; tty; echo $TERM\n").unwrap();
    terminal.shows("40 123\r\n").unwrap();
    terminal.shows("/dev/pts/0\r\nxterm\r\n").unwrap();
    terminal.resize(50, 99).unwrap();
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::WINCH).unwrap();
    terminal.types("sleep 0.3; stty size\n").unwrap();
    terminal.shows("50 99\r\n").unwrap();
    // The program itself tells that it runs: a key that came before would be the shell's.
    terminal.types("sh -c 'echo be\"\"gun; exec sleep 1000'\n").unwrap();
    terminal.shows("begun\r\n").unwrap();
    terminal.types("\u{3}").unwrap();
    terminal.shows("# ").unwrap();
    terminal.types("echo after\n").unwrap();
    terminal.shows("\r\nafter\r\n").unwrap();
    terminal.types("exit 5\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert!(terminal.is_cooked().unwrap());
    assert!(yard.all().unwrap().is_empty());
}

#[test]
fn another_program_on_a_terminal_of_its_own() {
    let Some(yard) = Yard::new("another_terminal").unwrap() else { return };
    yard.detached(&["--name", "home"], &["sleep", "1000"]).unwrap();
    let mut terminal = Terminal::new(30, 90).unwrap();
    let words = ["exec", "-it", "home", "sh"];
    let mut child = terminal.run(&mut yard.varve.command(&words)).unwrap();
    terminal.shows("# ").unwrap();
    assert!(!terminal.is_cooked().unwrap(), "every key is the program's");
    // A line that ends as it should: nobody else adds a return to the program's own.
    terminal.types("stty size; tty\n").unwrap();
    terminal.shows("\r\n30 90\r\n/dev/pts/0\r\n").unwrap();
    terminal.resize(50, 99).unwrap();
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::WINCH).unwrap();
    terminal.types("sleep 0.3; stty size\n").unwrap();
    terminal.shows("\r\n50 99\r\n").unwrap();
    terminal.types("seq 20000; exit 6\n").unwrap();
    terminal.shows("\r\n20000\r\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6));
    assert!(terminal.is_cooked().unwrap());
}

#[test]
fn another_program_on_a_terminal_ends_as_it_is_told() {
    let Some(yard) = Yard::new("another_terminal_ends").unwrap() else { return };
    yard.detached(&["--name", "home"], &["sleep", "1000"]).unwrap();
    let begin = |terminal: &Terminal, words: &[&str]| {
        let words = [&["exec", "-t", "home"], words].concat();
        terminal.run(&mut yard.varve.command(&words)).unwrap()
    };
    for (program, status) in [("no-such-program", 127), ("/etc/passwd", 126)] {
        let mut terminal = Terminal::new(24, 80).unwrap();
        let mut child = begin(&terminal, &[program]);
        terminal.shows(program).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert!(terminal.is_cooked().unwrap());
    }
    let mut terminal = Terminal::new(24, 80).unwrap();
    let script = "trap 'echo was told; exit 9' TERM; echo up; while true; do sleep 0.05; done";
    let mut child = begin(&terminal, &["sh", "-c", script]);
    terminal.shows("up\r").unwrap();
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    terminal.shows("was told").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    let mut terminal = Terminal::new(24, 80).unwrap();
    let mut child = begin(&terminal, &["sh", "-c", "echo up; kill -9 $$"]);
    terminal.shows("up").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(137));
}

#[test]
fn a_terminal_is_refused_where_there_is_none() {
    let Some(yard) = Yard::new("no_terminal").unwrap() else { return };
    yard.detached(&["--name", "home"], &["sleep", "1000"]).unwrap();
    let error = yard.varve.fail(&["exec", "-t", "home", "sh"]).unwrap();
    assert!(error.contains("leave out -t"), "{error}");
    let error = yard.varve.fail(&["run", "--rm", "-it", &yard.image, "sh"]).unwrap();
    assert!(error.contains("not a TTY"), "{error}");
}

#[test]
fn a_program_on_a_terminal_that_nobody_sits_at_goes_on() {
    let Some(yard) = Yard::new("nobody_sits").unwrap() else { return };
    let id = yard.detached(&["-it"], &["sh", "-c", "tty; exec sh"]).unwrap();
    until("it is up", || Ok(yard.varve.run(&["logs", &id])?.contains("/dev/pts/0"))).unwrap();
    assert_eq!(yard.status(&id).unwrap(), "running 0");
}

#[test]
fn signals_to_the_command_are_the_programs() {
    let Some(yard) = Yard::new("signals").unwrap() else { return };
    let script = "trap 'echo hup' HUP; trap 'echo term; exit 3' TERM; echo up; \
                  while true; do sleep 0.05; done";
    let mut command = yard.command(&["run", "--rm", "--name", "one"], &["sh", "-c", script]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    let said = |text: &str| {
        let logs = yard.varve.output(&["logs", "one"])?;
        Ok(String::from_utf8_lossy(&logs.stdout).contains(text))
    };
    until("it is up", || said("up")).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    until("it was told", || said("hup")).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(3), &b"up\nhup\nterm\n"[..]));
}

#[test]
fn signals_to_an_exec_are_its_programs() {
    let Some(yard) = Yard::new("exec_signals").unwrap() else { return };
    yard.detached(&["--name", "home"], &["sleep", "1000"]).unwrap();
    let script = "trap 'echo hup' HUP; trap 'echo term; exit 3' TERM; echo up; \
                  while true; do sleep 0.05; done";
    let mut command = yard.varve.command(&["exec", "home", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut says = |text: &str| assert_eq!(lines.next().unwrap().unwrap(), text);
    says("up");
    kill_process(pid, Signal::HUP).unwrap();
    says("hup");
    kill_process(pid, Signal::TERM).unwrap();
    says("term");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn whoever_reads_a_terminals_program_slowly_has_all_of_it() {
    let Some(yard) = Yard::new("slow_reader").unwrap() else { return };
    yard.detached(&["--name", "home"], &["sleep", "1000"]).unwrap();
    let terminal = Terminal::new(24, 80).unwrap();
    // A little more than a pipe takes: the program has ended, and its last words are still to be written.
    let mut command = yard.varve.command(&["exec", "-t", "home", "sh", "-c", "seq 11300"]);
    command.stdin(terminal.input().unwrap()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_secs(4));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.ends_with(b"\n11300\r\n"), "{} bytes", output.stdout.len());
}
