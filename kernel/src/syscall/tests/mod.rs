//! Random system calls over the arena.
//!
//! `threads` moves many threads through calls, replies, signals, budgets and faults; `kinds` invokes
//! every kind of capability, and checks that a refused invocation leaves no trace.

mod kinds;
mod threads;
