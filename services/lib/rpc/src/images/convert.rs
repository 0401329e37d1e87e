//! Images to the wire and back.

use varve_core::images::Image;
use varve_core::{Descriptor, Digest, Error, Mask, Result, time};
use varve_proto::containerd::services::images::v1 as wire;
use varve_proto::containerd::types;

use crate::convert;

/// What an update may replace, besides labels.
pub const FIELDS: [&str; 2] = ["target", "annotations"];

pub fn image(image: &Image) -> wire::Image {
    wire::Image {
        name: image.name.clone(),
        labels: convert::labels(&image.labels),
        target: Some(convert::descriptor(&image.target)),
        created_at: Some(convert::timestamp(image.created_at)),
        updated_at: Some(convert::timestamp(image.updated_at)),
    }
}

/// What a server answered.
pub fn from_image(wire: Option<wire::Image>) -> Result<Image> {
    let wire = wire.ok_or_else(|| Error::invalid("an image is missing"))?;
    Ok(Image {
        target: convert::from_descriptor(wire.target)?,
        name: wire.name,
        labels: convert::from_labels(wire.labels),
        created_at: convert::from_timestamp(wire.created_at)?,
        updated_at: convert::from_timestamp(wire.updated_at)?,
    })
}

/// An image as a request has it: its times are the server's to know, and where the target is not to
/// be replaced it need not be there.
pub fn from_new(wire: Option<wire::Image>, mask: &Mask) -> Result<Image> {
    let wire = wire.ok_or_else(|| Error::invalid("an image is missing"))?;
    let now = time::now();
    let target = match wire.target {
        target if mask.has("target") => convert::from_descriptor(target)?,
        target => annotations_alone(target.unwrap_or_default()),
    };
    let labels = convert::from_labels(wire.labels);
    Ok(Image { name: wire.name, target, labels, created_at: now, updated_at: now })
}

/// A descriptor of which nothing but the annotations will be read.
fn annotations_alone(wire: types::Descriptor) -> Descriptor {
    let nothing = Descriptor::new(wire.media_type.into(), Digest::of(b""), 0);
    Descriptor { annotations: wire.annotations.into_iter().collect(), ..nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_update_of_the_target_needs_one() {
        let labels = Mask::parse(&["labels.a"], &FIELDS).unwrap();
        let bare = || Some(wire::Image { name: "n".into(), ..wire::Image::default() });
        assert_eq!(from_new(bare(), &labels).unwrap().name, "n");
        assert!(from_new(bare(), &Mask::all()).is_err());
        assert!(from_new(None, &labels).is_err());
    }
}
