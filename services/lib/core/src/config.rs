//! What every configuration is read with: durations in seconds, and values that must lie within bounds.
//!
//! A configuration is checked as it is read, so that no process starts with a bound that bounds nothing.

use std::fmt::Display;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};

/// A duration: seconds, fractions allowed.
///
/// # Errors
/// What is negative, or no number.
pub fn seconds<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// Refuses `value` of the key `name` where it is not from `least` to `most`.
///
/// # Errors
/// InvalidArgument naming the key and both bounds.
pub fn within<T: PartialOrd + Display>(name: &str, value: T, least: T, most: T) -> Result<()> {
    if value < least || value > most {
        let message = format!("{name} is {value}, and must be from {least} to {most}");
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// The same for a duration, in seconds.
///
/// # Errors
/// As [`within`].
pub fn lasts(name: &str, value: Duration, least: f64, most: f64) -> Result<()> {
    within(name, value.as_secs_f64(), least, most)
}

/// A day, in seconds.
pub const DAY: f64 = 86_400.0;

/// Makes a struct with `check(&self) -> Result<()>` and `#[serde(remote = "Self")]` one that is checked
/// as it is read.
#[macro_export]
macro_rules! checked_when_read {
    ($config:ty) => {
        impl<'de> serde::Deserialize<'de> for $config {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                // The derived one of the same name, which inherent functions go before.
                let config = <$config>::deserialize(from)?;
                config.check().map_err(|error| serde::de::Error::custom(error.message()))?;
                Ok(config)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_out_of_its_bounds_is_named_with_them() {
        assert!(within("layers", 1, 1, 5).is_ok() && within("layers", 5, 1, 5).is_ok());
        let error = within("layers", 6, 1, 5).unwrap_err();
        assert_eq!(error.message(), "layers is 6, and must be from 1 to 5");
        let error = lasts("stall", Duration::ZERO, 0.1, DAY).unwrap_err();
        assert_eq!(error.message(), "stall is 0, and must be from 0.1 to 86400");
    }
}
