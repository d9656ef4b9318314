//! The send right to the control port that each message of the server's brings.

use crate::PortName;
use crate::port::{Right, mach_port_mod_refs};
use crate::task::mach_task_self;

/// Send rights to one control port that messages brought, beside the one that is kept.
#[derive(Default)]
pub(super) struct Surplus {
    control: PortName,
    count: i32,
}

impl Surplus {
    /// So many are not dropped yet at the most.
    const MOST: i32 = 256;

    /// One more, to this control port.
    pub(super) fn add(&mut self, control: PortName) {
        if self.control != control || self.count >= Self::MOST {
            self.give_up();
            self.control = control;
        }
        self.count += 1;
    }

    /// Drops them.
    fn give_up(&mut self) {
        let (task, delta) = (mach_task_self(), -core::mem::take(&mut self.count));
        // The port may have died: then they are references to a dead name.
        if delta != 0 && mach_port_mod_refs(task, self.control, Right::SEND, delta).is_err() {
            let _ = mach_port_mod_refs(task, self.control, Right::DEAD_NAME, delta);
        }
    }

    /// Everything under the name of this port is destroyed.
    pub(super) fn forget(&mut self, name: PortName) {
        if self.control == name {
            self.count = 0;
        }
    }
}
