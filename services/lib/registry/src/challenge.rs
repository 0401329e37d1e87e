//! Challenges (WWW-Authenticate): what a registry wants to see.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use http_auth::ChallengeRef;
use url::Url;

/// The one challenge of an answer that is met.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Challenge {
    /// User name and password.
    Basic,
    /// A token of `realm` for `service` and `scope` (distribution: *Token Authentication*).
    Bearer { realm: Url, service: String, scope: String },
}

impl Challenge {
    /// Chooses from an answer's challenges: Bearer before Basic, the first of each. Headers that cannot
    /// be read are passed over.
    pub(crate) fn choose(headers: &HeaderMap) -> Option<Self> {
        let texts: Vec<&str> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let challenges: Vec<ChallengeRef<'_>> = texts
            .iter()
            .filter_map(|text| http_auth::parse_challenges(text).ok())
            .flatten()
            .collect();
        let bearer = challenges.iter().find_map(bearer);
        let basic = || challenges.iter().any(|c| c.scheme.eq_ignore_ascii_case("Basic"));
        bearer.or_else(|| basic().then_some(Self::Basic))
    }

    /// The same with the scope that is asked for, told the challenge's own (or nothing).
    pub(crate) fn asking(self, wanted: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Basic => Self::Basic,
            Self::Bearer { realm, service, scope } => {
                Self::Bearer { realm, service, scope: wanted(&scope) }
            }
        }
    }
}

fn bearer(challenge: &ChallengeRef<'_>) -> Option<Challenge> {
    if !challenge.scheme.eq_ignore_ascii_case("Bearer") {
        return None;
    }
    let mut realm = Url::parse(&parameter(challenge, "realm")?).ok()?;
    realm.set_fragment(None);
    let service = parameter(challenge, "service").unwrap_or_default();
    let scope = parameter(challenge, "scope").unwrap_or_default();
    Some(Challenge::Bearer { realm, service, scope })
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_unescaped())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(values: &[&str]) -> Option<Challenge> {
        let headers = values.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap()));
        Challenge::choose(&headers.collect())
    }

    #[test]
    fn a_challenge_is_read_and_told_what_is_asked_for() {
        let header =
            r#"Bearer realm="https://a.example/token",service="s, t",scope="repository:y:pull""#;
        let Some(Challenge::Bearer { realm, service, scope }) = choose(&[header]) else {
            panic!("no bearer challenge")
        };
        assert_eq!(realm.as_str(), "https://a.example/token");
        assert_eq!((service.as_str(), scope.as_str()), ("s, t", "repository:y:pull"));
        let bare = choose(&[r#"bearer realm="https://a.example/token""#]).unwrap();
        let asking = bare.asking(|theirs| format!("{theirs}repository:x:pull"));
        assert!(matches!(asking, Challenge::Bearer { scope, .. } if scope == "repository:x:pull"));
    }

    #[test]
    fn bearer_goes_before_basic_and_what_cannot_be_read_is_passed_over() {
        let both = choose(&[r#"Basic realm="x", Bearer realm="https://a.example/""#]);
        assert!(matches!(both, Some(Challenge::Bearer { .. })));
        assert_eq!(choose(&["=", r#"Basic realm="x""#]), Some(Challenge::Basic));
        assert_eq!(choose(&[r#"Bearer realm="no url""#]), None);
        assert_eq!(choose(&[r#"Negotiate"#]), None);
        assert_eq!(choose(&[]), None);
    }
}
