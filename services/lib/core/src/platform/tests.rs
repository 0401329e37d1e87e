//! Platforms against tables of containerd's rules.

use proptest::prelude::*;

use super::*;

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

#[test]
fn a_platform_is_read_in_all_its_spellings() {
    for (given, want) in [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/X86-64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/aarch64/8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
        ("macos/aarch64", "darwin/arm64"),
        ("macOS/arm64", "darwin/arm64"),
        ("windows(10.0.17763)/amd64", "windows/amd64"),
        ("plan10/quantum/v9", "plan10/quantum/v9"),
    ] {
        assert_eq!(platform(given).to_string(), want, "{given}");
    }
}

#[test]
fn what_is_left_out_is_the_hosts() {
    let host = Platform::host();
    assert_eq!(platform("arm64"), Platform::new(&host.os, "arm64", ""));
    assert_eq!(platform("armel"), Platform::new(&host.os, "arm", "v6"));
    assert_eq!(platform("linux"), Platform::new("linux", &host.architecture, &host.variant));
    assert_eq!(platform("macos").os, "darwin");
}

#[test]
fn version_and_features_stand_in_brackets() {
    let windows = platform("windows(10.0.17763+win32k+a)/amd64");
    assert_eq!(windows.os_version, "10.0.17763");
    assert_eq!(windows.os_features, ["a", "win32k"]);
    assert_eq!(platform("windows(+win32k)/amd64").os_features, ["win32k"]);
}

#[test]
fn a_text_that_is_no_platform_is_refused_by_name() {
    let long = format!("linux/{}", "a".repeat(300));
    for bad in [
        "",
        "/",
        "linux/",
        "/amd64",
        "linux//v7",
        "*",
        "linux/*",
        "quantum",
        "linux/a/b/c",
        "a b",
        "linux/amd64\0",
        "windows(1",
        "windows(1)x/amd64",
        "windows(1+)/amd64",
        "arm64(1)",
        "ü",
        &long,
    ] {
        let error = bad.parse::<Platform>().unwrap_err();
        assert_eq!(error.kind(), crate::Kind::InvalidArgument);
        assert!(error.message().contains(&format!("{bad:?}")), "{error}");
    }
}

