//! One budget for all that is tried again on the way to one thing.
//!
//! Failures in a row and the time since the last progress are both limited. Back-off has full
//! jitter (a random part of a doubling span), so that many clients of a registry that comes back do
//! not come back together; a registry's own Retry-After is kept to, or, where it is beyond the
//! budget, reported at once.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use varve_core::{Error, Kind};

use crate::config::Config;
use crate::failure::Failure;

/// Bytes that count as progress, and start the budget anew.
const PROGRESS: u64 = 1 << 20;

/// Longer waits are told of: nobody likes to look at nothing for minutes.
const SILENT: Duration = Duration::from_secs(10);

/// Attempts and time that may still be spent.
pub struct Budget {
    config: Config,
    failed: u32,
    spent: u32,
    since: Instant,
    /// Up to where progress was counted.
    counted: u64,
    tell: Option<Box<dyn FnMut(u32) + Send>>,
    mirrors: Mirrors,
}

/// What came of the mirrors that were asked for one thing.
#[derive(Default)]
struct Mirrors {
    /// Not to be asked for it again.
    passed: Vec<String>,
    /// Bytes of it came from these.
    sources: Vec<String>,
    /// The first that wanted a login.
    login_at: Option<String>,
}

impl Budget {
    /// A full budget.
    pub fn new(config: &Config) -> Self {
        let config = config.clone();
        let (since, mirrors) = (Instant::now(), Mirrors::default());
        Self { config, failed: 0, spent: 0, since, counted: 0, tell: None, mirrors }
    }

