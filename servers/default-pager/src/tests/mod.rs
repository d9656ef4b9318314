//! The pager against a naive model: a kernel that knows what every page must hold, disks that are arrays.

mod cases;
mod model;
mod random;
mod stores;
