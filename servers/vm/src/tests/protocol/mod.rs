//! The protocol with memory managers: as a state machine ([`machine`]), every state of which is looked at ([`explore`]),
//! and which the implementation is compared with, step by step ([`conform`]); with faults that the machine does not know
//! ([`inject`]).

mod conform;
mod explore;
mod inject;
mod machine;
mod real;
mod rng;
