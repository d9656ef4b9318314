//! Who is told of a task's or a thread's exceptions: one slot for each kind of exception, set in two ways
//! (`spec/mach-ports-tasks.md` E.3, E.4).
//!
//! GNU's special port is the handler of every kind; setting it forgets what was set by kind. OSF's
//! `set_exception_ports` sets the kinds of a mask. The way decides which message the handler gets, and in which
//! numbering the codes are.

use alloc::vec::Vec;

use mach_protocol::KernReturn;
use mach_protocol::exception::{
    EXC_AARCH64_ALIGNMENT, EXC_AARCH64_PC_ALIGNMENT, EXC_AARCH64_SP_ALIGNMENT, EXCEPTION_RAISE, ExceptionType,
};

use crate::port::{PortId, Ports, Right};

/// Kinds of exceptions, from 1; 0 is none.
const KINDS: usize = 14;
/// The bits of a mask that name kinds.
const MASK_ALL: u32 = (1 << KINDS as u32) - 2;
/// `EXCEPTION_DEFAULT`: the message names thread and task.
pub const BEHAVIOR_DEFAULT: u32 = 1;
/// `MACH_EXCEPTION_CODES`: codes are 64 bits wide.
pub const BEHAVIOR_WIDE: u32 = 0x8000_0000;

/// The form of the message to a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// GNU's: 2400.
    Gnu,
    /// OSF's default behavior: 2401.
    Default,
    /// The same with 64-bit codes: 2405.
    DefaultWide,
}

impl Form {
    /// The id of the message; that of the answer is 100 more.
    #[must_use]
    pub const fn id(self) -> i32 {
        match self {
            Self::Gnu => EXCEPTION_RAISE,
            Self::Default => 2401,
            Self::DefaultWide => 2405,
        }
    }

    const fn behavior(self) -> u32 {
        match self {
            Self::Gnu | Self::Default => BEHAVIOR_DEFAULT,
            Self::DefaultWide => BEHAVIOR_DEFAULT | BEHAVIOR_WIDE,
        }
    }

    /// The code and subcode that the message carries.
    #[must_use]
    pub fn codes(self, kind: ExceptionType, code: i32, subcode: u64) -> [u64; 2] {
        const XNU_ALIGNMENT: i32 = 0x101;
        const XNU_SP_ALIGNMENT: i32 = 0x103;
        let code = match (self, code) {
            (Self::Gnu, code) => code,
            (_, EXC_AARCH64_ALIGNMENT | EXC_AARCH64_PC_ALIGNMENT) if kind == ExceptionType::BAD_ACCESS => XNU_ALIGNMENT,
            (_, EXC_AARCH64_SP_ALIGNMENT) if kind == ExceptionType::BAD_ACCESS => XNU_SP_ALIGNMENT,
            (_, code) => code,
        };
        let code = i64::from(code) as u64;
        match self {
            Self::Default => [code, i64::from(subcode as i32) as u64],
            Self::Gnu | Self::DefaultWide => [code, subcode],
        }
    }
}

/// A handler that was set by kind; a null right means that there is none.
#[derive(Debug)]
struct ByKind {
    right: Right,
    form: Form,
}

/// What `get_exception_ports` tells of one handler.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// The kinds that it handles.
    pub mask: u32,
    /// A copy of its right.
    pub right: Right,
    /// Its behavior.
    pub behavior: u32,
}

/// The handlers of a task or a thread.
#[derive(Debug)]
pub struct Handlers {
    special: Right,
    by_kind: [Option<ByKind>; KINDS],
}

impl Default for Handlers {
    fn default() -> Self {
        Self { special: Right::Null, by_kind: [const { None }; KINDS] }
    }
}

/// Checks what `set_exception_ports` is given.
///
/// # Errors
/// INVALID_ARGUMENT: the mask has unknown bits, or, with a port, the behavior is not DEFAULT with codes of either
/// width, or the flavor is not 0.
pub fn check(mask: u32, has_port: bool, behavior: u32, flavor: u32) -> Result<Form, KernReturn> {
    let form = match behavior {
        BEHAVIOR_DEFAULT => Some(Form::Default),
        _ if behavior == BEHAVIOR_DEFAULT | BEHAVIOR_WIDE => Some(Form::DefaultWide),
        _ => None,
    };
    match form {
        _ if mask & !MASK_ALL != 0 => Err(KernReturn::INVALID_ARGUMENT),
        _ if !has_port => Ok(Form::Default),
        Some(form) if flavor == 0 => Ok(form),
        _ => Err(KernReturn::INVALID_ARGUMENT),
    }
}

impl Handlers {
    /// The handler of a kind.
    #[must_use]
    pub fn find(&self, kind: ExceptionType) -> Option<(PortId, Form)> {
        let by_kind = usize::try_from(kind.0).ok().and_then(|kind| self.by_kind.get(kind)).and_then(Option::as_ref);
        match by_kind {
            Some(handler) => handler.right.port().map(|port| (port, handler.form)),
            None => self.special.port().map(|port| (port, Form::Gnu)),
        }
    }

    /// A copy of the special port.
    pub fn special(&self, ports: &mut Ports) -> Right {
        match self.special {
            Right::Null => Right::Null,
            _ => ports.copy_send(&self.special),
        }
    }

    /// Sets the special port, which takes every kind over.
    pub fn set_special(&mut self, ports: &mut Ports, right: Right) {
        let new = Self { special: right, ..Self::default() };
        core::mem::replace(self, new).release(ports);
    }

