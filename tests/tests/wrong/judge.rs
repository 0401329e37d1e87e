//! How a command that cannot work should fail.

use varve_tests::container::Told;

/// The status of a command line that clap does not understand: its message is followed by the usage.
const USAGE: i32 = 2;
/// Lines of such a message, at most.
const MOST_USAGE: usize = 16;
/// What is told on the way, before it is known that there is no way.
const ON_THE_WAY: [&str; 3] = ["NOTE: ", "WARNING", "Unable to find image "];
/// Docker prints these on stdout before it fails; and health is a table of who does not answer.
const ON_STDOUT: [&str; 4] =
    ["[]\n", "The push refers to repository [", "1: Pulling from ", "unix:///no/such/socket: "];
/// Where a reason says what to do by itself.
const SAYS_WHAT_TO_DO: [&str; 6] =
    [";", "want", " there is ", " there are ", "is not closed by", "has no {{end}}"];

/// What is wrong with the way it failed; nothing, where it failed as it should.
pub fn faults(told: &Told) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let mut check = |fault, holds: bool| {
        if holds {
            faults.push(fault);
        }
    };
    let status = told.status.unwrap_or(-1);
    check("it worked", status == 0);
    check("a panic", status == 101 || told.err.contains("panicked"));
    check("an end that nobody planned", !(0..=128).contains(&status));
    let quiet = told.out.is_empty() || ON_STDOUT.iter().any(|text| told.out.starts_with(text));
    check("something on stdout", !quiet);
    let lines: Vec<&str> = told.err.lines().filter(|line| !line.trim().is_empty()).collect();
    check("silence", lines.is_empty());
    if status == USAGE {
        let first = lines.first().is_some_and(|line| line.starts_with("error: "));
        check("no reason first", !first);
        check("too many words", lines.len() > MOST_USAGE);
        return faults;
    }
    let aside = |line: &&str| ON_THE_WAY.iter().any(|text| line.starts_with(text));
    let reasons: Vec<&&str> = lines.iter().filter(|line| !aside(line)).collect();
    check("lines that are no reasons", !reasons.iter().all(|line| line.starts_with("varve: ")));
    let told_what = |line: &&&str| SAYS_WHAT_TO_DO.iter().any(|text| line.contains(text));
    check("no hint", !reasons.last().is_some_and(told_what));
    check("a debug print", told.err.contains("{ ") && told.err.contains(" }"));
    faults
}

#[test]
fn what_is_judged_can_fail() {
    let told = |status, out: &str, err: &str| Told {
        status: Some(status),
        out: out.into(),
        err: err.into(),
    };
    assert!(faults(&told(1, "", "varve: No such image: x; check the name\n")).is_empty());
    assert!(faults(&told(2, "", "error: unexpected\n\nUsage: varve\n")).is_empty());
    let bad = [
        (0, "", "varve: x; y\n", "it worked"),
        (1, "text", "varve: x; y\n", "something on stdout"),
        (1, "", "", "silence"),
        (1, "", "varve: x\n", "no hint"),
        (1, "", "varve: x; y\nmore\n", "lines that are no reasons"),
        (101, "", "varve: x; y\n", "a panic"),
    ];
    for (status, out, err, fault) in bad {
        assert!(faults(&told(status, out, err)).contains(&fault), "{fault}");
    }
}
