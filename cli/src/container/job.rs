//! What a monitor is given to do.

use serde::{Deserialize, Serialize};
use varve_core::Mount;

use super::place::Place;
use super::settings::Settings;

/// One run of one container's program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Job {
    pub place: Place,
    pub settings: Settings,
    /// How its snapshot is mounted.
    pub mounts: Vec<Mount>,
    /// Nobody types: what would be the program's input stays open, and is empty.
    pub detached: bool,
    /// Rows and columns of the client's terminal.
    pub size: Option<(u16, u16)>,
}