/// A wish, and all that it takes, best first. All else of the table's vocabulary it must not take.
const WISHES: &[(&str, &[&str])] = &[
    ("linux/amd64", &["linux/amd64", "linux/386"]),
    ("linux/amd64/v1", &["linux/amd64", "linux/386"]),
    ("linux/amd64/v3", &["linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"]),
    ("linux/386", &["linux/386"]),
    ("linux/arm/v5", &["linux/arm/v5"]),
    ("linux/arm/v6", &["linux/arm/v6", "linux/arm/v5"]),
    ("linux/arm", &["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]),
    ("linux/arm/v8", &["linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]),
    (
        "linux/arm64",
        &["linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"],
    ),
    (
        "linux/arm64/v8.2",
        &[
            "linux/arm64/v8.2",
            "linux/arm64/v8.1",
            "linux/arm64",
            "linux/arm/v8",
            "linux/arm/v7",
            "linux/arm/v6",
            "linux/arm/v5",
        ],
    ),
    (
        "linux/arm64/v9.1",
        &[
            "linux/arm64/v9.1",
            "linux/arm64/v9",
            "linux/arm64/v8.6",
            "linux/arm64/v8.5",
            "linux/arm64/v8.2",
            "linux/arm64/v8.1",
            "linux/arm64",
            "linux/arm/v8",
            "linux/arm/v7",
            "linux/arm/v6",
            "linux/arm/v5",
        ],
    ),
    ("linux/riscv64", &["linux/riscv64"]),
    ("linux/riscv64/rva20u64", &["linux/riscv64/rva20u64", "linux/riscv64"]),
    ("darwin/arm64", &["darwin/arm64"]),
    ("windows/amd64", &["windows/amd64"]),
    ("unknown/unknown", &[]),
    ("linux/unknown", &[]),
];

#[test]
fn a_wish_takes_what_it_can_run_and_the_best_first() {
    let mut all: Vec<&str> = WISHES.iter().flat_map(|(_, takes)| takes.iter().copied()).collect();
    all.extend(["unknown/unknown", "linux/unknown", "unknown/amd64", "linux/arm64/v9.2"]);
    all.sort();
    all.dedup();
    for (wish, want) in WISHES {
        let wish = platform(wish);
        let mut got: Vec<_> =
            all.iter().filter_map(|text| Some((wish.rank(&platform(text))?, *text))).collect();
        got.sort();
        let got: Vec<&str> = got.into_iter().map(|(_, text)| text).collect();
        assert_eq!(got, *want, "{wish}");
    }
}

#[test]
fn a_candidate_may_be_spelled_in_any_way() {
    let raw = |os: &str, architecture: &str, variant: &str| Platform {
        os: os.into(),
        architecture: architecture.into(),
        variant: variant.into(),
        ..Platform::default()
    };
    assert_eq!(platform("linux/arm64").rank(&raw("linux", "arm64", "v8")), Some(0));
    assert_eq!(raw("linux", "arm64", "v8").rank(&raw("Linux", "aarch64", "")), Some(0));
    assert_eq!(raw("linux", "arm", "").rank(&raw("linux", "arm", "v7")), Some(0));
    assert_eq!(raw("linux", "amd64", "v2").rank(&raw("linux", "x86_64", "v1")), Some(1));
    assert_eq!(platform("linux/amd64").rank(&Platform::default()), None);
    assert_eq!(Platform::default().rank(&Platform::default()), None);
}

#[test]
fn os_version_and_features_restrict_the_choice() {
    let wish = platform("windows(10.0.17763.1)/amd64");
    let takes = |text: &str| wish.rank(&platform(text)).is_some();
    assert!(takes("windows(10.0.17763.999)/amd64") && takes("windows/amd64"));
    assert!(takes("windows(10.0.17763)/amd64"));
    assert!(!takes("windows(10.0.20348.1)/amd64") && !takes("windows(10.0.1776)/amd64"));
    assert!(!takes("windows(10.0.17763+win32k)/amd64"));
    let able = platform("windows(+win32k+x)/amd64");
    assert_eq!(able.rank(&platform("windows(10.0.1+win32k)/amd64")), Some(0));
    let linux = platform("linux(1.2)/amd64");
    assert!(linux.rank(&platform("linux(1.2.1)/amd64")).is_none());
    assert!(linux.rank(&platform("linux(1.2)/amd64")).is_some());
    assert!(linux.rank(&platform("linux/amd64")).is_some());
}

#[test]
fn of_an_index_the_best_is_chosen_and_of_equals_the_first() {
    let index = ["unknown/unknown", "linux/arm/v5", "linux/arm/v7", "linux/arm/v7", "linux/386"];
    let index: Vec<Platform> = index.iter().map(|text| platform(text)).collect();
    let choose = |wish: &str| platform(wish).choose(index.iter().enumerate());
    assert_eq!(choose("linux/arm64"), Some(2));
    assert_eq!(choose("linux/arm/v6"), Some(1));
    assert_eq!(choose("linux/amd64"), Some(4));
    assert_eq!(choose("linux/s390x"), None);
}

#[test]
fn index_and_config_agree_unless_both_say_and_differ() {
    let raw = |text: &str| {
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Platform { os: next(), architecture: next(), variant: next(), ..Platform::default() }
    };
    for (index, config, want) in [
        ("linux/amd64", "linux/amd64", true),
        ("linux/arm64", "linux/amd64", false),
        ("linux/amd64", "windows/amd64", false),
        ("linux/arm64/v8", "linux/arm64", true),
        ("linux/arm64", "linux/aarch64/v8", true),
        ("linux/arm64/v8", "linux/arm64/8", true),
        ("linux/arm/v6", "linux/arm", true),
        ("linux/arm", "linux/arm/v5", true),
        ("linux/arm/v7", "linux/arm/v6", false),
        ("linux/amd64/v3", "linux/amd64", true),
        ("linux/amd64/v3", "linux/amd64/v1", false),
        ("linux/arm/v8", "linux/arm64/v8", false),
        ("linux/amd64", "", true),
        ("linux/amd64", "linux", true),
    ] {
        assert_eq!(raw(index).agrees(&raw(config)), want, "{index} and {config}");
        assert_eq!(raw(config).agrees(&raw(index)), want, "{config} and {index}");
    }
}

#[test]
fn json_is_the_specifications() {
    let text =
        r#"{"os":"windows","architecture":"amd64","os.version":"10.0.1","os.features":["f"]}"#;
    let platform: Platform = serde_json::from_str(text).unwrap();
    assert_eq!((platform.os_version.as_str(), platform.variant.as_str()), ("10.0.1", ""));
    assert_eq!(serde_json::to_string(&platform).unwrap(), text);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_a_platform_runs_itself(
        text in prop_oneof![any::<String>(), "(linux|macos)/(arm|arm64|amd64|x)(/v?[0-9.]{0,12})?"]
    ) {
        if let Ok(platform) = text.parse::<Platform>() {
            prop_assert_eq!(&platform.normalized(), &platform);
            let unknown = platform.os == "unknown" || platform.architecture == "unknown";
            prop_assert_eq!(platform.rank(&platform), (!unknown).then_some(0));
            prop_assert!(platform.agrees(&platform));
        }
    }
}
