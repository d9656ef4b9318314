//! The ticker: signals the Mach server once a period while a deadline is armed.
#![no_std]
