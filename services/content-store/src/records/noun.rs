//! A noun's records: one for itself, one for each label, one for each resource of a lease.
//!
//! All of a noun's records stand under one prefix, so that one scan reads it whole:
//! `<sort>/<namespace>/<name>\0` is the noun, `…\0l<label>` a label, `…\0r<kind>\0<id>` a resource.
//! A label's key of more than 255 bytes is stored under its hash, with the key before the value.

use varve_core::leases::Resource;
use varve_core::{Digest, Error, Labels, Namespace, Result};

use super::{Change, View, edges};

// No name is so long that a record's key would exceed lib/meta's limit.
pub use varve_core::scope::check_name;

const LONG: usize = 255;

/// What a record is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Sort {
    Content,
    Image,
    Lease,
    Container,
    Namespace,
}

impl Sort {
    pub const ALL: [Self; 5] =
        [Self::Content, Self::Image, Self::Lease, Self::Container, Self::Namespace];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Image => "image",
            Self::Lease => "lease",
            Self::Container => "container",
            Self::Namespace => "namespace",
        }
    }
}

/// One noun of one namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Noun {
    pub sort: Sort,
    pub namespace: Namespace,
    pub name: String,
}

/// All records of a noun.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    pub value: Vec<u8>,
    pub labels: Labels,
    /// A lease's.
    pub resources: Vec<Resource>,
}

impl Noun {
    pub fn new(sort: Sort, namespace: &Namespace, name: impl Into<String>) -> Self {
        Self { sort, namespace: namespace.clone(), name: name.into() }
    }

    pub fn content(namespace: &Namespace, digest: &Digest) -> Self {
        Self::new(Sort::Content, namespace, digest.to_string())
    }

    /// The key of the noun itself, and the prefix of all that belongs to it.
    pub fn key(&self) -> Vec<u8> {
        let mut key = namespace_prefix(self.sort, &self.namespace);
        key.extend_from_slice(self.name.as_bytes());
        key.push(0);
        key
    }

    fn label_key(&self, label: &str) -> Vec<u8> {
        let mut key = self.key();
        key.push(b'l');
        key.extend_from_slice(short(label).as_bytes());
        key
    }

    fn resource_key(&self, resource: &Resource) -> Vec<u8> {
        let mut key = self.key();
        key.push(b'r');
        key.extend_from_slice(resource.kind.as_bytes());
        key.push(0);
        key.extend_from_slice(resource.id.as_bytes());
        key
    }

    /// Whether there is one.
    pub fn is_in(&self, view: &impl View) -> Result<bool> {
        Ok(view.get(&self.key())?.is_some())
    }

    /// Reads the noun; `None` where it is not.
    pub fn load(&self, view: &impl View) -> Result<Option<Stored>> {
        let prefix = self.key();
        let mut stored = None;
        for (key, value) in view.scan(&prefix)? {
            take(&mut stored, &key[prefix.len()..], value);
        }
        Ok(stored)
    }

    /// Makes the records be `new`, whatever they were, and the edges with them.
    pub fn save(&self, change: &mut Change<'_>, new: &Stored) -> Result<()> {
        let old = self.load(change)?;
        self.replace(change, old.unwrap_or_default(), new)?;
        change.put(&self.key(), new.value.clone())
    }

    /// Removes all records and edges; answers what there was.
    pub fn remove(&self, change: &mut Change<'_>) -> Result<Option<Stored>> {
        let Some(old) = self.load(change)? else { return Ok(None) };
        self.replace(change, old.clone(), &Stored::default())?;
        change.delete(&self.key())?;
        Ok(Some(old))
    }

    fn replace(&self, change: &mut Change<'_>, old: Stored, new: &Stored) -> Result<()> {
        edges::note_kept(change, self, &old, new);
        edges::replace(change, self, &old, new)?;
        for label in old.labels.keys().filter(|label| !new.labels.contains_key(*label)) {
            change.delete(&self.label_key(label))?;
        }
        for (label, value) in &new.labels {
            if old.labels.get(label) != Some(value) {
                change.put(&self.label_key(label), label_value(label, value)?)?;
            }
        }
        for gone in old.resources.iter().filter(|resource| !new.resources.contains(resource)) {
            change.delete(&self.resource_key(gone))?;
        }
        new.resources.iter().try_for_each(|held| change.put(&self.resource_key(held), Vec::new()))
    }

