//! The functions that Docker's formats know: its own, and of Go's those that formats use.

use std::cmp::Ordering;

use serde_json::Value;
use varve_core::{Error, Result};

use super::eval::is_true;
use super::print;
use super::printf::printf;

/// Widest padding, in characters.
pub const WIDEST: usize = 4096;

/// Calls `name`; the value that was piped is the last argument.
pub fn call(name: &str, arguments: Vec<Value>) -> Result<Value> {
    let wrong = || Error::invalid(format!("the template's function {name}: wrong arguments"));
    let values = arguments.as_slice();
    Ok(match (name, values) {
        ("json", [value]) => value.to_string().into(),
        ("upper", [Value::String(text)]) => text.to_uppercase().into(),
        ("lower", [Value::String(text)]) => text.to_lowercase().into(),
        ("title", [Value::String(text)]) => title(text).into(),
        ("join", [Value::Array(all), Value::String(by)]) => {
            all.iter().map(print::inner).collect::<Vec<_>>().join(by).into()
        }
        ("split", [Value::String(text), Value::String(by)]) => text.split(by).collect(),
        ("pad", [Value::String(text), before, after]) => {
            let width = |value: &Value| Some(" ".repeat(whole(value)?.min(WIDEST)));
            let (before, after) = width(before).zip(width(after)).ok_or_else(wrong)?;
            format!("{before}{text}{after}").into()
        }
        ("truncate", [Value::String(text), length]) => {
            text.chars().take(whole(length).ok_or_else(wrong)?).collect::<String>().into()
        }
        ("println", all) => (spaced(all, true) + "\n").into(),
        ("print", all) => spaced(all, false).into(),
        ("printf", [Value::String(format), rest @ ..]) => printf(format, rest)?.into(),
        ("len", [value]) => length(value).ok_or_else(wrong)?.into(),
        ("index", [value, path @ ..]) => index(value, path)?,
        ("slice", [Value::String(text), bounds @ ..]) => {
            let range = range(text.len(), bounds).ok_or_else(wrong)?;
            text.get(range).ok_or_else(wrong)?.into()
        }
        ("slice", [Value::Array(all), bounds @ ..]) => {
            all[range(all.len(), bounds).ok_or_else(wrong)?].to_vec().into()
        }
        ("not", [value]) => (!is_true(value)).into(),
        ("eq", [value, others @ ..]) if !others.is_empty() => {
            others.iter().any(|other| compare(value, other) == Some(Ordering::Equal)).into()
        }
        ("ne", [a, b]) => (compare(a, b) != Some(Ordering::Equal)).into(),
        ("lt", [a, b]) => compare(a, b).ok_or_else(wrong)?.is_lt().into(),
        ("le", [a, b]) => compare(a, b).ok_or_else(wrong)?.is_le().into(),
        ("gt", [a, b]) => compare(a, b).ok_or_else(wrong)?.is_gt().into(),
        ("ge", [a, b]) => compare(a, b).ok_or_else(wrong)?.is_ge().into(),
        (known, _) if NAMES.contains(&known) => return Err(wrong()),
        _ => {
            let names = NAMES.join(", ");
            return Err(Error::invalid(format!("there is no function {name}; there are {names}")));
        }
    })
}

/// `and` and `or` need not look at all of their arguments: they are the evaluation's own.
const NAMES: [&str; 23] = [
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper",
];

fn whole(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn title(text: &str) -> String {
    let mut begin = true;
    let letter = |char: char| {
        let upper = std::mem::replace(&mut begin, !char.is_alphanumeric() && char != '\'');
        if upper && char.is_alphabetic() { char.to_uppercase().collect() } else { char.to_string() }
    };
    text.chars().map(letter).collect::<String>()
}

/// Go's Print puts spaces only between two that are no texts.
fn spaced(values: &[Value], always: bool) -> String {
    let mut text = String::new();
    for (n, value) in values.iter().enumerate() {
        let texts = n > 0 && (value.is_string() || values[n - 1].is_string());
        if n > 0 && (always || !texts) {
            text.push(' ');
        }
        text += &print::inner(value);
    }
    text
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.len()),
        Value::Array(all) => Some(all.len()),
        Value::Object(map) => Some(map.len()),
        Value::Null => Some(0),
        _ => None,
    }
}

fn index(value: &Value, path: &[Value]) -> Result<Value> {
    let mut value = value.clone();
    for step in path {
        value = match (value, step) {
            (Value::Array(mut all), Value::Number(at)) => {
                let at_once = whole(step).filter(|at| *at < all.len());
                let outside = || Error::invalid(format!("index {at} of a list of {}", all.len()));
                all.swap_remove(at_once.ok_or_else(outside)?)
            }
            (Value::Object(mut map), Value::String(key)) => match map.remove(key) {
                Some(value) => value,
                // Of a map of texts, such as labels, Go makes an empty text.
                None if !map.is_empty() && map.values().all(Value::is_string) => "".into(),
                None => Value::Null,
            },
            (Value::Null, _) => Value::Null,
            (other, step) => {
                let (what, by) = (print::kind(&other), print::kind(step));
                return Err(Error::invalid(format!("index of {what} by {by}")));
            }
        };
    }
    Ok(value)
}

/// The bounds of `slice`, each of which may be left out.
fn range(len: usize, bounds: &[Value]) -> Option<std::ops::Range<usize>> {
    let (from, to) = match bounds {
        [] => (0, len),
        [from] => (whole(from)?, len),
        [from, to] => (whole(from)?, whole(to)?),
        _ => return None,
    };
    (from <= to && to <= len).then_some(from..to)
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    }
}
