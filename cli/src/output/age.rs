//! How long ago, in the words of Docker's go-units.

use std::time::Duration;

use varve_core::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// `About an hour`, `3 days`: hours are rounded, all else is cut off.
pub fn human(age: Duration) -> String {
    let seconds = age.as_secs();
    let minutes = seconds / MINUTE;
    let hours = (seconds + HOUR / 2) / HOUR;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".into(),
        (1, ..) => "1 second".into(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".into(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (_, _, 1) => "About an hour".into(),
        _ => long(hours, seconds / HOUR),
    }
}

/// From two hours on; years count whole hours.
fn long(hours: u64, whole: u64) -> String {
    const DAY: u64 = 24;
    match hours {
        ..48 => format!("{hours} hours"),
        h if h < DAY * 14 => format!("{} days", h / DAY),
        h if h < DAY * 60 => format!("{} weeks", h / DAY / 7),
        h if h < DAY * 730 => format!("{} months", h / DAY / 30),
        _ => format!("{} years", whole / DAY / 365),
    }
}

/// The age of `then` at `now`; what lies in the future has no age.
pub fn since(then: Timestamp, now: Timestamp) -> String {
    human(Duration::try_from(now.duration_since(then)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_the_words_of_go_units() {
        let day = 24 * HOUR;
        for (seconds, want) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (45, "45 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (180, "3 minutes"),
            (59 * MINUTE, "59 minutes"),
            (HOUR, "About an hour"),
            (80 * MINUTE, "About an hour"),
            (3 * HOUR, "3 hours"),
            (32 * HOUR, "32 hours"),
            (3 * day, "3 days"),
            (day * 13, "13 days"),
            (day * 14, "2 weeks"),
            (day * 28, "4 weeks"),
            (day * 60, "2 months"),
            (day * 365, "12 months"),
            (day * 730, "2 years"),
            (day * 1095, "3 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), want);
        }
    }

    #[test]
    fn what_lies_in_the_future_is_no_age() {
        let then: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let now: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(since(then, now), "Less than a second");
        assert_eq!(since(now, then), "10 years");
    }
}
