//! The keys by which a person leaves a program that goes on: ctrl-p ctrl-q, unless others are named.

use std::str::FromStr;

use varve_core::Error;

/// A sequence of keys; empty, there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys(Vec<u8>);

impl Default for Keys {
    fn default() -> Self {
        Self(vec![control(b'p'), control(b'q')])
    }
}

/// `ctrl-` takes away the two bits by which a letter differs from its control character (ASCII).
const fn control(letter: u8) -> u8 {
    letter & 0x1f
}

impl FromStr for Keys {
    type Err = Error;

    /// Comma-separated: a character, or `ctrl-` with a letter or one of `@ [ \ ] ^ _`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let key = |word: &str| match (word.strip_prefix("ctrl-"), word.as_bytes()) {
            (None, &[one]) if one.is_ascii() => Ok(one),
            (Some(letter), _) => match *letter.as_bytes() {
                [one] if one.is_ascii_alphabetic() || (b'@'..=b'_').contains(&one) => {
                    Ok(control(one))
                }
                _ => Err(wrong(word)),
            },
            _ => Err(wrong(word)),
        };
        let words = text.split(',').filter(|_| !text.is_empty());
        words.map(key).collect::<Result<_, _>>().map(Self)
    }
}

fn wrong(word: &str) -> Error {
    Error::invalid(format!("detach key {word:?}: want a character, or ctrl- and a letter"))
}

/// Looks for the keys in what is typed.
pub struct Watch {
    keys: Keys,
    /// How many of them have been seen.
    seen: usize,
}

impl Watch {
    pub fn new(keys: Keys) -> Self {
        Self { keys, seen: 0 }
    }

    /// What of `typed` is the program's, and whether the keys are complete. Keys that turn out not to be all of them
    /// were the program's.
    pub fn take(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let keys = &self.keys.0;
        let mut rest = Vec::with_capacity(typed.len());
        for &byte in typed {
            if keys.get(self.seen) == Some(&byte) {
                self.seen += 1;
                if self.seen == keys.len() {
                    return (rest, true);
                }
                continue;
            }
            rest.extend_from_slice(&keys[..self.seen]);
            self.seen = usize::from(keys.first() == Some(&byte) && keys.len() > 1);
            if self.seen == 0 {
                rest.push(byte);
            }
        }
        (rest, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_over_pieces_and_what_only_looks_so_is_the_programs() {
        let mut watch = Watch::new(Keys::default());
        assert_eq!(watch.take(b"ls\x10"), (b"ls".to_vec(), false));
        assert_eq!(watch.take(b"x\x10\x10"), (b"\x10x\x10".to_vec(), false));
        assert_eq!(watch.take(b"\x11never"), (Vec::new(), true));
        let mut never = Watch::new("".parse().unwrap());
        assert_eq!(never.take(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }

    #[test]
    fn keys_are_named_as_docker_names_them() {
        assert_eq!("ctrl-p,ctrl-q".parse::<Keys>().unwrap(), Keys::default());
        assert_eq!("ctrl-A,x,ctrl-[".parse::<Keys>().unwrap(), Keys(vec![1, b'x', 27]));
        for wrong in ["ctrl-", "ctrl-ab", "xy", "ctrl-1", "a,,b"] {
            assert!(wrong.parse::<Keys>().is_err(), "{wrong}");
        }
    }
}
