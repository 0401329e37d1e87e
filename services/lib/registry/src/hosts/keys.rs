//! The keys of a table, each taken once and as what it must be: an error names the file and the key,
//! and what nobody took is told, because containerd's files may have keys that are newer than this.

use std::path::{Path, PathBuf};

use toml::{Table, Value};
use varve_core::{Error, Result};

pub(super) struct Keys<'a> {
    file: &'a Path,
    /// The table's own name, with a dot behind it: `host."https://mirror".`.
    prefix: String,
    table: Table,
}

impl<'a> Keys<'a> {
    pub(super) fn new(file: &'a Path, prefix: String, table: Table) -> Self {
        Self { file, prefix, table }
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>> {
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        match value {
            Value::String(text) => Ok(Some(text)),
            _ => Err(self.bad(key, "want a string")),
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool> {
        match self.table.remove(key) {
            None => Ok(false),
            Some(Value::Boolean(flag)) => Ok(flag),
            Some(_) => Err(self.bad(key, "want true or false")),
        }
    }

    /// A list of strings; a single one stands for a list of it.
    pub(super) fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        match strings(value) {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.bad(key, "want a string or a list of strings")),
        }
    }

    pub(super) fn table(&mut self, key: &str) -> Result<Table> {
        match self.table.remove(key) {
            None => Ok(Table::new()),
            Some(Value::Table(table)) => Ok(table),
            Some(_) => Err(self.bad(key, "want a table")),
        }
    }

    /// Paths, relative to the file.
    pub(super) fn paths(&mut self, key: &str) -> Result<Vec<PathBuf>> {
        let texts = self.texts(key)?.unwrap_or_default();
        Ok(texts.iter().map(|text| self.path(text)).collect())
    }

    /// A path of a file with certificate and key, a list of such, or a list of pairs of certificate
    /// and key, where an empty key stands for none.
    pub(super) fn pairs(&mut self, key: &str) -> Result<Vec<(PathBuf, Option<PathBuf>)>> {
        let values = match self.table.remove(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        let pair = |value: Value| {
            let texts = strings(value)?;
            let (certificate, rest) = texts.split_first()?;
            let key = rest.first().filter(|key| !key.is_empty());
            (rest.len() < 2).then(|| (self.path(certificate), key.map(|key| self.path(key))))
        };
        let pairs: Option<Vec<_>> = values.into_iter().map(pair).collect();
        pairs.ok_or_else(|| self.bad(key, "want a path, a list of paths, or a list of pairs"))
    }

    fn path(&self, text: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("/")).join(text)
    }

    /// Says which keys were not taken.
    pub(super) fn end(self) {
        for key in self.table.keys() {
            let (file, prefix) = (self.file.display(), &self.prefix);
            tracing::warn!("{file}: {prefix}{key}: is not known, and left out");
        }
    }

    /// InvalidArgument about `key` of this file.
    pub(super) fn bad(&self, key: &str, why: impl std::fmt::Display) -> Error {
        let (file, prefix) = (self.file.display(), &self.prefix);
        Error::invalid(format!("{file}: {prefix}{key}: {why}"))
    }
}

fn strings(value: Value) -> Option<Vec<String>> {
    let text = |value| match value {
        Value::String(text) => Some(text),
        _ => None,
    };
    match value {
        Value::Array(values) => values.into_iter().map(text).collect(),
        value => Some(vec![text(value)?]),
    }
}
