//! What `ctr` printed, without what may differ between two that do the same: times, sizes on disk, numbers by
//! chance, and the order of what has none.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

/// What ends an error: its kind, of which there are as many as containerd's errdefs has.
const KINDS: &str =
    "not found|already exists|invalid argument|failed precondition|unavailable|not implemented";

/// What may differ, and what stands for it.
static MAY_DIFFER: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let error = format!(r#"(^ctr: |error=").*: ({KINDS})("?)$"#);
    let all = [
        // Colours.
        (r"\x1b\[[0-9;]*[A-Za-z]", ""),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)", "<time>"),
        (r"^done: [0-9.a-zµ]+", "done: <time>"),
        // A column of ages.
        (r"\t(Less than a second|About a minute|\d+ (second|minute)s?)\t", "\t<age>\t"),
        // Ids by chance, those of ctr and of mktemp.
        (r"\b\d{6,20}-[-_A-Za-z0-9]{4,12}", "<chance>"),
        (r"(containerd-mount)\d+", "$1<chance>"),
        // A snapshot's directory has a number.
        (r"(OVERLAYFS|NATIVE)/snapshots/\d+", "$1/snapshots/<n>"),
        // Blocks and inodes of `snapshots usage`: overlayfs notes things of its own beside a directory's names.
        (r"^(\S+) +[0-9.]+ (B|KiB|MiB) +(\d+) *$", "$1 <size> $3"),
        // An error's words are the server's own; its kind and who shows it are not.
        (&error, "$1…: $2$3"),
        (r"rpc error: code = (\w+).*", "rpc error: $1"),
    ];
    all.map(|(pattern, with)| (Regex::new(pattern).expect("a constant"), with)).into()
});

/// A line of a transfer's progress: what is moved, and how far it is.
static PROGRESS: LazyLock<Regex> = LazyLock::new(|| {
    let states = "resolved|resolving|done|exists|waiting|downloading|uploading|committing";
    Regex::new(&format!(r"^(\S+):\s+({states})\b")).expect("a constant")
});

/// The lines, normalised.
pub fn lines(text: &str) -> Vec<String> {
    let (mut lines, mut moved) = (Vec::new(), BTreeMap::new());
    // A transfer that is over cancels what asks how far it is, and ctr may say so.
    for line in text.lines().map(normal).filter(|line| !line.is_empty()) {
        if let Some(found) = PROGRESS.captures(&line) {
            // Each is shown again and again; where it ended counts. What ended before it was looked at, exists.
            moved.insert(found[1].to_owned(), found[2].replace("exists", "done"));
        } else if !line.starts_with("elapsed: ") && !line.ends_with("\"context canceled\"") {
            lines.push(line);
        }
    }
    moved.into_iter().map(|(what, state)| format!("{what}: {state}")).chain(lines).collect()
}

fn normal(line: &str) -> String {
    let mut line = line.to_owned();
    for (pattern, with) in MAY_DIFFER.iter() {
        line = pattern.replace_all(&line, *with).into_owned();
    }
    line.split_whitespace().map(labels).collect::<Vec<_>>().join(" ")
}

/// `k=v,k=v` comes out of a map, which has no order.
fn labels(word: &str) -> String {
    if !word.contains('=') {
        return word.to_owned();
    }
    let mut all: Vec<String> = Vec::new();
    for part in word.split(',') {
        match all.last_mut() {
            // A value may have commas of its own.
            Some(label) if !part.contains('=') => *label += &format!(",{part}"),
            _ => all.push(part.to_owned()),
        }
    }
    all.sort_unstable();
    all.join(",")
}

#[test]
fn what_may_differ_is_told_alike() {
    assert_eq!(lines("done: 33.8ms\t\n"), ["done: <time>"]);
    assert_eq!(
        lines("sha256:ab\t547B\t2 seconds\tb=1,a=2,3\n"),
        ["sha256:ab 547B <age> a=2,3,b=1"]
    );
    assert_eq!(lines("k1   12.0 KiB 4      \n"), ["k1 <size> 4"]);
    let error = "ctr: snapshot \"x\" does not exist: not found";
    assert_eq!(lines(error), lines("ctr: snapshot x: not found"));
    assert_ne!(lines(error), lines("ctr: snapshot x: already exists"));
    assert_eq!(lines("extract-123456789-Ab_- x"), ["extract-<chance> x"]);
    assert_eq!(lines("\"CreatedAt\": \"2026-11-26T12:24:07.1Z\","), ["\"CreatedAt\": \"<time>\","]);
}

#[test]
fn of_progress_the_end_counts() {
    let shown = "layer-sha256:a:  downloading  |--|\nelapsed: 0.1 s\nlayer-sha256:a:  \
                 done  |\x1b[32m++\x1b[0m|\nunpacking\n";
    assert_eq!(lines(shown), ["layer-sha256:a: done", "unpacking"]);
}