    /// Sets the kinds of a mask to copies of a right. The right stays the caller's.
    pub fn set(&mut self, ports: &mut Ports, mask: u32, right: &Right, form: Form) {
        for (place, _) in self.by_kind.iter_mut().zip(0_u32..).filter(|(_, kind)| mask & 1 << kind != 0) {
            let copy = if *right == Right::Null { Right::Null } else { ports.copy_send(right) };
            if let Some(old) = place.replace(ByKind { right: copy, form }) {
                ports.release(old.right);
            }
        }
    }

    /// The handlers of a mask's kinds, equal ones together, with copies of their rights.
    pub fn list(&self, ports: &mut Ports, mask: u32) -> Vec<Listed> {
        let mut list: Vec<Listed> = Vec::new();
        for kind in (1..KINDS).filter(|kind| mask & 1 << kind != 0) {
            let (right, form) = match self.by_kind.get(kind).and_then(Option::as_ref) {
                Some(handler) => (&handler.right, handler.form),
                None => (&self.special, Form::Gnu),
            };
            let behavior = form.behavior();
            match list.iter_mut().find(|listed| listed.right == *right && listed.behavior == behavior) {
                Some(listed) => listed.mask |= 1 << kind,
                None => {
                    let copy = if *right == Right::Null { Right::Null } else { ports.copy_send(right) };
                    list.push(Listed { mask: 1 << kind, right: copy, behavior });
                }
            }
        }
        list
    }

    /// The same handlers for a child.
    pub fn inherit(&self, ports: &mut Ports) -> Self {
        let mut copy = |right: &Right| if *right == Right::Null { Right::Null } else { ports.copy_send(right) };
        Self {
            special: copy(&self.special),
            by_kind: self.by_kind.each_ref().map(|handler| {
                handler.as_ref().map(|handler| ByKind { right: copy(&handler.right), form: handler.form })
            }),
        }
    }

    /// Gives up all rights.
    pub fn release(self, ports: &mut Ports) {
        ports.release(self.special);
        for handler in self.by_kind.into_iter().flatten() {
            ports.release(handler.right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{Object, ObjectKind};

    fn right(ports: &mut Ports) -> (PortId, Right) {
        let port = ports.create_server_port(Object { kind: ObjectKind::Host, id: 0 });
        (port, ports.make_send(port).unwrap())
    }

    #[test]
    fn a_kind_goes_before_the_special_port_until_that_is_set_again() {
        let mut ports = Ports::new();
        let mut handlers = Handlers::default();
        assert_eq!(handlers.find(ExceptionType::BAD_ACCESS), None);
        let ((special, first), (by_kind, second)) = (right(&mut ports), right(&mut ports));
        handlers.set_special(&mut ports, first);
        handlers.set(&mut ports, 1 << 1, &second, Form::DefaultWide);
        assert_eq!(handlers.find(ExceptionType::BAD_ACCESS), Some((by_kind, Form::DefaultWide)));
        assert_eq!(handlers.find(ExceptionType::BREAKPOINT), Some((special, Form::Gnu)));
        handlers.set(&mut ports, 1 << 6, &Right::Null, Form::Default);
        assert_eq!(handlers.find(ExceptionType::BREAKPOINT), None);
        handlers.set_special(&mut ports, second);
        assert_eq!(handlers.find(ExceptionType::BAD_ACCESS), Some((by_kind, Form::Gnu)));
        handlers.release(&mut ports);
    }

    #[test]
    fn equal_handlers_are_listed_once() {
        let mut ports = Ports::new();
        let mut handlers = Handlers::default();
        let (_, given) = right(&mut ports);
        handlers.set(&mut ports, 0b110, &given, Form::Default);
        let list = handlers.list(&mut ports, MASK_ALL);
        let seen: Vec<_> = list.iter().map(|listed| (listed.mask, listed.right == Right::Null)).collect();
        assert_eq!(seen, [(0b110, false), (MASK_ALL & !0b110, true)]);
        list.into_iter().for_each(|listed| ports.release(listed.right));
        handlers.inherit(&mut ports).release(&mut ports);
        handlers.release(&mut ports);
        ports.release(given);
    }

    #[test]
    fn ipt_79_masks_and_behaviors_are_checked() {
        let bad = Err(KernReturn::INVALID_ARGUMENT);
        assert_eq!(check(0x8000_0000, true, 1, 0), bad);
        assert_eq!(check(1, true, 1, 0), bad);
        assert_eq!(check(1 << 1, true, 9, 0), bad);
        assert_eq!(check(1 << 1, true, 1, 6), bad);
        assert_eq!(check(1 << 1, false, 9, 6), Ok(Form::Default));
        assert_eq!(check(1 << 13, true, 1, 0), Ok(Form::Default));
        assert_eq!(check(1 << 1, true, 0x8000_0001, 0), Ok(Form::DefaultWide));
    }

    #[test]
    fn codes_follow_the_family() {
        let kind = ExceptionType::BAD_ACCESS;
        assert_eq!(Form::Gnu.codes(kind, 100, 1 << 40), [100, 1 << 40]);
        assert_eq!(Form::DefaultWide.codes(kind, 100, 1 << 40), [0x101, 1 << 40]);
        assert_eq!(Form::DefaultWide.codes(kind, 102, 0), [0x103, 0]);
        assert_eq!(Form::Default.codes(kind, 1, 0x1_8000_0000), [1, 0xffff_ffff_8000_0000]);
    }
}
