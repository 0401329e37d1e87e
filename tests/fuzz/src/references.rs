//! References and digests, as people, files and requests write them.

use varve_core::{Digest, MediaType, Reference};

/// Each line is a reference, and a digest, and a media type.
pub fn references(data: &[u8]) {
    for line in crate::lines(data) {
        reference(line);
        if let Ok(digest) = line.parse::<Digest>() {
            assert_eq!(digest.to_string(), line, "there is one spelling of a digest");
        }
        let kind = MediaType::from(line);
        assert_eq!(MediaType::from(kind.to_string()), kind);
    }
}

fn reference(text: &str) {
    let Ok((reference, defaulted)) = Reference::parse_with_default(text) else { return };
    assert!(reference.tag().is_some() || reference.digest().is_some());
    assert!(!defaulted || reference.tag() == Some("latest"));
    for shown in [reference.to_string(), reference.familiar()] {
        assert_eq!(shown.parse().ok().as_ref(), Some(&reference), "{shown:?} of {text:?}");
    }
    // What becomes a part of a URL, of a header or of a path.
    let parts = [reference.domain(), reference.path(), reference.tag().unwrap_or_default()];
    for part in parts {
        let fine = |byte: u8| byte.is_ascii_graphic() && !b"?#%\\@ \"'".contains(&byte);
        assert!(part.bytes().all(fine), "{part:?} of {text:?}");
        assert!(!part.split('/').any(|name| matches!(name, "." | "..")), "{part:?} of {text:?}");
    }
    assert!(reference.path().split('/').all(|name| !name.is_empty()));
    // Alone, what looks like an id is refused as one.
    if let Ok(bare) = reference.familiar_repository().parse::<Reference>() {
        assert_eq!(bare, reference.without_digest().with_tag("latest").unwrap(), "{text:?}");
    }
    let digest = Digest::of(text.as_bytes());
    let both = reference.with_digest(digest);
    assert_eq!((both.digest(), both.without_digest().tag()), (Some(digest), reference.tag()));
}
