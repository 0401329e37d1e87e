//! Docker's filters of search results: all of them must hold.

use varve_core::{Error, Result};
use varve_registry::Hit;

/// What a result must be to be shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filters {
    official: Option<bool>,
    automated: Option<bool>,
    /// At least.
    stars: Option<u64>,
}

impl Filters {
    /// InvalidArgument for a filter that is none.
    pub fn parse(texts: &[String]) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            let no_pair = || Error::invalid(format!("filter {text:?}: want KEY=VALUE"));
            let (key, value) = text.split_once('=').ok_or_else(no_pair)?;
            match key {
                "is-official" => filters.official = Some(truth(key, value)?),
                "is-automated" => filters.automated = Some(truth(key, value)?),
                "stars" => {
                    let bad = |_| Error::invalid(format!("stars={value}: want a number"));
                    filters.stars = Some(value.parse().map_err(bad)?);
                }
                _ => {
                    let known = "there are is-automated, is-official, stars";
                    return Err(Error::invalid(format!("Invalid filter '{key}'; {known}")));
                }
            }
        }
        Ok(filters)
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn match_hit(&self, hit: &Hit) -> bool {
        self.official.is_none_or(|official| official == hit.official)
            && self.automated.is_none_or(|automated| automated == hit.automated)
            && self.stars.is_none_or(|stars| hit.stars >= stars)
    }
}

fn truth(key: &str, value: &str) -> Result<bool> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Error::invalid(format!("{key}={value}: want true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Filters> {
        Filters::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn all_filters_must_hold() {
        let hit = |stars, official| Hit {
            name: "x".into(),
            description: String::new(),
            stars,
            official,
            automated: false,
        };
        let filters = parse(&["stars=3", "is-official=true"]).unwrap();
        assert!(filters.match_hit(&hit(3, true)));
        assert!(!filters.match_hit(&hit(2, true)) && !filters.match_hit(&hit(9, false)));
        assert!(!parse(&["is-automated=1"]).unwrap().match_hit(&hit(9, true)));
        assert!(parse(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_filter_is_told_with_those_there_are() {
        for bad in ["stars", "stars=many", "is-official=maybe", "size=1"] {
            assert!(parse(&[bad]).is_err(), "{bad}");
        }
        assert!(parse(&["size=1"]).unwrap_err().message().contains("there are is-automated"));
    }
}
