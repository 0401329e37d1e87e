//! Platforms, as people write them, and as indexes and configs have them.

use varve_core::Platform;

/// Each line is a platform; each is asked for among all of them. The whole is one as JSON, too.
pub fn platforms(data: &[u8]) {
    let mut all: Vec<Platform> = crate::lines(data).take(32).filter_map(written).collect();
    if let Ok(more) = serde_json::from_slice::<Vec<Platform>>(data) {
        all.extend(more.into_iter().take(32));
    }
    for wish in &all {
        let candidates = all.iter().enumerate();
        let chosen = wish.choose(candidates.clone());
        let best = candidates.filter_map(|(number, one)| Some((wish.rank(one)?, number))).min();
        assert_eq!(chosen, best.map(|(_, number)| number));
        let normal = wish.normalized();
        assert_eq!(normal.normalized(), normal, "what is normal stays as it is: {wish:?}");
        for other in &all {
            assert_eq!(wish.rank(other), normal.rank(&other.normalized()));
            assert_eq!(wish.agrees(other), other.agrees(wish), "{wish:?} {other:?}");
        }
        assert!(wish.agrees(wish));
    }
}

fn written(text: &str) -> Option<Platform> {
    let platform: Platform = text.parse().ok()?;
    assert_eq!(platform.normalized(), platform, "{text:?} is read as it is normal");
    let again = platform.to_string().parse::<Platform>().ok();
    let without =
        Platform { os_version: String::new(), os_features: Vec::new(), ..platform.clone() };
    assert_eq!(again, Some(without), "{text:?} is shown as it is read");
    Some(platform)
}
