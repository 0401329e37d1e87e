//! An index to the manifest for a platform, read out of the content store.
//!
//! Indexes may nest, and hostile ones nest deeply or name the same child a thousand times: each is
//! read once, depth and number are bounded, and of what was read only the best is kept. A child
//! without a platform is chosen only where no child with one fits; what is `unknown` never is.

use std::collections::{BTreeSet, HashSet};

use varve_core::content::Content;
use varve_core::oci::{Bounds, Document, LARGE};
use varve_core::{Descriptor, Digest, Error, Platform, Result, ResultExt, Scope};

/// Platforms that an error lists.
const LISTED: usize = 40;

pub(crate) async fn select(
    bounds: &Bounds,
    content: &dyn Content,
    scope: &Scope,
    target: &Descriptor,
    platform: &Platform,
) -> Result<Descriptor> {
    if target.media_type.is_manifest() {
        return Ok(target.clone());
    }
    if !target.media_type.is_index() {
        let what = format!("{} is {}", target.digest, target.media_type);
        return Err(Error::invalid(format!("{what}, and neither an index nor a manifest")));
    }
    let walk = Walk { bounds, content, scope };
    let mut found = Found::new(platform);
    walk.below(target, &mut found).await?;
    found.choice().ok_or_else(|| found.nothing(target))
}

/// How indexes are read.
struct Walk<'a> {
    bounds: &'a Bounds,
    content: &'a dyn Content,
    scope: &'a Scope,
}

impl Walk<'_> {
    /// Shows `found` all manifests below `target`, nearer ones first.
    async fn below(&self, target: &Descriptor, found: &mut Found<'_>) -> Result<()> {
        let mut seen = HashSet::from([target.digest]);
        let mut level = vec![target.clone()];
        for _ in 0..=self.bounds.depth {
            let mut next = Vec::new();
            for index in &level {
                for child in self.children(index).await? {
                    if let Some(index) = found.look(child, &mut seen) {
                        next.push(index);
                    }
                    self.check_number(target, seen.len())?;
                }
            }
            if next.is_empty() {
                return Ok(());
            }
            level = next;
        }
        let depth = self.bounds.depth;
        Err(bad(target, &format!("indexes lie in it more than {depth} deep; {LARGE}")))
    }

    fn check_number(&self, target: &Descriptor, seen: usize) -> Result<()> {
        let most = self.bounds.indexes;
        if seen > most {
            return Err(bad(
                target,
                &format!("it and those below are more than {most} indexes; {LARGE}"),
            ));
        }
        Ok(())
    }

    async fn children(&self, index: &Descriptor) -> Result<Vec<Descriptor>> {
        let noun = || format!("index {}", index.digest);
        let reader = self.content.reader(self.scope, &index.digest).await.context(noun)?;
        let bytes = reader.read_all(self.bounds.document).await.context(noun)?;
        match Document::parse(&index.media_type, &bytes, self.bounds).context(noun)? {
            Document::Index(index) => Ok(index.manifests),
            Document::Manifest(_) => Err(bad(index, "is a manifest")),
        }
    }
}

/// The best so far.
struct Found<'a> {
    platform: &'a Platform,
    best: Option<(u32, Descriptor)>,
    /// The first manifest that does not say what it is for.
    silent: Option<Descriptor>,
    /// What there is, for a person.
    offered: BTreeSet<String>,
}

impl<'a> Found<'a> {
    fn new(platform: &'a Platform) -> Self {
        Self { platform, best: None, silent: None, offered: BTreeSet::new() }
    }

    /// Looks at a child. Gives it back where it is an index that was not seen before and may hold
    /// something: one that is for another platform as a whole need not be here.
    fn look(&mut self, child: Descriptor, seen: &mut HashSet<Digest>) -> Option<Descriptor> {
        if child.media_type.is_manifest() {
            self.weigh(child);
            return None;
        }
        let fits = |offered: &Platform| self.platform.rank(offered).is_some();
        let may_hold = child.media_type.is_index() && child.platform.as_ref().is_none_or(fits);
        (may_hold && seen.insert(child.digest)).then_some(child)
    }

    fn weigh(&mut self, manifest: Descriptor) {
        let Some(offered) = &manifest.platform else {
            self.silent.get_or_insert(manifest);
            return;
        };
        if offered.os != "unknown" && self.offered.len() < LISTED {
            self.offered.insert(readable(offered));
        }
        if let Some(rank) = self.platform.rank(offered)
            && self.best.as_ref().is_none_or(|(best, _)| rank < *best)
        {
            self.best = Some((rank, manifest));
        }
    }

    fn choice(&mut self) -> Option<Descriptor> {
        self.best.take().map(|(_, best)| best).or(self.silent.take())
    }

    fn nothing(&self, target: &Descriptor) -> Error {
        let listed: Vec<&str> = self.offered.iter().map(String::as_str).collect();
        let there = if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") };
        let (platform, digest) = (self.platform, target.digest);
        Error::not_found(format!("no manifest for {platform} in index {digest}: there is {there}"))
    }
}

/// A platform of others for a person's terminal.
fn readable(platform: &Platform) -> String {
    platform.to_string().chars().filter(|c| !c.is_control()).take(64).collect()
}

fn bad(index: &Descriptor, why: &str) -> Error {
    Error::invalid(format!("index {}: {why}", index.digest))
}
