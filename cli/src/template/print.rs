//! Values as Go prints them (fmt's `%v`).

use serde_json::Value;

use super::eval::sorted;

/// What an action prints.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".into(),
        other => inner(other),
    }
}

/// The same inside of a list or a map.
pub fn inner(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(fraction) => fraction.to_string(),
            None => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(inner).collect();
            format!("[{}]", all.join(" "))
        }
        Value::Object(map) => {
            let all: Vec<String> =
                sorted(map).map(|(key, value)| format!("{key}:{}", inner(value))).collect();
            format!("map[{}]", all.join(" "))
        }
    }
}

/// What sort of value it is, for errors.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
