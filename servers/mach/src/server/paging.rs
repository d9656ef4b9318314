//! Page-out as the server runs it: who the default pager is, and what becomes of its objects when it dies.

use mach_protocol::host::{HostDefaultMemoryManager, HostDefaultMemoryManagerReply, HostRequest};
use mach_protocol::host::{VmSetDefaultMemoryManager, VmSetDefaultMemoryManagerReply};
use mach_protocol::private::{DefaultPagerSpace, PagingSpace, SetFreeTargets};
use mach_protocol::{KernReturn, PortName};
use vm::Host;

use super::{Caller, Server};
use crate::machine::Machine;
use crate::port::{PortId, Receiver, Right, SpaceId};

/// `MACH_MSG_TYPE_COPY_SEND` and `_MAKE_SEND`.
const COPY_SEND: u8 = 19;
const MAKE_SEND: u8 = 20;

/// The right to the default pager's port.
#[derive(Debug)]
pub(super) struct DefaultPager {
    right: Right,
    port: PortId,
}

impl<M: Machine> Server<M> {
    /// The calls that name the default pager.
    pub(super) fn default_manager_call(&mut self, caller: Caller, request: u32, host: Host, call: &HostRequest) {
        let reply = caller.thread;
        match *call {
            HostRequest::VmSetDefaultMemoryManager(VmSetDefaultMemoryManager { default_manager }) => {
                let answer = self.set_default_manager(caller, host, default_manager);
                let answer = answer.map(|default_manager| VmSetDefaultMemoryManagerReply { default_manager });
                self.answer_result(reply, request, &answer);
            }
            HostRequest::HostDefaultMemoryManager(HostDefaultMemoryManager { default_manager, .. }) => {
                let answer = self.set_default_manager(caller, host, default_manager);
                let answer = answer.map(|default_manager| HostDefaultMemoryManagerReply { default_manager });
                self.answer_result(reply, request, &answer);
            }
            _ => {}
        }
    }

    /// Checks: the privileged host port, else INVALID_HOST; the manager is null, a port that the caller receives from, or
    /// a send right, else INVALID_CAPABILITY; room for the answer, else NO_SPACE.
    fn set_default_manager(&mut self, caller: Caller, host: Host, name: PortName) -> Result<PortName, KernReturn> {
        if host != Host::Privileged {
            return Err(KernReturn::INVALID_HOST);
        }
        let new = match name {
            PortName::NULL => None,
            name => Some(self.named_manager(caller.space, name)?),
        };
        let old = match &self.default_pager {
            Some(pager) => self.ports.copy_send(&pager.right),
            None => Right::Null,
        };
        let old = match (self.ports.copy_out(caller.space, old), new) {
            (Ok(old), None) => return Ok(old),
            (Ok(old), Some(new)) => {
                self.enter_default_pager(new);
                old
            }
            (Err(code), new) => {
                new.into_iter().for_each(|new| self.ports.release(new.right));
                return Err(code);
            }
        };
        Ok(old)
    }

    /// A send right to the port that a name of the caller's stands for.
    fn named_manager(&mut self, space: SpaceId, name: PortName) -> Result<DefaultPager, KernReturn> {
        let right = self.ports.extract_right(space, name, MAKE_SEND);
        let right = right.or_else(|_| self.ports.extract_right(space, name, COPY_SEND));
        match right {
            Ok(Right::Send(port)) => Ok(DefaultPager { right: Right::Send(port), port }),
            Ok(other) => {
                self.ports.release(other);
                Err(KernReturn::INVALID_CAPABILITY)
            }
            Err(_) => Err(KernReturn::INVALID_CAPABILITY),
        }
    }

    fn enter_default_pager(&mut self, new: DefaultPager) {
        let is_alive = self.ports.watch(new.port);
        if let Some(old) = self.default_pager.replace(new) {
            self.ports.release(old.right);
        }
        let space = self.default_pager_space();
        self.hw.managers.default_pager = space;
        let tasks = self.tasks.iter().filter(|(_, task)| Some(task.space) == space);
        tasks.map(|(_, task)| task.map).for_each(|map| self.vm.keep_resident(map));
        self.vm.set_default_pager(is_alive);
        self.is_untidy = true;
    }

    /// A watched port is dead: it may be the default pager's.
    pub(super) fn default_pager_died(&mut self, port: PortId) {
        let Some(pager) = self.default_pager.take_if(|pager| pager.port == port) else { return };
        self.ports.release(pager.right);
        self.hw.managers.default_pager = None;
        self.vm.set_default_pager(false);
        self.hw.machine.log(format_args!("mach: the default pager has died: what was paged out is lost"));
    }

    /// The task that receives for the default pager.
    pub(super) fn default_pager_space(&self) -> Option<SpaceId> {
        match self.ports.receiver(self.default_pager.as_ref()?.port) {
            Some(Receiver::Space(space, _)) => Some(space),
            _ => None,
        }
    }

    /// Checks: `mach_protocol::private::DefaultPagerSpace`.
    pub(super) fn set_paging_space(&mut self, caller: Caller, call: &DefaultPagerSpace) -> Result<(), KernReturn> {
        self.check_privilege(caller, call.host_priv)?;
        let space = PagingSpace::from_wire(call.state).ok_or(KernReturn::INVALID_ARGUMENT)?;
        self.log_paging_space(space);
        self.vm.set_paging_full(space == PagingSpace::Full);
        self.is_untidy = true;
        Ok(())
    }

    /// Says in the log how much space is left. While there is next to none it goes up and down by a few slots: that is said
    /// once.
    fn log_paging_space(&mut self, space: PagingSpace) {
        let what = match (self.logged_space, space) {
            (PagingSpace::Ok, PagingSpace::Ok)
            | (PagingSpace::Low | PagingSpace::Full, PagingSpace::Low)
            | (PagingSpace::Full, PagingSpace::Full) => return,
            (_, PagingSpace::Ok) => "has space again",
            (_, PagingSpace::Low) => "has little space left",
            (_, PagingSpace::Full) => "has no space left",
        };
        self.logged_space = space;
        self.hw.machine.log(format_args!("mach: the default pager {what}"));
    }

    /// Checks: `mach_protocol::private::SetFreeTargets`.
    pub(super) fn set_free_targets(&mut self, caller: Caller, call: &SetFreeTargets) -> Result<(), KernReturn> {
        self.check_privilege(caller, call.host_priv)?;
        if call.high != 0 && call.low > call.high {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        self.vm.set_free_targets(call.low, call.high);
        self.is_untidy = true;
        Ok(())
    }

    /// Takes a step of page-out while memory is short.
    pub(super) fn relieve(&mut self) {
        if !self.is_untidy && self.is_short() {
            self.hw.managers.default_pager = self.default_pager_space();
            self.is_untidy = self.vm.page_out(&mut self.hw);
        }
    }

    /// Whether memory is short, and somebody may take some of it.
    pub(super) fn is_short(&self) -> bool {
        (self.default_pager.is_some() || !self.hw.managers.is_empty()) && self.vm.is_short(&self.hw)
    }
}

impl DefaultPager {
    pub(super) const fn right(&self) -> &Right {
        &self.right
    }
}
