//! What is wrong, and what to do about it.

use std::fmt;

use serde::Serialize;

#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// As Docker shows it; none for what is the whole store's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    pub what: String,
    #[serde(rename = "do")]
    pub advice: String,
}

impl Problem {
    /// A line of a recount.
    pub fn of_references(difference: String) -> Self {
        Self {
            image: None,
            what: format!("references: {difference}"),
            advice: "do not run `varve gc` before `varve fsck --repair`, which counts them anew"
                .into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(image) = &self.image {
            write!(f, "{image}: ")?;
        }
        write!(f, "{}; {}", self.what, self.advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_that_ends_in_what_to_do() {
        let image = Some("a:1".to_owned());
        let problem = Problem { image, what: "layer x is not here".into(), advice: "pull".into() };
        assert_eq!(problem.to_string(), "a:1: layer x is not here; pull");
        let counts = Problem::of_references("missing edge/x".into()).to_string();
        assert!(
            counts.starts_with("references: missing edge/x; do not run `varve gc`"),
            "{counts}"
        );
    }
}
