//! Sending and receiving between threads: the system calls over endpoints, notifications and replies.
//!
//! Message registers 0 to 3 travel in processor registers, the others in the IPC buffer. A thread without
//! an IPC buffer sends and receives four words at most.

use sel4_abi::message::{MSG_MAX_EXTRA_CAPS, MSG_MAX_LENGTH};
use sel4_abi::{CPtr, MessageInfo};

use crate::arch::{self, Registers};
use crate::cap::{Cap, Endpoint, Notification, Reply};
use crate::ipc_buffer::IpcBuffer;

/// Who speaks: the word that the giver of a capability put into it, or the bits of a notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Badge(pub u64);

/// A message to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The label: 52 bits, free for the two sides to agree on.
    pub label: u64,
    /// The message registers; those beyond 120 are not sent.
    pub words: &'a [u64],
    /// Capabilities to send along; those beyond three are not sent.
    pub caps: &'a [CPtr],
}

impl<'a> Message<'a> {
    /// A message of `words` without capabilities.
    #[must_use]
    pub fn new(label: u64, words: &'a [u64]) -> Self {
        Self { label, words, caps: &[] }
    }

    /// The same message with capabilities.
    #[must_use]
    pub fn with_caps(self, caps: &'a [CPtr]) -> Self {
        Self { caps, ..self }
    }

    /// Puts the message where the kernel takes it from: the registers, and the IPC buffer for the rest.
    #[inline(always)]
    pub(crate) fn load(&self) -> Registers {
        let words = self.words.get(..self.words.len().min(MSG_MAX_LENGTH)).unwrap_or_default();
        let caps = self.caps.get(..self.caps.len().min(MSG_MAX_EXTRA_CAPS)).unwrap_or_default();
        let mut registers =
            Registers { info: MessageInfo::new(self.label, 0, caps.len() as u64, words.len() as u64).0, mr: [0; 4] };
        registers.mr.iter_mut().zip(words).for_each(|(register, word)| *register = *word);
        if words.len() <= registers.mr.len() && caps.is_empty() {
            return registers;
        }
        if let Some(buffer) = IpcBuffer::current() {
            words.iter().enumerate().skip(4).for_each(|(index, word)| buffer.set_message_word(index, *word));
            caps.iter().enumerate().for_each(|(index, cap)| buffer.set_cap(index, *cap));
        }
        registers
    }
}

/// A message as it arrived. Words beyond the fourth are still in the IPC buffer: read them before the next
/// system call, invocations included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The badge of the capability that it was sent through, or the bits of a notification.
    pub badge: Badge,
    /// Label and lengths. After a notification's signal it is all zero.
    pub info: MessageInfo,
    /// Message registers 0 to 3.
    pub registers: [u64; 4],
}

impl Received {
    fn new(badge: u64, registers: &Registers) -> Self {
        Self { badge: Badge(badge), info: MessageInfo(registers.info), registers: registers.mr }
    }

    /// The label of the message.
    #[must_use]
    pub fn label(&self) -> u64 {
        self.info.label()
    }

    /// The number of message registers that arrived.
    #[must_use]
    pub fn len(&self) -> usize {
        self.info.clamped_length()
    }

    /// Whether the message has no words.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Message register `index`; 0 beyond the length of the message.
    #[must_use]
    pub fn word(&self, index: usize) -> u64 {
        if index >= self.len() {
            return 0;
        }
        match self.registers.get(index) {
            Some(word) => *word,
            None => IpcBuffer::current().map_or(0, |buffer| buffer.message_word(index)),
        }
    }

    /// Copies the message's words to the start of `out` and answers that part of it.
    pub fn copy_words<'o>(&self, out: &'o mut [u64]) -> &'o [u64] {
        let count = self.len().min(out.len());
        let out = out.get_mut(..count).unwrap_or_default();
        out.iter_mut().zip(&self.registers).for_each(|(to, from)| *to = *from);
        if count > self.registers.len() {
            let buffer = IpcBuffer::current();
            let rest = out.iter_mut().enumerate().skip(self.registers.len());
            rest.for_each(|(index, to)| *to = buffer.map_or(0, |buffer| buffer.message_word(index)));
        }
        out
    }

    /// The message's words, if they all travelled in registers.
    #[must_use]
    pub fn words_in_registers(&self) -> Option<&[u64]> {
        self.registers.get(..self.len())
    }
}

