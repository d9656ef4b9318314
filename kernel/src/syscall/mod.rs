//! System calls: arguments, dispatch, replies.

mod args;
mod debug;
pub mod entry;
mod invoke;
mod reply;

pub use args::{Args, ExtraCap, Invocation, InvokeResult, MAX_WORDS, Outcome, Phase, Untrusted};
pub use invoke::invoke;
pub use reply::{reply_error, reply_success};

#[cfg(test)]
mod tests;
