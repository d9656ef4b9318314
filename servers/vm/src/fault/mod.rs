//! Page faults, and every other access to a page of a map.
//!
//! [`plan`] looks and decides, [`resume`] carries it out and looks again; [`ahead`] saves faults.
//! [`short`] is the short way of the commonest ones, [`fresh`] the part of it that brings zeros.

pub(crate) mod ahead;
mod fresh;
pub(crate) mod plan;
pub(crate) mod resume;
mod short;
