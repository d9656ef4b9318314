//! Page faults, and every other access to a page of a map.
//!
//! [`plan`] looks and decides, [`resume`] carries it out and looks again; [`ahead`] saves faults.

pub(crate) mod ahead;
pub(crate) mod plan;
pub(crate) mod resume;
