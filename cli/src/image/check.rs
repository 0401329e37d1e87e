//! What an image's documents say of each other, checked before anything is downloaded.

use varve_core::oci::{ImageConfig, Manifest};
use varve_core::unpack::Layer;
use varve_core::{Descriptor, Error, MediaType, Result};

/// Whether a manifest is of an image, and not of something else or of what tells of an image.
pub fn is_image(manifest: &Manifest) -> bool {
    media_types(manifest).is_ok()
}

/// What is no layer cannot be unpacked: better said before anything is downloaded.
pub fn media_types(manifest: &Manifest) -> Result<()> {
    let config = &manifest.config.media_type;
    if !matches!(config, MediaType::OciConfig | MediaType::DockerConfig) {
        return Err(Error::invalid(format!(
            "its config is {config}: this is an artifact and not a container image"
        )));
    }
    let Some(odd) = manifest.layers.iter().find(|layer| layer.media_type.layer().is_none()) else {
        return Ok(());
    };
    let (digest, kind) = (odd.digest, &odd.media_type);
    Err(Error::invalid(format!("layer {digest} is {kind}, which is no layer that can be unpacked")))
}

/// The index and the config must mean the same machine.
pub fn platform(manifest: &Descriptor, config: &ImageConfig) -> Result<()> {
    let Some(offered) = &manifest.platform else { return Ok(()) };
    if offered.agrees(&config.platform()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "is for {}, and the index says {offered}: refused as one of them is wrong",
        config.platform()
    )))
}

/// Each blob with its diff id and what it stands on.
pub fn stack(manifest: &Manifest, config: &ImageConfig) -> Result<Vec<Layer>> {
    let diff_ids = &config.rootfs.diff_ids;
    if manifest.layers.len() != diff_ids.len() {
        return Err(Error::invalid(format!(
            "has {} diff ids, and the manifest has {} layers",
            diff_ids.len(),
            manifest.layers.len()
        )));
    }
    let mut parent = None;
    let layers = manifest.layers.iter().zip(diff_ids).map(|(blob, diff_id)| {
        let layer = Layer { blob: blob.clone(), diff_id: *diff_id, parent };
        parent = Some(layer.chain_id());
        layer
    });
    Ok(layers.collect())
}

#[cfg(test)]
mod tests {
    use varve_core::oci::{Bounds, Compression, RootFs};
    use varve_core::{DiffId, Digest, Platform};

    use super::*;

    fn config(layers: usize) -> ImageConfig {
        let diff_ids = (0..layers).map(|n| DiffId(Digest::of(&[n as u8]))).collect();
        let text = r#"{"os":"linux","architecture":"arm64","rootfs":{}}"#;
        let config = ImageConfig::parse(text.as_bytes(), &Bounds::default()).unwrap();
        ImageConfig { rootfs: RootFs { diff_ids }, ..config }
    }

    fn manifest(layers: usize) -> Manifest {
        let kind = MediaType::OciLayer(Compression::Gzip);
        let layer = |n| Descriptor::new(kind.clone(), Digest::of(&[n as u8, 1]), 1);
        let config = Descriptor::new(MediaType::OciConfig, Digest::of(b""), 0);
        Manifest { config, layers: (0..layers).map(layer).collect() }
    }

    #[test]
    fn layers_stand_on_one_another() {
        let layers = stack(&manifest(3), &config(3)).unwrap();
        assert_eq!(layers[0].parent, None);
        assert_eq!(layers[2].parent, Some(layers[1].chain_id()));
    }

    #[test]
    fn as_many_diff_ids_as_layers_or_none_of_it() {
        let error = stack(&manifest(2), &config(3)).unwrap_err();
        assert_eq!(error.message(), "has 3 diff ids, and the manifest has 2 layers");
    }

    #[test]
    fn an_artifact_is_no_image_and_an_odd_layer_no_layer() {
        let mut artifact = manifest(1);
        artifact.config.media_type = "application/vnd.cncf.helm.config.v1+json".into();
        assert!(media_types(&artifact).unwrap_err().message().contains("artifact"));
        let mut odd = manifest(1);
        odd.layers[0].media_type = "application/vnd.in-toto+json".into();
        assert!(media_types(&odd).unwrap_err().message().contains("in-toto"));
        assert!(media_types(&manifest(1)).is_ok());
    }

    #[test]
    fn an_index_that_says_another_platform_than_the_config_is_refused() {
        let mut descriptor = Descriptor::new(MediaType::OciManifest, Digest::of(b""), 0);
        assert!(platform(&descriptor, &config(0)).is_ok());
        descriptor.platform = Some(Platform::new("linux", "arm64", "v8"));
        assert!(platform(&descriptor, &config(0)).is_ok());
        descriptor.platform = Some(Platform::new("linux", "amd64", ""));
        let message = platform(&descriptor, &config(0)).unwrap_err().message().to_owned();
        assert!(message.contains("linux/arm64") && message.contains("linux/amd64"), "{message}");
    }
}
