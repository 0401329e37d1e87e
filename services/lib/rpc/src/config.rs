//! Configuration files: TOML, read strictly.

use std::path::Path;

use serde::de::DeserializeOwned;
use varve_core::{Error, Result};

/// Reads the file at `path`.
///
/// # Errors
/// InvalidArgument naming the file, the line and the key for what cannot be understood, unknown keys
/// included where `T` denies them.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let noun = || format!("configuration {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(noun(), error))?;
    toml::from_str(&text).map_err(|error| {
        let why = error.message().replace('\n', ", ");
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        let example = "deploy/config has an example of each file";
        Error::invalid(format!("{}: line {line}: {why}; {example}", noun()))
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::Address;

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Config {
        listen: Address,
    }

    fn read(text: &str) -> Result<Config> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load(file.path())
    }

    #[test]
    fn a_key_that_is_not_known_and_an_address_that_is_none_are_named() {
        let config = read("listen = 'unix:///x'").unwrap();
        assert_eq!(config.listen.to_string(), "unix:///x");
        let error = read("listen = 'unix:///x'\nlisden = 1").unwrap_err().chain();
        assert!(error.contains("line 2: ") && error.contains("lisden"), "{error}");
        let error = read("listen = 'http://0.0.0.0:1'").unwrap_err().chain();
        assert!(error.contains("loopback"), "{error}");
    }
}
