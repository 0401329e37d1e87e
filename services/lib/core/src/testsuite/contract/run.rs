//! How one promise is run: on a fresh subject, and not for ever.

use std::time::Duration;

/// No promise takes longer, whatever the machine does besides.
const LIMIT: Duration = Duration::from_secs(120);

/// What a contract's argument may answer: a subject and its guard, or nothing where it cannot.
pub trait Fixture {
    type Subject;
    type Guard;
    fn parts(self) -> Option<(Self::Subject, Self::Guard)>;
}

impl<S, G> Fixture for (S, G) {
    type Subject = S;
    type Guard = G;
    fn parts(self) -> Option<(S, G)> {
        Some(self)
    }
}

impl<S, G> Fixture for Option<(S, G)> {
    type Subject = S;
    type Guard = G;
    fn parts(self) -> Option<(S, G)> {
        self
    }
}

/// Makes a subject and tests it; the guard goes last.
pub async fn run<F: Fixture>(fresh: impl AsyncFnOnce() -> F, test: impl AsyncFnOnce(&F::Subject)) {
    let Some((subject, guard)) = fresh().await.parts() else { return };
    let done = tokio::time::timeout(LIMIT, test(&subject)).await;
    drop((subject, guard));
    done.expect("the promise was kept or broken within its limit");
}
