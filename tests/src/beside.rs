//! Two commands told apart: what each says, without what may differ (ids, times, sizes), and where they differ still.

mod expected;
mod normal;
mod script;
mod tally;

pub use expected::Expected;
pub use normal::Said;
pub use script::{commands, fill, words};
pub use tally::Tally;
