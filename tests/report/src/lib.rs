//! The lines by which a test image and the harness understand each other.
#![no_std]
