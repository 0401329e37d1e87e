//! `--env` and `--env-file`.

use std::fs;
use std::path::PathBuf;

use varve_core::{Error, Result};

/// `NAME=value` of the files and then of the words, each as Docker reads it: a name alone passes on this shell's
/// variable, if it has that.
pub fn read(files: &[PathBuf], words: &[String]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).map_err(|error| Error::io(file.display(), error))?;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = || format!("{}, line {}", file.display(), number + 1);
            all.extend(one(line).map_err(|error| error.context(at()))?);
        }
    }
    for word in words {
        all.extend(one(word)?);
    }
    Ok(all)
}

fn one(text: &str) -> Result<Option<String>> {
    let name = text.split('=').next().unwrap_or_default();
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(Error::invalid(format!("{text:?}: want NAME=VALUE, or NAME")));
    }
    if text.contains('\0') {
        return Err(Error::invalid(format!("{name}: a variable holds no NUL")));
    }
    if text.contains('=') {
        return Ok(Some(text.to_owned()));
    }
    Ok(std::env::var(name).ok().map(|value| format!("{name}={value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_first_and_a_name_alone_passes_a_variable_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "# none\n\nA=from file # kept\n  B=2\nNO_SUCH_VARIABLE_HERE\n")
            .unwrap();
        let words = ["C=x=y", "PATH"].map(str::to_owned);
        let read = read(&[file.path().to_owned()], &words).unwrap();
        let path = format!("PATH={}", std::env::var("PATH").unwrap());
        assert_eq!(read, ["A=from file # kept", "B=2", "C=x=y", &path]);
    }

    #[test]
    fn what_has_no_name_is_told_with_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "A=1\n=2\n").unwrap();
        let error = read(&[file.path().to_owned()], &[]).unwrap_err();
        assert!(error.chain().contains("line 2"), "{}", error.chain());
        for bad in ["", "=x", "a b=c"] {
            assert!(read(&[], &[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
