//! The shell: programs, tasks and their memory, from a terminal.
//!
//! | module | holds |
//! |---|---|
//! | [`keys`] | from bytes to keys |
//! | [`editor`], [`history`] | the line that is being typed, and those before |
//! | [`parse`] | from a line to words, a redirection, and whether to wait |
//! | [`commands`] | the commands, and `help` |
//! | [`format`] | numbers and tables |
//! | [`near`] | names that somebody may have meant |
//!
//! This library is what can be tested on the host. The program around it is a Mach task: it talks to the console, has
//! root start programs, and asks the Mach server the rest.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod commands;
pub mod editor;
pub mod format;
pub mod history;
pub mod keys;
pub mod near;
pub mod parse;
