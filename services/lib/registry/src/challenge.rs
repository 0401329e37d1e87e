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
    /// Chooses from an answer's challenges: Bearer before Basic, the first of each. `scope` is told
    /// the challenge's own, or nothing, and says what is asked for. Headers that cannot be read are
    /// passed over.
    pub(crate) fn choose(headers: &HeaderMap, scope: impl Fn(&str) -> String) -> Option<Self> {
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
        let bearer = challenges.iter().find_map(|challenge| bearer(challenge, &scope));
        let basic = || challenges.iter().any(|c| c.scheme.eq_ignore_ascii_case("Basic"));
        bearer.or_else(|| basic().then_some(Self::Basic))
    }
}

fn bearer(challenge: &ChallengeRef<'_>, scope: impl Fn(&str) -> String) -> Option<Challenge> {
    if !challenge.scheme.eq_ignore_ascii_case("Bearer") {
        return None;
    }
    let mut realm = Url::parse(&parameter(challenge, "realm")?).ok()?;
    realm.set_fragment(None);
    let service = parameter(challenge, "service").unwrap_or_default();
    let scope = scope(&parameter(challenge, "scope").unwrap_or_default());
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
        let usual = |theirs: &str| match theirs {
            "" => "repository:x:pull".into(),
            theirs => theirs.to_owned(),
        };
        Challenge::choose(&headers.collect(), usual)
    }

    #[test]
    fn the_challenges_own_scope_is_taken_and_ours_where_it_has_none() {
        let header =
            r#"Bearer realm="https://a.example/token",service="s, t",scope="repository:y:pull""#;
        let Some(Challenge::Bearer { realm, service, scope }) = choose(&[header]) else {
            panic!("no bearer challenge")
        };
        assert_eq!(realm.as_str(), "https://a.example/token");
        assert_eq!((service.as_str(), scope.as_str()), ("s, t", "repository:y:pull"));
        let bare = choose(&[r#"bearer realm="https://a.example/token""#]);
        assert!(
            matches!(bare, Some(Challenge::Bearer { scope, .. }) if scope == "repository:x:pull")
        );
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
