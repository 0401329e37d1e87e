//! Update masks: which mutable fields an update replaces (google.protobuf.FieldMask, as containerd
//! reads it).

use crate::error::{Error, Result};
use crate::labels::{self, Labels};

/// One path of `update_mask.paths`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Path {
    /// `labels`: the whole map is replaced.
    Labels,
    /// `labels.<key>`: one label is set, or removed by an empty value. The key is everything after
    /// the first dot, dots and slashes included.
    Label(String),
    /// Another field of the noun, by its name (`target`, `image`, `snapshotkey`, …).
    Field(String),
}

/// The paths of an update; empty stands for every mutable field.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mask(Vec<Path>);

impl Mask {
    /// Every mutable field is replaced.
    pub fn all() -> Self {
        Self::default()
    }

    /// The named labels are set or removed, the others stay.
    pub fn labels<'a>(keys: impl IntoIterator<Item = &'a String>) -> Self {
        Self(keys.into_iter().map(|key| Path::Label(key.clone())).collect())
    }

    /// Reads `paths`; a path outside `labels`, `labels.<key>` and `fields` is refused.
    pub fn parse<S: AsRef<str>>(paths: &[S], fields: &[&str]) -> Result<Self> {
        let path = |path: &S| match path.as_ref() {
            "labels" => Ok(Path::Labels),
            field if fields.contains(&field) => Ok(Path::Field(field.to_owned())),
            other => match other.strip_prefix("labels.") {
                Some(key) if !key.is_empty() => Ok(Path::Label(key.to_owned())),
                _ => Err(Error::invalid(format!("cannot update field {other:?}"))),
            },
        };
        Ok(Self(paths.iter().map(path).collect::<Result<_>>()?))
    }

    /// The paths, as [`Mask::parse`] reads them.
    pub fn paths(&self) -> Vec<String> {
        let path = |path: &Path| match path {
            Path::Labels => "labels".to_owned(),
            Path::Label(key) => format!("labels.{key}"),
            Path::Field(field) => field.clone(),
        };
        self.0.iter().map(path).collect()
    }

    /// Refuses a mask that names another field than labels and `fields`.
    pub fn check(&self, fields: &[&str]) -> Result<()> {
        for path in &self.0 {
            if let Path::Field(field) = path
                && !fields.contains(&field.as_str())
            {
                return Err(Error::invalid(format!("cannot update field {field:?}")));
            }
        }
        Ok(())
    }

    /// Whether the field `name` is to be replaced.
    pub fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|p| matches!(p, Path::Field(field) if field == name))
    }

    /// Applies this mask to labels: `current` becomes what it should be after taking `new`.
    pub fn apply_labels(&self, current: &mut Labels, new: &Labels) -> Result<()> {
        labels::check(new)?;
        if self.0.is_empty() {
            current.clone_from(new);
        }
        for path in &self.0 {
            match path {
                Path::Labels => current.clone_from(new),
                Path::Label(key) => {
                    let value = new.get(key).cloned().unwrap_or_default();
                    labels::merge(current, &Labels::from([(key.clone(), value)]));
                }
                Path::Field(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn a_label_key_is_everything_after_the_first_dot() {
        let mask = Mask::parse(&["labels.containerd.io/gc.root"], &[]).unwrap();
        let mut current = labels(&[("a", "1")]);
        mask.apply_labels(&mut current, &labels(&[("containerd.io/gc.root", "x")])).unwrap();
        assert_eq!(current, labels(&[("a", "1"), ("containerd.io/gc.root", "x")]));
        mask.apply_labels(&mut current, &labels(&[])).unwrap();
        assert_eq!(current, labels(&[("a", "1")]));
    }

    #[test]
    fn an_empty_mask_and_labels_replace_the_map() {
        for mask in [Mask::all(), Mask::parse(&["labels"], &[]).unwrap()] {
            let mut current = labels(&[("a", "1")]);
            mask.apply_labels(&mut current, &labels(&[("b", "2")])).unwrap();
            assert_eq!(current, labels(&[("b", "2")]));
        }
    }

    #[test]
    fn a_field_that_is_not_mutable_is_refused() {
        assert!(Mask::parse(&["size"], &["target"]).is_err());
        assert!(Mask::parse(&["labels."], &[]).is_err());
        let mask = Mask::parse(&["target"], &["target"]).unwrap();
        assert!(mask.has("target") && !mask.has("image"));
        assert!(mask.check(&["target"]).is_ok() && mask.check(&[]).is_err());
    }
}
