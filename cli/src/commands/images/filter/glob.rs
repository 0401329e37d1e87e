//! Go's path.Match, by which names are filtered.

use varve_core::{Error, Result};

/// One whose brackets are closed, as Go's path.Match wants them.
pub(super) fn pattern(text: &str) -> Result<String> {
    let mut open = false;
    let mut characters = text.chars();
    while let Some(one) = characters.next() {
        match one {
            '\\' => drop(characters.next()),
            '[' => open = true,
            ']' => open = false,
            _ => {}
        }
    }
    match open {
        true => {
            Err(Error::invalid(format!("reference={text}: want a ] for each [ of the pattern")))
        }
        false => Ok(text.to_owned()),
    }
}

/// Go's path.Match: `*` and `?` stand for no slash; `[a-z]`, `[^a]`, and `\\` before a character.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // Where the last star was, and what it has taken: a mistake is taken back to there.
    let (mut p, mut t, mut star) = (0, 0, None);
    loop {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(_) => text.get(t).and_then(|char| one(&pattern[p..], *char)),
            None if t == text.len() => return true,
            None => None,
        };
        match (step, star) {
            (Some(len), _) => (p, t) = (p + len, t + 1),
            (None, Some((at, taken))) if text.get(taken).is_some_and(|char| *char != '/') => {
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
            _ => return false,
        }
    }
}

/// Whether the pattern's first item takes `char`, and the item's length.
fn one(pattern: &[char], char: char) -> Option<usize> {
    match pattern {
        ['?', ..] => (char != '/').then_some(1),
        ['\\', escaped, ..] => (*escaped == char).then_some(2),
        ['[', rest @ ..] => {
            let (negated, rest) = match rest {
                ['^', rest @ ..] => (true, rest),
                rest => (false, rest),
            };
            let end = rest.iter().position(|char| *char == ']')?;
            let taken = in_class(&rest[..end], char) != negated && char != '/';
            taken.then_some(2 + usize::from(negated) + end)
        }
        [literal, ..] => (*literal == char).then_some(1),
        [] => None,
    }
}

fn in_class(mut class: &[char], char: char) -> bool {
    loop {
        class = match class {
            [low, '-', high, rest @ ..] if (*low..=*high).contains(&char) || rest.is_empty() => {
                return (*low..=*high).contains(&char);
            }
            [_, '-', _, rest @ ..] => rest,
            [same, ..] if *same == char => return true,
            [_, rest @ ..] => rest,
            [] => return false,
        };
    }
}
