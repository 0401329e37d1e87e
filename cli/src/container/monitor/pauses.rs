//! Having the program stand still for clients, all of whom must have gone before it goes on. The monitor does it, not
//! they: it outlives them, and sees them go however they end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use varve_core::Result;

use crate::container::place::Place;
use crate::container::runtime::{Paused, Runtime};

pub struct Pauses {
    runtime: Runtime,
    place: Place,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    clients: usize,
    paused: Option<Paused>,
}

/// One client's. It ends when this is dropped, which blocks.
pub struct Pause<'a>(&'a Pauses);

impl Pauses {
    pub fn of(runtime: &Runtime, place: &Place) -> Self {
        Self { runtime: runtime.clone(), place: place.clone(), now: Mutex::default() }
    }

    /// The program stands still when this returns. Blocks.
    pub fn begin(&self) -> Result<Pause<'_>> {
        let mut now = self.lock();
        if now.paused.is_none() {
            now.paused = Some(self.runtime.pause(&self.place)?);
        }
        now.clients += 1;
        Ok(Pause(self))
    }

    /// Held while the runtime works: nobody pauses what is about to go on.
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        let mut now = self.0.lock();
        now.clients -= 1;
        if now.clients == 0 {
            now.paused = None;
        }
    }
}
