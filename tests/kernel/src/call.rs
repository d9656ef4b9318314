//! System calls with their registers in sight.

use mach_sys::abi::message::MSG_REGISTERS;
use mach_sys::abi::{InvocationLabel, Syscall};
use mach_sys::ipc_buffer::IpcBuffer;
use mach_sys::message::raw_syscall;
use mach_sys::{CPtr, MessageInfo};

use crate::trace::note_all;

/// `x0` to `x8`.
pub(crate) type Registers = [u64; 9];

/// Something that can be the label of a message.
pub(crate) trait Label {
    fn number(self) -> u64;
}

impl Label for u64 {
    fn number(self) -> u64 {
        self
    }
}

impl Label for InvocationLabel {
    fn number(self) -> u64 {
        InvocationLabel::number(self)
    }
}

/// What was answered to a `Call`, or received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) badge: u64,
    pub(crate) info: MessageInfo,
    words: [u64; 8],
}

impl Answer {
    fn of(x: &Registers) -> Self {
        let info = MessageInfo(x[1]);
        let words = core::array::from_fn(|index| word(x, index));
        Self { badge: x[0], info, words }
    }

    /// Label, and as many words as came (up to 8).
    pub(crate) fn note(&self) {
        note_all(&[self.info.label()]);
        note_all(self.words.get(..self.info.length()).unwrap_or(&self.words));
    }

    /// The badge, then the same.
    pub(crate) fn note_with_badge(&self) {
        note_all(&[self.badge]);
        self.note();
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.info.label() == 0
    }

    /// Message register `index`, up to 7.
    pub(crate) fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or_default()
    }
}

/// Message register `index` as it is now, if `x` are the registers.
pub(crate) fn word(x: &Registers, index: usize) -> u64 {
    match index < MSG_REGISTERS {
        true => x.get(2 + index).copied().unwrap_or_default(),
        false => IpcBuffer::current().map_or(0, |buffer| buffer.message_word(index)),
    }
}

/// The registers of a message: what does not fit goes to the IPC buffer.
pub(crate) fn message(label: impl Label, words: &[u64], caps: &[CPtr]) -> Registers {
    let mut x = [0; 9];
    x[1] = MessageInfo::new(label.number(), 0, caps.len() as u64, words.len() as u64).0;
    x.iter_mut().skip(2).zip(words).take(MSG_REGISTERS).for_each(|(register, word)| *register = *word);
    if let Some(buffer) = IpcBuffer::current() {
        words.iter().enumerate().skip(MSG_REGISTERS).for_each(|(index, word)| buffer.set_message_word(index, *word));
        caps.iter().enumerate().for_each(|(index, cap)| buffer.set_cap(index, *cap));
    }
    x
}

/// Executes a system call with these registers.
pub(crate) fn syscall(call: Syscall, x: &mut Registers) {
    x[7] = call.number().cast_unsigned();
    raw_syscall(x);
}

/// `Call`: invokes an object, or asks another thread.
pub(crate) fn call(cptr: CPtr, label: impl Label, words: &[u64], caps: &[CPtr]) -> Answer {
    let mut x = message(label, words, caps);
    x[0] = cptr;
    syscall(Syscall::Call, &mut x);
    Answer::of(&x)
}

/// `Send`.
pub(crate) fn send(cptr: CPtr, label: impl Label, words: &[u64], caps: &[CPtr]) {
    let mut x = message(label, words, caps);
    x[0] = cptr;
    syscall(Syscall::Send, &mut x);
}

/// `NBSend`.
pub(crate) fn nb_send(cptr: CPtr, label: impl Label, words: &[u64], caps: &[CPtr]) {
    let mut x = message(label, words, caps);
    x[0] = cptr;
    syscall(Syscall::NbSend, &mut x);
}

/// `Send` of an empty message: a signal.
pub(crate) fn signal(cptr: CPtr) {
    send(cptr, 0, &[], &[]);
}

/// A receive of any kind: `x0` the source, `x6` the reply object where there is one.
pub(crate) fn receive(kind: Syscall, source: CPtr, reply: CPtr) -> Answer {
    let mut x = [source, 0, 0, 0, 0, 0, reply, 0, 0];
    syscall(kind, &mut x);
    Answer::of(&x)
}

pub(crate) fn recv(source: CPtr, reply: CPtr) -> Answer {
    receive(Syscall::Recv, source, reply)
}

pub(crate) fn nb_recv(source: CPtr, reply: CPtr) -> Answer {
    receive(Syscall::NbRecv, source, reply)
}

pub(crate) fn wait(source: CPtr) -> Answer {
    receive(Syscall::Wait, source, 0)
}

pub(crate) fn nb_wait(source: CPtr) -> Answer {
    receive(Syscall::NbWait, source, 0)
}

/// `ReplyRecv`: answers by `reply`, and receives with it.
pub(crate) fn reply_recv(source: CPtr, reply: CPtr, label: impl Label, words: &[u64]) -> Answer {
    let mut x = message(label, words, &[]);
    (x[0], x[6]) = (source, reply);
    syscall(Syscall::ReplyRecv, &mut x);
    Answer::of(&x)
}

/// `NBSendRecv`.
pub(crate) fn nb_send_recv(dest: CPtr, source: CPtr, reply: CPtr, label: impl Label, words: &[u64]) -> Answer {
    let mut x = message(label, words, &[]);
    (x[0], x[6], x[8]) = (source, reply, dest);
    syscall(Syscall::NbSendRecv, &mut x);
    Answer::of(&x)
}

/// `NBSendWait`.
pub(crate) fn nb_send_wait(dest: CPtr, source: CPtr, label: impl Label, words: &[u64]) -> Answer {
    let mut x = message(label, words, &[]);
    (x[0], x[6]) = (source, dest);
    syscall(Syscall::NbSendWait, &mut x);
    Answer::of(&x)
}
