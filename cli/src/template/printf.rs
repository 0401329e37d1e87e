//! Go's `printf`, as far as JSON values go (package fmt, *Printing*).

use serde_json::Value;
use varve_core::{Error, Result};

use super::functions::WIDEST;
use super::print;

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Default, Debug)]
struct Spec {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

/// `%v %s %q %d %x %X %o %b %c %t %f %T %%`, with `-`, `0`, `+`, a width and a precision.
pub fn printf(format: &str, values: &[Value]) -> Result<String> {
    let bad = |why: &str| Error::invalid(format!("printf {format:?}: {why}"));
    let mut values = values.iter();
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text += before;
        let (spec, after) = spec(after);
        let verb = after.chars().next().ok_or_else(|| bad("ends with %"))?;
        rest = &after[verb.len_utf8()..];
        if verb == '%' {
            text.push('%');
            continue;
        }
        let value = values.next().ok_or_else(|| bad("more verbs than arguments"))?;
        text += &padded(spec, one(verb, spec, value)?);
    }
    if values.next().is_some() {
        return Err(bad("more arguments than verbs"));
    }
    Ok(text + rest)
}

/// Reads flags, width and precision; answers what follows them.
fn spec(text: &str) -> (Spec, &str) {
    let mut spec = Spec::default();
    let rest = text.trim_start_matches(|flag: char| {
        match flag {
            '-' => spec.left = true,
            '0' => spec.zeros = true,
            '+' => spec.plus = true,
            _ => return false,
        }
        true
    });
    let (width, rest) = digits(rest);
    spec.width = width.unwrap_or(0);
    match rest.strip_prefix('.') {
        None => (spec, rest),
        Some(rest) => {
            let (precision, rest) = digits(rest);
            (Spec { precision: Some(precision.unwrap_or(0)), ..spec }, rest)
        }
    }
}

fn digits(text: &str) -> (Option<usize>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].parse().ok().map(|number: usize| number.min(WIDEST));
    (number, &text[end..])
}

fn one(verb: char, spec: Spec, value: &Value) -> Result<String> {
    let wrong = || Error::invalid(format!("printf: %{verb} of {}", print::kind(value)));
    let cut = |text: String| match spec.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text,
    };
    let whole = || value.as_i64().ok_or_else(wrong);
    Ok(match (verb, value) {
        ('v', _) => print::inner(value),
        ('s', _) => cut(print::inner(value)),
        ('q', Value::String(text)) => format!("{:?}", cut(text.clone())),
        ('x', Value::String(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ('d', _) if spec.plus => format!("{:+}", whole()?),
        ('d', _) => whole()?.to_string(),
        ('x', _) => format!("{:x}", whole()?),
        ('X', _) => format!("{:X}", whole()?),
        ('o', _) => format!("{:o}", whole()?),
        ('b', _) => format!("{:b}", whole()?),
        ('c', _) => {
            let char = u32::try_from(whole()?).ok().and_then(char::from_u32);
            char.ok_or_else(wrong)?.to_string()
        }
        ('t', Value::Bool(value)) => value.to_string(),
        ('f', Value::Number(number)) => {
            let digits = spec.precision.unwrap_or(6);
            format!("{:.digits$}", number.as_f64().ok_or_else(wrong)?)
        }
        ('T', _) => type_of(value).to_owned(),
        ('q' | 't' | 'f', _) => return Err(wrong()),
        _ => return Err(Error::invalid(format!("printf: there is no %{verb}"))),
    })
}

/// What Go calls it.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn padded(spec: Spec, text: String) -> String {
    let width = spec.width;
    let number = text.trim_start_matches(['-', '+']);
    match spec {
        Spec { left: true, .. } => format!("{text:<width$}"),
        Spec { zeros: true, .. } if number.starts_with(|c: char| c.is_ascii_digit()) => {
            let sign = &text[..text.len() - number.len()];
            format!("{sign}{number:0>width$}", width = width.saturating_sub(sign.len()))
        }
        _ => format!("{text:>width$}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_as_go_prints_them() {
        for (format, value, want) in [
            ("%05d", json!(42), "00042"),
            ("%05d", json!(-42), "-0042"),
            ("%-5d|", json!(42), "42   |"),
            ("%+d", json!(7), "+7"),
            ("%x", json!(255), "ff"),
            ("%x", json!("hi"), "6869"),
            ("%.3s", json!("linux"), "lin"),
            ("%6.2f", json!(2.71), "  2.71"),
            ("%8.3s|", json!("linux"), "     lin|"),
            ("%q", json!("a\"b"), "\"a\\\"b\""),
            ("%T", json!("x"), "string"),
            ("%c%%", json!(97), "a%"),
            ("%v", json!([1, "a"]), "[1 a]"),
        ] {
            assert_eq!(printf(format, &[value]).unwrap(), want, "{format}");
        }
    }

    #[test]
    fn verbs_and_arguments_are_as_many_and_agree() {
        for (format, values) in [
            ("%d", vec![json!("x")]),
            ("%s", vec![]),
            ("%", vec![]),
            ("x", vec![json!(1)]),
            ("%y", vec![json!(1)]),
        ] {
            assert!(printf(format, &values).is_err(), "{format}");
        }
    }
}
