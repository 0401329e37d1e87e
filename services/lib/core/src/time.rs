//! Time as records carry it: UTC, nanoseconds, RFC 3339 in text.

/// A point in time.
pub type Timestamp = jiff::Timestamp;

/// Now.
pub fn now() -> Timestamp {
    Timestamp::now()
}
