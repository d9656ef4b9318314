//! Pages of objects.

mod state;

pub use state::{Page, PageState};