    /// Adds one resource to a lease, without reading the others.
    pub fn add_resource(&self, change: &mut Change<'_>, resource: &Resource) -> Result<()> {
        edges::add_resource(change, self, resource)?;
        change.put(&self.resource_key(resource), Vec::new())
    }

    /// Takes one resource out of a lease.
    pub fn remove_resource(&self, change: &mut Change<'_>, resource: &Resource) -> Result<()> {
        edges::remove_resource(change, self, resource)?;
        change.delete(&self.resource_key(resource))
    }
}

/// The prefix of all records of a sort in a namespace.
pub fn namespace_prefix(sort: Sort, namespace: &Namespace) -> Vec<u8> {
    format!("{}/{namespace}/", sort.as_str()).into_bytes()
}

/// All nouns of a sort in one namespace, by name.
pub fn list(view: &impl View, sort: Sort, namespace: &Namespace) -> Result<Vec<(String, Stored)>> {
    let nouns = group(view.scan(&namespace_prefix(sort, namespace))?, sort);
    Ok(nouns.into_iter().map(|(noun, stored)| (noun.name, stored)).collect())
}

/// All nouns of a sort, of every namespace.
pub fn list_all(view: &impl View, sort: Sort) -> Result<Vec<(Noun, Stored)>> {
    Ok(group(view.scan(format!("{}/", sort.as_str()).as_bytes())?, sort))
}

fn group(records: Vec<(Vec<u8>, Vec<u8>)>, sort: Sort) -> Vec<(Noun, Stored)> {
    let mut nouns: Vec<(Noun, Option<Stored>)> = Vec::new();
    for (key, value) in records {
        let Some((noun, rest)) = parse(sort, &key) else { continue };
        if nouns.last().is_none_or(|(last, _)| *last != noun) {
            nouns.push((noun, None));
        }
        if let Some((_, stored)) = nouns.last_mut() {
            take(stored, rest, value);
        }
    }
    nouns.into_iter().filter_map(|(noun, stored)| Some((noun, stored?))).collect()
}

fn parse(sort: Sort, key: &[u8]) -> Option<(Noun, &[u8])> {
    let rest = key.strip_prefix(sort.as_str().as_bytes())?.strip_prefix(b"/")?;
    let slash = rest.iter().position(|byte| *byte == b'/')?;
    let end = slash + 1 + rest[slash + 1..].iter().position(|byte| *byte == 0)?;
    let namespace = std::str::from_utf8(&rest[..slash]).ok()?.parse().ok()?;
    let name = std::str::from_utf8(&rest[slash + 1..end]).ok()?.to_owned();
    Some((Noun { sort, namespace, name }, &rest[end + 1..]))
}

/// Takes one record of a noun. The noun's own key sorts first, so what comes without it is
/// nobody's.
fn take(stored: &mut Option<Stored>, rest: &[u8], value: Vec<u8>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match (rest, stored.as_mut()) {
        ([], None) => *stored = Some(Stored { value, ..Stored::default() }),
        ([b'l', b'#', ..], Some(stored)) => {
            let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
            let rest = value.get(end + 1..).unwrap_or_default();
            stored.labels.insert(text(&value[..end]), text(rest));
        }
        ([b'l', label @ ..], Some(stored)) => {
            stored.labels.insert(text(label), text(&value));
        }
        ([b'r', resource @ ..], Some(stored)) => {
            let mut parts = resource.splitn(2, |byte| *byte == 0).map(text);
            let (kind, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            stored.resources.push(Resource { kind, id });
        }
        _ => {}
    }
}

/// The part of a key that stands for a label's key.
pub fn short(label: &str) -> String {
    if label.len() > LONG || label.starts_with('#') {
        return format!("#{}", Digest::of(label.as_bytes()).hex());
    }
    label.to_owned()
}

fn label_value(label: &str, value: &str) -> Result<Vec<u8>> {
    if label.contains('\0') {
        return Err(Error::invalid(format!("label {label:?}: a key must not have a zero byte")));
    }
    if short(label) == label {
        return Ok(value.as_bytes().to_vec());
    }
    Ok(format!("{label}\0{value}").into_bytes())
}