impl Cap<Endpoint> {
    /// Sends, waiting for a receiver. Errors are silent.
    pub fn send(self, message: &Message<'_>) {
        arch::send(self.word(), &message.load());
    }

    /// Sends if a receiver waits; otherwise the message is dropped.
    pub fn nb_send(self, message: &Message<'_>) {
        arch::nb_send(self.word(), &message.load());
    }

    /// Sends and waits for the answer.
    #[must_use]
    pub fn call(self, message: &Message<'_>) -> Received {
        let mut registers = message.load();
        let badge = arch::call(self.word(), &mut registers);
        Received::new(badge, &registers)
    }

    /// Waits for a message; `reply` then holds the caller.
    #[must_use]
    pub fn recv(self, reply: Cap<Reply>) -> Received {
        let mut registers = Registers::default();
        let badge = arch::recv(self.word(), reply.word(), &mut registers);
        Received::new(badge, &registers)
    }

    /// Takes a message if one waits; a badge of 0 with an empty message means that none did.
    #[must_use]
    pub fn nb_recv(self, reply: Cap<Reply>) -> Received {
        let mut registers = Registers::default();
        let badge = arch::nb_recv(self.word(), reply.word(), &mut registers);
        Received::new(badge, &registers)
    }

    /// Answers through `reply`, then waits for the next message with the same reply object.
    ///
    /// When a bound notification's signal comes instead of a message, the result's `info` is the one that
    /// was sent: look at the badge first.
    #[must_use]
    pub fn reply_recv(self, message: &Message<'_>, reply: Cap<Reply>) -> Received {
        let mut registers = message.load();
        let badge = arch::reply_recv(self.word(), reply.word(), &mut registers);
        Received::new(badge, &registers)
    }

    /// Sends to `dest` if it can be taken at once, then waits for a message here; `reply` then holds the
    /// caller. The same caution as for [`Cap::reply_recv`] holds.
    #[must_use]
    pub fn nb_send_recv(self, dest: CPtr, message: &Message<'_>, reply: Cap<Reply>) -> Received {
        let mut registers = message.load();
        let badge = arch::nb_send_recv(dest, self.word(), reply.word(), &mut registers);
        Received::new(badge, &registers)
    }

    /// Sends to `dest` if it can be taken at once, then waits here for a message that is not to be answered.
    #[must_use]
    pub fn nb_send_wait(self, dest: CPtr, message: &Message<'_>) -> Received {
        let mut registers = message.load();
        let badge = arch::nb_send_wait(self.word(), dest, &mut registers);
        Received::new(badge, &registers)
    }

    /// Waits for a message that is not to be answered: a caller becomes inactive.
    #[must_use]
    pub fn wait(self) -> Received {
        let mut registers = Registers::default();
        let badge = arch::wait(self.word(), &mut registers);
        Received::new(badge, &registers)
    }
}

impl Cap<Notification> {
    /// Signals: adds the capability's badge to the notification's word.
    pub fn signal(self) {
        arch::send(self.word(), &Registers::default());
    }

    /// Waits for the word to be set and takes it.
    #[must_use]
    pub fn wait(self) -> Badge {
        Badge(arch::wait(self.word(), &mut Registers::default()))
    }

    /// Takes the word if it is set; 0 otherwise.
    #[must_use]
    pub fn poll(self) -> Badge {
        Badge(arch::nb_wait(self.word(), &mut Registers::default()))
    }

    /// Sends `message` to `dest` if it can be taken at once, then waits for this notification.
    #[must_use]
    pub fn nb_send_wait(self, dest: CPtr, message: &Message<'_>) -> Badge {
        Badge(arch::nb_send_wait(self.word(), dest, &mut message.load()))
    }
}

impl Cap<Reply> {
    /// Answers the caller that the reply object holds; nothing if it holds none.
    pub fn reply(self, message: &Message<'_>) {
        arch::send(self.word(), &message.load());
    }
}

/// Executes a system call with exactly these values in `x0` to `x8`; they become what the kernel leaves there. For
/// tests of the kernel: whoever has no test to write has a stub for each call.
pub fn raw_syscall(registers: &mut [u64; 9]) {
    arch::raw(registers);
}

/// Gives up the rest of the current budget.
pub fn yield_now() {
    arch::yield_now();
}
