//! `ctr`, for containerd and for Varve: the same lines to each, and what each says without what may differ.

mod events;
mod images;
mod normal;
mod side;

pub use events::{Told, Topics};
pub use images::{Named, all};
pub use normal::lines;
pub use side::Side;
