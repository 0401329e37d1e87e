//! From a filter's text to its selectors; reads left to right and never back.

use regex::{Regex, RegexBuilder};

use super::{Selector, Test, quote};
use crate::error::{Error, Result};

/// Most bytes of a filter.
const MAX_TEXT: usize = 16 << 10;
/// Most regular expressions in a list of filters; with [`REGEX_SIZE`] the bound on memory.
const MAX_REGEXES: usize = 32;
/// Most bytes of a compiled regular expression.
const REGEX_SIZE: usize = 1 << 20;

/// The selectors of one filter; none where it is empty. `regexes` counts those of the whole list.
pub(super) fn parse(text: &str, regexes: &mut usize) -> Result<Vec<Selector>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.len() > MAX_TEXT {
        return Err(Error::invalid(format!("a filter of {} bytes; at most 16384", text.len())));
    }
    let mut parser = Parser { text, at: 0, regexes };
    parser.selectors().map_err(|(at, why)| {
        let column = text[..at].chars().count() + 1;
        Error::invalid(format!("filter {text:?}: at character {column}: {why}"))
    })
}

/// A position in bytes, on a character's boundary, and what is wrong there.
type Fault = (usize, String);

struct Parser<'a> {
    text: &'a str,
    at: usize,
    regexes: &'a mut usize,
}

impl Parser<'_> {
    fn selectors(&mut self) -> Result<Vec<Selector>, Fault> {
        let mut selectors = vec![self.selector()?];
        while self.peek().is_some() {
            if !self.take(',') {
                return self.fault("want ',' or the end");
            }
            selectors.push(self.selector()?);
        }
        Ok(selectors)
    }

    fn selector(&mut self) -> Result<Selector, Fault> {
        let mut path = vec![self.field()?];
        while self.take('.') {
            path.push(self.field()?);
        }
        let test = match self.peek() {
            None | Some(',') => Test::Present,
            Some(_) => self.test()?,
        };
        Ok(Selector { path, test })
    }

    fn field(&mut self) -> Result<String, Fault> {
        if self.peek() == Some('"') {
            return self.quoted('"');
        }
        let field = self.run(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        match field.is_empty() {
            true => self.fault("want a field, or a \"quoted\" one"),
            false => Ok(field),
        }
    }

    fn test(&mut self) -> Result<Test, Fault> {
        self.peek();
        let start = self.at;
        match self.run(|c| matches!(c, '=' | '!' | '~')).as_str() {
            "==" => Ok(Test::Equal(self.value(&['"'])?)),
            "!=" => Ok(Test::NotEqual(self.value(&['"'])?)),
            "~=" => self.regex(),
            _ => Err((start, "want an operator: \"==\", \"!=\" or \"~=\"".to_owned())),
        }
    }

    fn regex(&mut self) -> Result<Test, Fault> {
        self.peek();
        let start = self.at;
        let pattern = self.value(&['"', '|', '/'])?;
        *self.regexes += 1;
        if *self.regexes > MAX_REGEXES {
            return Err((start, "too many regular expressions; at most 32".to_owned()));
        }
        compile(&pattern).map(Test::Matches).map_err(|why| (start, why))
    }

    fn value(&mut self, quotes: &[char]) -> Result<String, Fault> {
        match self.peek() {
            Some(quote) if quotes.contains(&quote) => return self.quoted(quote),
            Some('|' | '/') => {
                return self.fault("a value that starts so must stand in \"quotes\"");
            }
            Some('.' | '=' | '!' | '~') | None => {}
            Some(_) => {
                let value = self.run(|c| c != ',' && !c.is_whitespace() && !c.is_control());
                if !value.is_empty() {
                    return Ok(value);
                }
            }
        }
        self.fault("want a value, or a \"quoted\" one")
    }

    fn quoted(&mut self, quote: char) -> Result<String, Fault> {
        let inside = self.at + quote.len_utf8();
        match quote::unquote(&self.text[inside..], quote) {
            Ok((text, read)) => {
                self.at = inside + read;
                Ok(text)
            }
            Err(why) => self.fault(why),
        }
    }

    /// The characters that `belongs` takes, from here.
    fn run(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let rest = &self.text[self.at..];
        let run = &rest[..rest.find(|c| !belongs(c)).unwrap_or(rest.len())];
        self.at += run.len();
        run.to_owned()
    }

    /// Steps over `expected` if it comes next.
    fn take(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.at += expected.len_utf8();
        }
        found
    }

    /// The next character that is no white space; the position is moved to it.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn fault<T>(&self, why: &str) -> Result<T, Fault> {
        Err((self.at, why.to_owned()))
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_SIZE).nest_limit(64).build().map_err(|error| {
        match error {
            regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
            other => format!("regular expression {pattern:?}: {}", last_line(&other.to_string())),
        }
    })
}

/// The regex crate draws the pattern over several lines, and says what is wrong in the last.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}
