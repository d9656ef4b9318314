//! Tests of the volume, on real ones.

mod common;
mod corrupt;
mod model;
mod real;
