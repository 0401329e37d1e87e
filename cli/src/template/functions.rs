//! The functions that Docker's formats know: its own, and of Go's those that formats use.

use std::cmp::Ordering;

use serde_json::Value;
use varve_core::{Error, Result};

use super::eval::is_true;
use super::print;

/// Widest padding, in characters.
const WIDEST: usize = 4096;

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
        ("index", [value, path @ ..]) => index(value, path).ok_or_else(wrong)?,
        ("not", [value]) => (!is_true(value)).into(),
        ("and", [_, ..]) => first(arguments, |value| !is_true(value)),
        ("or", [_, ..]) => first(arguments, is_true),
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

const NAMES: [&str; 22] = [
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "split", "title", "truncate", "upper",
];

/// The first that `decides`, or else the last.
fn first(mut arguments: Vec<Value>, decides: impl Fn(&Value) -> bool) -> Value {
    let last = arguments.len().saturating_sub(1);
    let at = arguments.iter().position(decides).unwrap_or(last);
    arguments.swap_remove(at)
}

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

fn index(value: &Value, path: &[Value]) -> Option<Value> {
    let mut value = value;
    for step in path {
        value = match (value, step) {
            (Value::Array(all), step) => all.get(whole(step)?)?,
            (Value::Object(map), Value::String(key)) => map.get(key).unwrap_or(&Value::Null),
            (Value::Null, _) => &Value::Null,
            _ => return None,
        };
    }
    Some(value.clone())
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

/// `%v %s %d %q %t %f %x %%`, with a width and `-`.
fn printf(format: &str, values: &[Value]) -> Result<String> {
    let mut values = values.iter();
    let mut text = String::new();
    let mut chars = format.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        let mut spec = String::new();
        while let Some(flag) = chars.next_if(|c| c.is_ascii_digit() || matches!(c, '-' | '.')) {
            spec.push(flag);
        }
        match chars.next() {
            Some('%') => text.push('%'),
            Some(verb) => {
                let value = values.next().ok_or_else(|| {
                    Error::invalid(format!("printf {format:?}: more verbs than arguments"))
                })?;
                text += &padded(&spec, verbatim(verb, &spec, value)?);
            }
            None => return Err(Error::invalid(format!("printf {format:?}: ends with %"))),
        }
    }
    Ok(text)
}

fn verbatim(verb: char, spec: &str, value: &Value) -> Result<String> {
    let wrong = || Error::invalid(format!("printf: %{verb} of {}", print::kind(value)));
    Ok(match verb {
        'v' | 's' => print::inner(value),
        'd' => value.as_i64().ok_or_else(wrong)?.to_string(),
        'x' => format!("{:x}", value.as_i64().ok_or_else(wrong)?),
        't' => value.as_bool().ok_or_else(wrong)?.to_string(),
        'q' => format!("{:?}", value.as_str().ok_or_else(wrong)?),
        'f' => {
            let digits = spec.split_once('.').and_then(|(_, digits)| digits.parse().ok());
            let digits: usize = digits.unwrap_or(6).min(WIDEST);
            format!("{:.digits$}", value.as_f64().ok_or_else(wrong)?)
        }
        _ => return Err(Error::invalid(format!("printf: there is no %{verb}"))),
    })
}

fn padded(spec: &str, text: String) -> String {
    let (left, width) = match spec.strip_prefix('-') {
        Some(width) => (true, width),
        None => (false, spec),
    };
    let width = width.split('.').next().unwrap_or_default().parse().unwrap_or(0_usize).min(WIDEST);
    if left { format!("{text:<width$}") } else { format!("{text:>width$}") }
}
