//! Times as people give them to a filter.

use std::time::Duration;

use varve_core::{Error, Result, Timestamp, time};

/// RFC 3339, a date, seconds since 1970, or a duration before now as Go writes it.
pub(super) fn moment(text: &str) -> Result<Timestamp> {
    let bad = || {
        Error::invalid(format!("until={text}: want a time such as 2026-01-31T08:00:00Z, or 24h"))
    };
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(time) = format!("{text}T00:00:00Z").parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).map_err(|_| bad());
    }
    time::now().checked_sub(duration(text).ok_or_else(bad)?).map_err(|_| bad())
}

/// `1h30m`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (0_f64, text);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let seconds = match &rest[digits..digits + unit] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        total += rest[..digits].parse::<f64>().ok()? * seconds;
        rest = &rest[digits + unit..];
    }
    Duration::try_from_secs_f64(total).ok()
}
