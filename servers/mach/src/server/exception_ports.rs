//! `set_`, `get_` and `swap_exception_ports` of threads, tasks and the host (`spec/mach-ports-tasks.md` E.4).

use alloc::vec::Vec;

use mach_protocol::task::EXCEPTION_KINDS_MAX;
use mach_protocol::wire::Ints;
use mach_protocol::{KernReturn, PortName};

use super::{Caller, Server};
use crate::handlers::{self, Handlers, Listed};
use crate::machine::Machine;
use crate::port::Ports;
use crate::task::TaskId;
use crate::thread::ThreadId;

/// Masks, names, behaviors and flavors of handlers.
pub(super) type HandlerArrays = [Ints<EXCEPTION_KINDS_MAX>; 4];

/// Whose handlers are meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    /// A thread's.
    Thread(ThreadId),
    /// A task's.
    Task(TaskId),
    /// Those that are asked last, of all exceptions.
    Host,
}

/// What a call sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewHandler {
    pub(super) mask: u32,
    pub(super) port: PortName,
    pub(super) behavior: u32,
    pub(super) flavor: u32,
}

impl<M: Machine> Server<M> {
    /// Sets the handlers of a mask.
    ///
    /// Checks: those of [`handlers::check`]; a send right can be had from the port, else INVALID_CAPABILITY.
    pub(super) fn set_handlers(&mut self, caller: Caller, whose: Whose, new: NewHandler) -> Result<(), KernReturn> {
        let NewHandler { mask, port, behavior, flavor } = new;
        let form = handlers::check(mask, port != PortName::NULL, behavior, flavor)?;
        let right = self.copied_right(caller, port)?;
        if let Some((handlers, ports)) = self.handlers(whose) {
            handlers.set(ports, mask, &right, form);
        }
        self.ports.release(right);
        Ok(())
    }

    /// Tells of the handlers of a mask.
    ///
    /// # Errors
    /// NO_SPACE: the caller has no room for a right; it keeps those before it.
    pub(super) fn list_handlers(
        &mut self,
        caller: Caller,
        whose: Whose,
        mask: u32,
    ) -> Result<HandlerArrays, KernReturn> {
        let list = self.handlers(whose).map(|(handlers, ports)| handlers.list(ports, mask));
        self.give_handlers(caller, list.unwrap_or_default())
    }

    /// Sets the handlers of a mask, and tells of those before.
    ///
    /// Checks: as [`Self::set_handlers`]; the caller has room for the rights, else NO_SPACE, and then the handlers are set
    /// all the same.
    pub(super) fn swap_handlers(
        &mut self,
        caller: Caller,
        whose: Whose,
        new: NewHandler,
    ) -> Result<HandlerArrays, KernReturn> {
        let list = self.handlers(whose).map(|(handlers, ports)| handlers.list(ports, new.mask)).unwrap_or_default();
        match self.set_handlers(caller, whose, new) {
            Ok(()) => self.give_handlers(caller, list),
            Err(code) => {
                list.into_iter().for_each(|listed| self.ports.release(listed.right));
                Err(code)
            }
        }
    }

    fn handlers(&mut self, whose: Whose) -> Option<(&mut Handlers, &mut Ports)> {
        let Self { threads, tasks, host_handlers, ports, .. } = self;
        let handlers = match whose {
            Whose::Thread(id) => &mut threads.get_mut(id)?.exception,
            Whose::Task(id) => &mut tasks.get_mut(id)?.exception,
            Whose::Host => host_handlers,
        };
        Some((handlers, ports))
    }

    /// Gives the caller rights to listed handlers.
    fn give_handlers(&mut self, caller: Caller, list: Vec<Listed>) -> Result<HandlerArrays, KernReturn> {
        let masks: Vec<u32> = list.iter().map(|listed| listed.mask).collect();
        let behaviors: Vec<u32> = list.iter().map(|listed| listed.behavior).collect();
        let mut names = Vec::new();
        for listed in list {
            names.push(self.ports.copy_out(caller.space, listed.right).map(|name| name.0));
        }
        let names: Vec<u32> = names.into_iter().collect::<Result<_, _>>()?;
        let flavors = [0; EXCEPTION_KINDS_MAX];
        let flavors = flavors.get(..names.len()).unwrap_or_default();
        Ok([Ints::new(&masks), Ints::new(&names), Ints::new(&behaviors), Ints::new(flavors)])
    }
}
