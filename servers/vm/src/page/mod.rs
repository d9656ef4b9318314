//! Pages of objects.

pub(crate) mod queue;
mod state;

pub use state::{Page, PageState};
