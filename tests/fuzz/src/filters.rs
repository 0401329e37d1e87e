//! containerd's filters, as requests have them, and Docker's, as people type them.

use std::borrow::Cow;

use varve_core::filter::{Fields, Filter, label, present};
use varve_core::{Labels, Mask};

#[path = "../../../cli/src/commands/images/filter/glob.rs"]
mod glob;
#[path = "../../../cli/src/commands/images/filter/moment.rs"]
mod moment;
#[allow(dead_code, reason = "the command uses more of it")]
#[path = "../../../cli/src/commands/search/filter.rs"]
mod search;

use glob::{glob, pattern};

struct Noun(Labels);

impl Fields for Noun {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["name"] => present("docker.io/library/alpine:latest"),
            ["labels", rest @ ..] => label(&self.0, rest),
            _ => None,
        }
    }
}

/// Lines are a list of filters of each kind.
pub fn filters(data: &[u8]) {
    let lines: Vec<&str> = crate::lines(data).take(8).collect();
    let labels = [("a.b", "1"), ("containerd.io/gc.root", ""), ("é \"", "x,y")];
    let noun = Noun(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let each: Vec<_> = lines.iter().map(|line| Filter::parse(&[line])).collect();
    let all = Filter::parse(&lines);
    assert_eq!(all.is_ok(), each.iter().all(Result::is_ok), "{lines:?}");
    if let Ok(all) = all {
        let any = lines.is_empty() || each.iter().flatten().any(|one| one.matches(&noun));
        assert_eq!(all.matches(&noun), any, "{lines:?}");
    }
    if let Ok(mask) = Mask::parse(&lines, &["labels", "name"]) {
        assert!(mask.check(&["labels", "name"]).is_ok());
    }
    lines.iter().for_each(|line| docker(line));
    let _ = search::Filters::parse(&lines.iter().map(|line| line.to_string()).collect::<Vec<_>>());
}

fn docker(line: &str) {
    let _ = moment::moment(line);
    let Some((pattern, text)) = line.split_once('=') else { return };
    // The oracle is exponential in the stars.
    let stars = pattern.matches('*').count();
    let short = pattern.len() <= 24 && text.len() <= 24 && stars <= 4;
    if self::pattern(pattern).is_ok() && short {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let plain = !pattern.contains(['[', ']', '\\']);
        let found = glob(pattern, text);
        assert!(!plain || found == simple(&chars(pattern), &chars(text)), "{pattern:?} {text:?}");
    }
}

/// A pattern without classes, in the shortest way to say it.
fn simple(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) if simple(rest, text) => true,
        (['*', ..], [char, after @ ..]) if *char != '/' => simple(pattern, after),
        (['?', rest @ ..], [char, after @ ..]) if *char != '/' => simple(rest, after),
        ([one, rest @ ..], [char, after @ ..]) if one == char && !"*?".contains(*one) => {
            simple(rest, after)
        }
        _ => false,
    }
}
