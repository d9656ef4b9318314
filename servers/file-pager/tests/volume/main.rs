//! Tests of the volume, on real ones.

mod common;
mod corrupt;
mod damaged;
mod model;
mod real;
