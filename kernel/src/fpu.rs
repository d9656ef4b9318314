//! Whose floating-point registers are in the core, and who may use them (spec §7.9).
//!
//! They are switched when they are used: while a thread runs whose registers are not in the core, user mode traps on the
//! first use, and only then are those of the last user saved. Threads without floating point pay one comparison.
//!
//! # Invariants
//!
//! - `FPU-1` the registers of the owner are in the core, those of every other thread in its TCB;
//! - `FPU-2` user mode may use them exactly when the owner runs, and may use them as far as its flags are concerned.

use core::cell::Cell;

use crate::arch;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::Tcb;

/// The thread flag that keeps it from the floating-point registers (spec §3.3).
const FPU_DISABLED: u64 = 1;

/// The floating-point unit of one core.
pub struct Fpu {
    /// The thread whose registers are in the core. Cleared when it is destroyed.
    owner: Cell<Option<KRef<Tcb>>>,
    /// Whether user mode may use them.
    is_open: Cell<bool>,
}

impl Fpu {
    /// Nobody's, and closed.
    #[must_use]
    pub const fn new() -> Self {
        Fpu { owner: Cell::new(None), is_open: Cell::new(false) }
    }

    /// The thread whose registers are in the core.
    #[must_use]
    pub fn owner(&self) -> Option<KRef<Tcb>> {
        self.owner.get()
    }

    /// The thread is being destroyed: nobody needs its registers any more.
    pub fn forget(&self, t: KRef<Tcb>) {
        if self.owner.get() == Some(t) {
            self.owner.set(None);
        }
    }
}

impl Default for Fpu {
    fn default() -> Self {
        Self::new()
    }
}

fn may_use(k: &Kernel, t: KRef<Tcb>) -> bool {
    t.get(k).flags.get() & FPU_DISABLED == 0
}

/// Lets user mode use the registers if they are those of `t`, which runs next.
#[inline(always)]
pub fn switch(k: &Kernel, t: KRef<Tcb>) {
    let fpu = &k.cpu.fpu;
    let open = fpu.owner.get() == Some(t) && may_use(k, t);
    if open != fpu.is_open.get() {
        set_open(fpu, open);
    }
}

#[cold]
fn set_open(fpu: &Fpu, open: bool) {
    fpu.is_open.set(open);
    if open {
        arch::fpu::enable();
    } else {
        arch::fpu::disable();
    }
}

/// The current thread `t` used the registers and trapped: it gets them. Answers false if it may not use them.
#[cold]
pub fn give(k: &Kernel, t: KRef<Tcb>) -> bool {
    if !may_use(k, t) {
        return false;
    }
    let fpu = &k.cpu.fpu;
    if fpu.owner.get() != Some(t) {
        if let Some(owner) = fpu.owner.get() {
            arch::fpu::save(&owner.get(k).fpu);
        }
        arch::fpu::restore(&t.get(k).fpu);
        fpu.owner.set(Some(t));
    }
    true
}

#[cfg(test)]
mod tests {
    use crate::arch::fpu as core_fpu;
    use crate::world::World;

    use super::*;

    /// What the registers of the core hold, as far as a test can tell them apart.
    fn registers() -> core_fpu::FpuState {
        let state = core_fpu::FpuState::new();
        core_fpu::save(&state);
        state
    }

    #[test]
    fn the_registers_follow_their_users_only() {
        let mut w = World::new();
        let (a, b, c) = (w.thread(10), w.thread(10), w.thread(10));
        let mark = core_fpu::FpuState::new();
        let k = w.k();
        core_fpu::restore(&mark);
        assert!(give(k, a.obj));
        core_fpu::set_mark(7);
        // One that does not use them leaves them where they are.
        switch(k, c.obj);
        assert_eq!((k.cpu.fpu.owner(), k.cpu.fpu.is_open.get()), (Some(a.obj), false));
        switch(k, a.obj);
        assert!(k.cpu.fpu.is_open.get());
        // Another user has its own, which are zero at first.
        assert!(give(k, b.obj));
        assert_eq!(registers().mark(), 0);
        core_fpu::set_mark(8);
        assert!(give(k, a.obj));
        assert_eq!(registers().mark(), 7);
        assert!(give(k, b.obj));
        assert_eq!(registers().mark(), 8);
    }

    #[test]
    fn a_thread_with_the_flag_keeps_its_registers_and_cannot_use_them() {
        let mut w = World::new();
        let (a, b) = (w.thread(10), w.thread(10));
        let k = w.k();
        assert!(give(k, a.obj));
        core_fpu::set_mark(7);
        a.obj.get(k).flags.set(FPU_DISABLED);
        switch(k, a.obj);
        assert!(!k.cpu.fpu.is_open.get());
        assert!(!give(k, a.obj));
        assert!(give(k, b.obj));
        core_fpu::set_mark(8);
        a.obj.get(k).flags.set(0);
        switch(k, a.obj);
        assert!(!k.cpu.fpu.is_open.get(), "they are b's");
        assert!(give(k, a.obj));
        assert_eq!(registers().mark(), 7);
    }

    #[test]
    fn the_registers_of_a_destroyed_thread_are_not_saved() {
        let mut w = World::new();
        let (a, b) = (w.thread(10), w.thread(10));
        let k = w.k();
        assert!(give(k, a.obj));
        k.cpu.fpu.forget(b.obj);
        assert_eq!(k.cpu.fpu.owner(), Some(a.obj));
        k.cpu.fpu.forget(a.obj);
        assert_eq!(k.cpu.fpu.owner(), None);
        core_fpu::set_mark(9);
        assert!(give(k, b.obj));
        assert_eq!((registers().mark(), a.obj.get(k).fpu.mark()), (0, 0));
    }
}
