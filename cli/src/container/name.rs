//! Names and ids of containers.

use std::fs::File;
use std::io::Read;

use varve_core::{Error, Result};

/// What a bed of sediment may be like, and what may lie in it.
const ADJECTIVES: [&str; 48] = [
    "amber", "ashen", "banded", "brackish", "bright", "calm", "chalky", "clear", "coarse", "cold",
    "dappled", "dark", "deep", "drifting", "dusky", "faint", "fine", "flinty", "folded", "gentle",
    "glacial", "golden", "grey", "hidden", "layered", "lean", "limpid", "lofty", "mellow", "misty",
    "muted", "narrow", "pale", "quiet", "rippled", "russet", "sandy", "settled", "shallow",
    "silent", "silty", "slow", "smooth", "sunken", "tidal", "veined", "vivid", "winding",
];
const NOUNS: [&str; 48] = [
    "agate",
    "ammonite",
    "basalt",
    "basin",
    "beach",
    "bed",
    "boulder",
    "brook",
    "cairn",
    "chert",
    "clay",
    "cliff",
    "coral",
    "cove",
    "delta",
    "diatom",
    "dune",
    "esker",
    "estuary",
    "fern",
    "fjord",
    "flint",
    "gneiss",
    "granite",
    "gravel",
    "heron",
    "jasper",
    "lagoon",
    "lake",
    "loam",
    "marl",
    "marsh",
    "mica",
    "moraine",
    "nautilus",
    "opal",
    "pebble",
    "pollen",
    "quartz",
    "reed",
    "reef",
    "schist",
    "shale",
    "shoal",
    "slate",
    "spring",
    "trilobite",
    "tuff",
];

/// Sixty-four hex digits that no other container has.
pub fn new_id() -> Result<String> {
    Ok(random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A name for a container that was given none; `attempt` counts the names that were taken.
pub fn new_name(attempt: u32) -> Result<String> {
    let [adjective, noun, more] = random::<3>()?;
    let pick = |words: &[&'static str; 48], byte: u8| words[usize::from(byte) % words.len()];
    let name = format!("{}_{}", pick(&ADJECTIVES, adjective), pick(&NOUNS, noun));
    Ok(if attempt < 4 { name } else { format!("{name}{more}") })
}

/// Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. A name never is a path.
pub fn check(name: &str) -> Result<()> {
    const MAX: usize = 128;
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if starts && (2..=MAX).contains(&name.len()) && name.bytes().all(inner) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "container name {name:?}: want two to {MAX} letters, digits, '_', '.' and '-', a letter or \
         digit first"
    )))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    const SOURCE: &str = "/dev/urandom";
    let mut bytes = [0; N];
    let read = File::open(SOURCE).and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(|error| Error::io(SOURCE, error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_names_and_ids_are_allowed_ones() {
        for attempt in 0..8 {
            check(&new_name(attempt).unwrap()).unwrap();
        }
        let id = new_id().unwrap();
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_ne!(id, new_id().unwrap());
        varve_core::scope::check_identifier("container", &id).unwrap();
    }

    #[test]
    fn no_word_comes_twice() {
        for words in [ADJECTIVES, NOUNS] {
            assert!(words.is_sorted_by(|a, b| a < b), "{words:?}");
        }
    }

    #[test]
    fn a_name_that_could_be_a_path_is_refused() {
        for good in ["ab", "web.1", "A_b-c", "0x"] {
            check(good).unwrap();
        }
        for bad in ["", "a", ".a", "-a", "a/b", "../x", "a b", "é1", &"a".repeat(129)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
