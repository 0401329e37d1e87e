//! Whether blobs are here, as large as they must be, and, where that is asked, what they hash to.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use varve_core::content::{Content, Reader};
use varve_core::{Digest, Error, Hasher, Kind, Result, Scope};

use crate::progress::{self, Line, Phase, Progress};
use crate::session::Session;
use crate::survey;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;
/// Blobs that are hashed at the same time: each needs a processor.
const AT_ONCE: usize = 4;

/// What is wrong with a blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// `is not here`, `has 3 bytes and not 5`.
    pub what: String,
    /// There is something to take out.
    pub is_here: bool,
}

impl Broken {
    fn absent() -> Self {
        Self { what: "is not here".into(), is_here: false }
    }

    fn here(what: String) -> Self {
        Self { what, is_here: true }
    }
}

/// What was seen of them.
pub struct Looked {
    /// Those that are not as they must be.
    pub broken: BTreeMap<Digest, Broken>,
    /// Bytes.
    pub hashed: u64,
}

/// Looks at each blob once.
pub async fn look(session: &Session, wanted: &BTreeMap<Digest, u64>, deep: bool) -> Result<Looked> {
    let looker = Arc::new(Looker {
        content: session.services.content.clone(),
        scope: session.scope.clone(),
        deep,
        // Only a terminal is shown what goes on: a line for each blob is nobody's.
        progress: progress::open(!deep || session.output.is_json() || !io::stdout().is_terminal()),
        done: AtomicU64::new(0),
    });
    let (count, size) = (wanted.len(), wanted.values().sum());
    looker.progress.begin(&[Line { id: format!("{count} blobs"), size }]);
    let work = looker.clone();
    let all: Vec<(Digest, u64)> = wanted.iter().map(|(digest, size)| (*digest, *size)).collect();
    let looked = survey::each_of(AT_ONCE, all, move |(digest, size)| {
        let looker = work.clone();
        async move { looker.look(&digest, size).await.map(|broken| (digest, broken)) }
    });
    let looked = looked.await?.into_iter().collect::<Result<Vec<_>>>()?;
    looker.progress.layer(0, Phase::Hashed);
    looker.progress.end();
    let broken = looked.into_iter().filter_map(|(digest, broken)| Some((digest, broken?)));
    Ok(Looked { broken: broken.collect(), hashed: looker.done.load(Ordering::Relaxed) })
}

struct Looker {
    content: Arc<dyn Content>,
    scope: Scope,
    deep: bool,
    progress: Arc<dyn Progress>,
    /// Bytes that were hashed.
    done: AtomicU64,
}

impl Looker {
    /// An error only where nothing can be said of the blob.
    async fn look(&self, digest: &Digest, size: u64) -> Result<Option<Broken>> {
        match self.open(digest, size).await {
            Ok(broken) => Ok(broken),
            Err(error) if error.kind() == Kind::NotFound => Ok(Some(Broken::absent())),
            Err(error) if is_about_the_blob(&error) => Ok(Some(Broken::here(said(digest, &error)))),
            Err(error) => Err(error),
        }
    }

    async fn open(&self, digest: &Digest, size: u64) -> Result<Option<Broken>> {
        let reader = self.content.reader(&self.scope, digest).await?;
        if reader.size() != size {
            let what = format!("has {} bytes and not {size}", reader.size());
            return Ok(Some(Broken::here(what)));
        }
        if !self.deep {
            // A store elsewhere looks at the file only when it is read.
            return reader.read_at(0, 1).await.map(|_| None);
        }
        let found = self.hash(&*reader).await?;
        let other = || Broken::here(format!("has other bytes, which hash to {found}"));
        Ok((found != *digest).then(other))
    }

    async fn hash(&self, reader: &dyn Reader) -> Result<Digest> {
        let mut hasher = Hasher::new();
        while hasher.len() < reader.size() {
            let bytes = reader.read_at(hasher.len(), CHUNK).await?;
            if bytes.is_empty() {
                return Err(Error::data_loss("it ends before its size"));
            }
            tokio::task::block_in_place(|| hasher.update(&bytes));
            self.done.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.progress.layer(0, Phase::Hashing(self.done.load(Ordering::Relaxed)));
        }
        Ok(hasher.digest())
    }
}

/// The store names the blob, as whoever tells of it does.
fn said(digest: &Digest, error: &Error) -> String {
    let chain = error.chain();
    let said = chain.strip_prefix(&format!("blob {digest}: ")).unwrap_or(&chain);
    said.split(';').next().unwrap_or(said).to_owned()
}

/// And not about the way to it.
fn is_about_the_blob(error: &Error) -> bool {
    matches!(error.kind(), Kind::DataLoss | Kind::Internal | Kind::OutOfRange)
}