    /// Calls `tell` with the number of failures so far before each new attempt.
    pub fn on_retry(mut self, tell: impl FnMut(u32) + Send + 'static) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    /// So much is here now: a mebibyte more than ever counted before starts the budget anew. Only
    /// what is new counts, or else a registry that makes us begin again and again would never end.
    pub fn reached(&mut self, at: u64) {
        if at >= self.counted.saturating_add(PROGRESS) {
            (self.counted, self.spent, self.since) = (at, 0, Instant::now());
        }
    }

    /// Whether the mirror at `host` has failed for this thing.
    pub(crate) fn has_passed(&self, host: &str) -> bool {
        self.mirrors.passed.iter().any(|passed| passed == host)
    }

    /// Bytes come from the mirror at `host`.
    pub(crate) fn comes_from(&mut self, host: &str) {
        if !self.mirrors.sources.iter().any(|source| source == host) {
            self.mirrors.sources.push(host.to_owned());
        }
    }

    /// All of it came, and it is not what was asked for. Mirrors that had a part in it are not asked
    /// for it again; where there were none, it costs half of the attempts, because a proxy in between
    /// may have been the trouble.
    pub async fn survive_deceit(&mut self, error: Error) -> Result<(), Error> {
        let sources = std::mem::take(&mut self.mirrors.sources);
        if sources.is_empty() {
            let cost = self.config.attempts.div_ceil(2);
            return self.survive(Failure::Passing { error, after: None, cost }).await;
        }
        tracing::warn!(mirrors = ?sources, error = error.chain(), "a mirror sent other bytes");
        self.mirrors.passed.extend(sources);
        Ok(())
    }

    /// Waits until the next attempt, or says why there is none. A mirror's failure costs nothing, and
    /// where all else fails too, the login that it wanted is told of.
    pub async fn survive(&mut self, failure: Failure) -> Result<(), Error> {
        let failure = match failure {
            Failure::Mirror { host, error, .. } => {
                self.pass(host, &error);
                return Ok(());
            }
            failure => failure,
        };
        let delay = self.delay(failure).map_err(|error| match &self.mirrors.login_at {
            Some(host) => error
                .context(format!("without a login at its mirror {host}"))
                .with_login_at(host.as_str()),
            None => error,
        })?;
        if let Some(tell) = &mut self.tell {
            tell(self.failed);
        }
        tokio::time::sleep(delay).await;
        Ok(())
    }

    fn pass(&mut self, host: String, error: &Error) {
        tracing::debug!(host, error = error.chain(), "a mirror is passed over");
        if let (None, Some(wanted)) = (&self.mirrors.login_at, error.login_at()) {
            self.mirrors.login_at = Some(wanted.to_owned());
        }
        self.mirrors.passed.push(host);
    }

    fn delay(&mut self, failure: Failure) -> Result<Duration, Error> {
        let (error, after, cost) = match failure {
            Failure::Passing { error, after, cost } => (error, after, cost),
            // Where nobody listens now, somebody rarely does in ten seconds: half as many attempts.
            Failure::Unreachable(error) => (error, None, 2),
            Failure::Final(error) | Failure::Mirror { error, .. } => return Err(error),
        };
        self.failed += 1;
        self.spent += cost;
        if self.spent >= self.config.attempts {
            let times =
                if self.failed == 1 { "once".into() } else { format!("{} times", self.failed) };
            return Err(error.context(format!("failed {times}")));
        }
        let left = self.config.patience.saturating_sub(self.since.elapsed());
        let delay = after.unwrap_or_default().saturating_add(self.jitter());
        if delay > left {
            return Err(out_of_time(error, after, left));
        }
        match delay > SILENT {
            true => tracing::warn!("{}; trying again in {} s", error.chain(), delay.as_secs()),
            false => tracing::debug!(error = error.chain(), ?delay, "trying again"),
        }
        Ok(delay)
    }

    /// A random part of the span that doubles with each failure.
    fn jitter(&self) -> Duration {
        let doubled = self.config.backoff.saturating_mul(1 << self.spent.saturating_sub(1).min(16));
        let span = doubled.min(self.config.backoff_max);
        span.mul_f64(random())
    }
}

fn out_of_time(error: Error, after: Option<Duration>, left: Duration) -> Error {
    match after {
        Some(after) => error.context(format!(
            "the registry asks to wait {} s, which is beyond the {} s left; try again later",
            after.as_secs(),
            left.as_secs()
        )),
        None => {
            let message = "took longer than its limit; try again later";
            Error::new(Kind::DeadlineExceeded, message).with_source(error)
        }
    }
}

/// Between 0 and 1, from the standard library's per-instance random keys: good enough to spread
/// clients, and no dependency.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

/// Reads Retry-After: seconds, or a date (RFC 9110 section 10.2.3).
pub(crate) fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let wait = date.duration_since(jiff::Timestamp::now());
    Some(Duration::try_from(wait).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing(after: Option<u64>) -> Failure {
        let after = after.map(Duration::from_secs);
        Failure::Passing { error: Error::unavailable("x"), after, cost: 1 }
    }

    fn header(value: &str) -> Option<Duration> {
        let value = value.parse().unwrap();
        retry_after(&http::HeaderMap::from_iter([(http::header::RETRY_AFTER, value)]))
    }

    #[test]
    fn a_budget_ends_after_its_attempts_and_progress_starts_it_anew() {
        let mut budget = Budget::new(&Config { attempts: 3, ..Config::impatient() });
        assert!(budget.delay(passing(None)).is_ok());
        assert!(budget.delay(passing(None)).is_ok());
        budget.reached(PROGRESS);
        assert!(budget.delay(passing(None)).is_ok());
        budget.reached(2 * PROGRESS - 1);
        budget.reached(PROGRESS);
        assert!(budget.delay(passing(None)).is_ok());
        let error = budget.delay(passing(None)).unwrap_err();
        assert!(error.chain().contains("failed 5 times"), "{}", error.chain());
        assert_eq!(error.kind(), Kind::Unavailable);
    }

    #[test]
    fn a_wait_beyond_the_budget_is_reported_at_once() {
        let mut budget = Budget::new(&Config::impatient());
        let error = budget.delay(passing(Some(3600))).unwrap_err();
        assert!(error.message().contains("3600 s"), "{error}");
    }

    #[test]
    fn a_wait_beyond_all_time_is_reported_too() {
        for _ in 0..50 {
            let mut budget = Budget::new(&Config { attempts: 60, ..Config::default() });
            budget.spent = 40;
            let error = budget.delay(passing(Some(u64::MAX))).unwrap_err();
            assert!(error.message().contains("beyond the"), "{error}");
        }
    }

    #[test]
    fn jitter_is_random_and_never_above_its_span() {
        let mut budget = Budget::new(&Config::default());
        budget.spent = 40;
        let drawn: Vec<_> = (0..50).map(|_| budget.jitter()).collect();
        assert!(drawn.iter().all(|d| *d <= budget.config.backoff_max));
        assert!(drawn.iter().any(|d| *d != drawn[0]));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(header("7"), Some(Duration::from_secs(7)));
        assert_eq!(header("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        let far = header("Fri, 21 Oct 2095 07:28:00 GMT").unwrap();
        assert!(far > Duration::from_secs(1_000_000_000), "{far:?}");
        assert_eq!(header("soon"), None);
        assert_eq!(header("-1"), None);
    }
}
