//! Sizes as Docker writes them: decimal units, three or four significant digits.

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// Four significant digits, as in progress and `content ls`: `63.32MB`.
pub fn exact(bytes: u64) -> String {
    human(bytes, 4)
}

/// Three, as in `images ls`: `63.3MB`.
pub fn short(bytes: u64) -> String {
    human(bytes, 3)
}

fn human(bytes: u64, digits: usize) -> String {
    let mut size = bytes as f64;
    let mut unit = 0;
    // 999.96 kB has to become 1 MB and not 1000 kB.
    while rounded(size, digits) >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    let size = rounded(size, digits);
    format!("{size}{}", UNITS[unit])
}

/// `size` (below a million) to that many significant digits.
fn rounded(size: f64, digits: usize) -> f64 {
    let whole = if size >= 100.0 {
        3
    } else if size >= 10.0 {
        2
    } else {
        1
    };
    let scale = 10_f64.powi(digits.saturating_sub(whole) as i32);
    (size * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_docker_writes_them() {
        for (bytes, want) in [
            (0, "0B"),
            (999, "999B"),
            (1_000, "1kB"),
            (1_116, "1.116kB"),
            (63_324_613, "63.32MB"),
            (999_999, "1MB"),
            (1_234_567_890, "1.235GB"),
            (u64::MAX, "18.45EB"),
        ] {
            assert_eq!(exact(bytes), want);
        }
        for (bytes, want) in [(63_324_613, "63.3MB"), (1_024, "1.02kB"), (999_600, "1MB")] {
            assert_eq!(short(bytes), want);
        }
    }
}
