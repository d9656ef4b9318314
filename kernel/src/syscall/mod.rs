//! System calls: arguments, dispatch, replies.

mod args;

pub use args::{Args, ExtraCap, Invocation, InvokeResult, MAX_WORDS, Outcome, Phase, Untrusted};
