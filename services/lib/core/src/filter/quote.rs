//! Quoted parts: Go's string escapes between `"`, `|` or `/`.

use std::iter::Peekable;
use std::str::Chars;

/// The text between two `quote`s, from `rest` which starts behind the first one, and how many bytes
/// were read, the last quote included.
pub(super) fn unquote(rest: &str, quote: char) -> Result<(String, usize), &'static str> {
    let mut bytes = Vec::new();
    let mut chars = rest.chars().peekable();
    loop {
        match chars.next() {
            None | Some('\n' | '\0') => return Err("quoted text does not end"),
            Some('\\') => escape(&mut chars, quote, &mut bytes)?,
            Some(c) if c == quote => break,
            Some(c) => push(&mut bytes, c),
        }
    }
    let left: usize = chars.map(char::len_utf8).sum();
    let text = String::from_utf8(bytes).map_err(|_| "quoted text is not UTF-8")?;
    Ok((text, rest.len() - left))
}

/// What stands behind a backslash. `\x` and octal escapes are bytes, `\u` and `\U` characters.
fn escape(
    chars: &mut Peekable<Chars<'_>>,
    quote: char,
    bytes: &mut Vec<u8>,
) -> Result<(), &'static str> {
    let plain = match chars.next().ok_or("quoted text does not end")? {
        'a' => b'\x07',
        'b' => b'\x08',
        'f' => b'\x0c',
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => b'\x0b',
        '\\' => b'\\',
        'x' => digits(chars, 16, 2, 0)? as u8,
        'u' => return character(digits(chars, 16, 4, 0)?, bytes),
        'U' => return character(digits(chars, 16, 8, 0)?, bytes),
        c if c == quote => c as u8,
        c => match c.to_digit(8) {
            Some(first) => {
                u8::try_from(digits(chars, 8, 2, first)?).map_err(|_| "octal escape above \\377")?
            }
            None => return Err("illegal escape; a backslash of a regular expression is doubled"),
        },
    };
    bytes.push(plain);
    Ok(())
}

/// `count` digits more, behind `value`.
fn digits(
    chars: &mut Peekable<Chars<'_>>,
    base: u32,
    count: u32,
    value: u32,
) -> Result<u32, &'static str> {
    (0..count).try_fold(value, |value, _| {
        let digit = chars.peek().and_then(|c| c.to_digit(base)).ok_or("illegal numeric escape")?;
        chars.next();
        Ok(value.wrapping_mul(base) | digit)
    })
}

fn character(code: u32, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
    push(bytes, char::from_u32(code).ok_or("escape of no Unicode character")?);
    Ok(())
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
