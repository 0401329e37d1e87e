//! Which platforms a wish can be met with, best first.

use super::Platform;

/// Both normalised.
pub(super) fn rank(wanted: &Platform, candidate: &Platform) -> Option<u32> {
    if is_nothing(candidate) || is_nothing(wanted) || wanted.os != candidate.os {
        return None;
    }
    if !versions_agree(wanted, candidate) || !has_features(wanted, candidate) {
        return None;
    }
    let mut runnable = processors(&wanted.architecture, &wanted.variant).into_iter();
    let place = runnable.position(|(arch, variant)| {
        arch == candidate.architecture && variant == candidate.variant
    })?;
    u32::try_from(place).ok()
}

fn is_nothing(platform: &Platform) -> bool {
    let nothing = |part: &str| part.is_empty() || part == "unknown";
    nothing(&platform.os) || nothing(&platform.architecture)
}

/// Equal where both say; on Windows `major.minor.build` of `major.minor.build.revision`.
fn versions_agree(wanted: &Platform, candidate: &Platform) -> bool {
    let (a, b) = (wanted.os_version.as_str(), candidate.os_version.as_str());
    if a.is_empty() || b.is_empty() {
        return true;
    }
    match wanted.os.as_str() {
        "windows" => a.split('.').take(3).eq(b.split('.').take(3)),
        _ => a == b,
    }
}

/// A candidate's features are what it needs.
fn has_features(wanted: &Platform, candidate: &Platform) -> bool {
    candidate.os_features.iter().all(|feature| wanted.os_features.contains(feature))
}

/// Architectures and variants that the wanted one runs, best first, all in canonical spelling.
fn processors(architecture: &str, variant: &str) -> Vec<(String, String)> {
    let own = |variant: String| (architecture.to_owned(), variant);
    let mut list = vec![own(variant.to_owned())];
    match architecture {
        "amd64" => {
            list.extend(
                below(variant, 1..=4)
                    .map(|n| own(if n == 1 { "".into() } else { format!("v{n}") })),
            );
            list.push(("386".into(), String::new()));
        }
        "arm" => list.extend(below(variant, 5..=8).map(|n| own(format!("v{n}")))),
        "arm64" => {
            list.extend(arm64_below(variant).into_iter().map(own));
            list.extend((5..=8).rev().map(|n| ("arm".into(), format!("v{n}"))));
        }
        // No requirement is met by any.
        _ if !variant.is_empty() => list.push(own(String::new())),
        _ => {}
    }
    list
}

/// The numbers of `known` below that of `variant`, highest first.
fn below(variant: &str, known: std::ops::RangeInclusive<u32>) -> impl Iterator<Item = u32> {
    let own = variant.strip_prefix('v').and_then(|number| number.parse().ok());
    let own = own.filter(|number| known.contains(number)).unwrap_or(*known.start());
    (*known.start()..own).rev()
}

/// The variants of arm64 that `variant` includes, highest first. v9.N includes v8.(N+5), and v8
/// ends with v8.9 (Arm's architecture reference manual).
fn arm64_below(variant: &str) -> Vec<String> {
    const LAST_V8: u32 = 9;
    let (major, minor) = variant.split_once('.').unwrap_or((variant, "0"));
    let minor: u32 = minor.parse().unwrap_or(0).min(99);
    let nines = (0..minor).rev().map(|n| if n == 0 { "v9".into() } else { format!("v9.{n}") });
    let eights =
        |top: u32| (0..top).rev().map(|n| if n == 0 { String::new() } else { format!("v8.{n}") });
    match major {
        "v9" => nines.chain(eights((minor + 5).min(LAST_V8) + 1)).collect(),
        "v8" => eights(minor).collect(),
        _ => Vec::new(),
    }
}
