//! Random system calls over the arena.
//!
//! `threads` moves many threads through calls, replies, signals, budgets and faults; `kinds` invokes
//! every kind of capability, and checks that a refused invocation leaves no trace; `jail` gives memory away to threads
//! that do anything at all with it, and takes it back; `space` holds a capability space against a tree.

mod jail;
mod kinds;
mod space;
mod threads;
