//! Page faults, and every other access to a page of a map.
//!
//! [`plan`] looks and decides, [`resume`] carries it out and looks again; [`ahead`] saves faults.
//! [`fresh`] is the short way for the commonest one.

pub(crate) mod ahead;
mod fresh;
pub(crate) mod plan;
pub(crate) mod resume;
