//! System calls: arguments, dispatch, replies.

mod args;
mod debug;
pub mod entry;
mod invoke;
mod reply;

pub use args::{Args, ExtraCap, ExtraSlots, Invocation, InvokeResult, Outcome, Phase, Untrusted};
pub use invoke::{invoke, invoke_for};
pub use reply::{answer, reply_success};

#[cfg(test)]
mod tests;
