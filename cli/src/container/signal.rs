//! Signals by their names, as people and images write them: `SIGTERM`, `term`, `15`.

use varve_core::{Error, Result};

/// The numbers that Linux has on every architecture but alpha, mips and sparc.
const NAMES: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];
/// glibc's first and last signal for programs' own use.
const REAL_TIME: (i32, i32) = (34, 64);

/// The number of a signal. InvalidArgument where there is none of that name.
pub fn number(text: &str) -> Result<i32> {
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let named = NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    let (first, last) = REAL_TIME;
    let offset = |prefix: &str, sign: char| {
        let rest = name.strip_prefix(prefix)?;
        if rest.is_empty() { Some(0) } else { rest.strip_prefix(sign)?.parse::<i32>().ok() }
    };
    let numbered = || name.parse().ok();
    let real_time = || {
        offset("RTMIN", '+').map(|n| first + n).or_else(|| offset("RTMAX", '-').map(|n| last - n))
    };
    let number = named.or_else(numbered).or_else(real_time);
    number.filter(|number| (1..=last).contains(number)).ok_or_else(|| {
        Error::invalid(format!(
            "there is no signal {text}; want a name such as SIGTERM, or a number"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_as_people_write_them() {
        for (text, want) in [
            ("SIGTERM", 15),
            ("term", 15),
            ("KILL", 9),
            ("9", 9),
            ("sigrtmin+3", 37),
            ("RTMAX", 64),
            ("RTMAX-1", 63),
            ("WINCH", 28),
        ] {
            assert_eq!(number(text).unwrap(), want, "{text}");
        }
        for bad in ["", "0", "65", "-1", "SIG", "SIGNOPE", "RTMIN+40", "TERM+1"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
