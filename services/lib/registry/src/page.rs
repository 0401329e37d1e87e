//! Lists in pages: where the next one is.

use http::header;
use url::Url;
use varve_core::{Error, Result};

use crate::endpoint;
use crate::exchange::Answer;
use crate::failure::ASK;
use crate::visit;

/// The page after this one (RFC 8288 `Link: <…>; rel="next"`): of the same list at the same host.
pub(crate) fn next(noun: &str, url: &Url, answer: &Answer) -> Result<Option<Url>> {
    let Some(target) = visit::text(answer, header::LINK).and_then(link) else {
        return Ok(None);
    };
    let elsewhere = || {
        Error::precondition(format!(
            "{noun}: the registry's list leads elsewhere, which is refused; {ASK}"
        ))
    };
    let next = url.join(target).map_err(|_| elsewhere())?;
    if !endpoint::same_origin(url, &next) || next.path() != url.path() {
        return Err(elsewhere());
    }
    Ok(Some(next))
}

/// The target of the link that is the next page.
pub(crate) fn link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
            })
        });
        is_next.then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        assert_eq!(
            link(r#"</v2/x/tags/list?last=a&n=1>; rel="next""#),
            Some("/v2/x/tags/list?last=a&n=1")
        );
        assert_eq!(link(r#"</a>; rel=prev, </b>; title=x; rel=next"#), Some("/b"));
        for none in ["", "</a>", "</a>; rel=prev", "/a; rel=next", "<a; rel=next"] {
            assert_eq!(link(none), None, "{none}");
        }
    }
}
