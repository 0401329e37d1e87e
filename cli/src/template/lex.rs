//! Text to pieces: what stands outside of `{{ }}`, and the tokens inside (Go's text/template, *Text and
//! spaces* and *Arguments*).

use varve_core::{Error, Result};

/// A piece of a template.
#[derive(Clone, PartialEq, Debug)]
pub enum Piece {
    Text(String),
    /// What stands between two braces and two.
    Action(Vec<Token>),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Token {
    /// `.` alone.
    Dot,
    /// `.Name`; without space before it, a field of what stands before.
    Field {
        name: String,
        attached: bool,
    },
    /// `$` or `$name`, without the sign.
    Variable(String),
    /// A function, a keyword, `true`, `false` or `nil`.
    Word(String),
    Text(String),
    Number(serde_json::Number),
    Pipe,
    Open,
    Close,
    Comma,
    /// `:=` or `=`.
    Assign,
}

/// Cuts a template into its pieces; comments are left out.
pub fn pieces(template: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let mut trim = false;
    while let Some(start) = rest.find("{{") {
        let (mut text, action) = (&rest[..start], &rest[start + 2..]);
        let left =
            action.strip_prefix('-').filter(|action| action.starts_with(char::is_whitespace));
        if trim {
            text = text.trim_start();
        }
        if left.is_some() {
            text = text.trim_end();
        }
        push(&mut pieces, text);
        let action = left.unwrap_or(action);
        let end = end_of(action)?;
        let inner = &action[..end];
        let right = inner.strip_suffix('-').filter(|inner| inner.ends_with(char::is_whitespace));
        trim = right.is_some();
        let inner = right.unwrap_or(inner).trim();
        if !inner.starts_with("/*") {
            pieces.push(Piece::Action(tokens(inner)?));
        }
        rest = &action[end + 2..];
    }
    push(&mut pieces, if trim { rest.trim_start() } else { rest });
    Ok(pieces)
}

fn push(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Where the action ends: at the first `}}` that is in no string.
fn end_of(action: &str) -> Result<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, char) in action.char_indices() {
        match (quote, char) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), char) if char == open && !escaped => quote = None,
            (None, '"' | '`') => quote = Some(char),
            (None, '}') if action[at..].starts_with("}}") => return Ok(at),
            _ => {}
        }
        escaped = false;
    }
    Err(Error::invalid("a \"{{\" is not closed by \"}}\""))
}

/// The tokens of one action.
fn tokens(mut rest: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut attached = false;
    loop {
        let trimmed = rest.trim_start();
        attached &= trimmed.len() == rest.len();
        let Some(first) = trimmed.chars().next() else { return Ok(tokens) };
        let (token, len) = token(trimmed, first, attached)?;
        tokens.push(token);
        rest = &trimmed[len..];
        attached = true;
    }
}

/// The first token of `text`, and its length.
fn token(text: &str, first: char, attached: bool) -> Result<(Token, usize)> {
    let word =
        |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    Ok(match first {
        '|' => (Token::Pipe, 1),
        '(' => (Token::Open, 1),
        ')' => (Token::Close, 1),
        ',' => (Token::Comma, 1),
        '=' => (Token::Assign, 1),
        ':' if text.starts_with(":=") => (Token::Assign, 2),
        '"' | '`' => string(text, first)?,
        '\'' => character(text)?,
        '$' => {
            let len = 1 + word(&text[1..]);
            (Token::Variable(text[1..len].to_owned()), len)
        }
        '.' => match word(&text[1..]) {
            0 => (Token::Dot, 1),
            len => (Token::Field { name: text[1..=len].to_owned(), attached }, len + 1),
        },
        '0'..='9' | '-' | '+' => number(text)?,
        first if first.is_alphabetic() || first == '_' => {
            (Token::Word(text[..word(text)].to_owned()), word(text))
        }
        other => return Err(Error::invalid(format!("{other:?} means nothing in a template"))),
    })
}

/// An integer with or without a base, or a fraction: `7`, `-0x1f`, `1_000`, `1e-3`.
fn number(text: &str) -> Result<(Token, usize)> {
    let mut before = text.chars().next().unwrap_or_default();
    let ends = |char: char| {
        let exponent = matches!(before, 'e' | 'E') && matches!(char, '+' | '-');
        before = char;
        !exponent && !char.is_ascii_alphanumeric() && char != '.' && char != '_'
    };
    let len = text[1..].find(ends).map_or(text.len(), |end| end + 1);
    let bad = || Error::invalid(format!("{:?} is no number", &text[..len]));
    Ok((Token::Number(value(&text[..len]).ok_or_else(bad)?), len))
}

fn value(text: &str) -> Option<serde_json::Number> {
    let text = text.replace('_', "");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let based = |base| i64::from_str_radix(&format!("{sign}{}", digits.get(2..)?), base).ok();
    match digits.get(..2) {
        Some("0x" | "0X") => Some(based(16)?.into()),
        Some("0o" | "0O") => Some(based(8)?.into()),
        Some("0b" | "0B") => Some(based(2)?.into()),
        _ => match text.parse::<i64>() {
            Ok(whole) => Some(whole.into()),
            Err(_) => serde_json::Number::from_f64(text.parse().ok()?),
        },
    }
}

/// A character is its number, as in Go.
fn character(text: &str) -> Result<(Token, usize)> {
    let mut chars = text[1..].chars();
    let (char, len) = match chars.next() {
        Some('\\') => (unescaped(chars.next())?, 2),
        Some(char) => (char, char.len_utf8()),
        None => ('\'', 0),
    };
    match text[1 + len..].starts_with('\'') {
        true => Ok((Token::Number(u32::from(char).into()), len + 2)),
        false => Err(Error::invalid(format!("the character {text} is not closed"))),
    }
}

/// A string as Go writes it, interpreted or raw.
fn string(text: &str, quote: char) -> Result<(Token, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            char if char == quote => return Ok((Token::Text(value), at + 1)),
            '\\' if quote == '"' => {
                let escape = chars.next().map(|(_, char)| char);
                value.push(unescaped(escape)?);
            }
            char => value.push(char),
        }
    }
    Err(Error::invalid(format!("the string {text} is not closed")))
}

fn unescaped(escape: Option<char>) -> Result<char> {
    Ok(match escape {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some(same @ ('\\' | '"' | '\'')) => same,
        other => {
            let what = other.map_or_else(String::new, |char| char.to_string());
            return Err(Error::invalid(format!("\\{what} means nothing in a string")));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_trimmed_where_a_dash_says_so() {
        let text = |template| match &pieces(template).unwrap()[..] {
            [Piece::Text(a), Piece::Action(_), Piece::Text(b)] => (a.clone(), b.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(text("a {{.X}} b"), ("a ".into(), " b".into()));
        assert_eq!(text("a {{- .X -}} b"), ("a".into(), "b".into()));
        assert_eq!(pieces("{{/* nothing */}}").unwrap(), []);
    }

    #[test]
    fn braces_in_a_string_end_no_action() {
        let all = pieces("{{\"}}\"}}x").unwrap();
        assert_eq!(all, [Piece::Action(vec![Token::Text("}}".into())]), Piece::Text("x".into())]);
        for bad in ["{{", "{{\"}}", "{{#}}", "{{\"\\q\"}}", "{{1x}}", "{{'ab'}}", "{{'"] {
            assert!(pieces(bad).is_err(), "{bad}");
        }
    }
}
