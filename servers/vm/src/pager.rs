//! What a memory object's manager is told, in Mach's words (`memory_object_*`).
//!
//! Every method appends to the manager's queue and returns; none waits, none calls back. What the manager answers comes
//! in as calls of its own. The core keeps at most 50 pages per association for which an answer is owed, but a manager
//! that answers without taking its messages can make more requests than that: so room is asked for before every message
//! except `init` and `terminate`, whose places `init` reserves.

use mach_protocol::KernResult;

use crate::association::ReturnedPages;
use crate::types::{AssocId, ManagerId, ObjectId, Prot};

/// The managers' side of the virtual memory.
pub trait Pager {
    /// `memory_object_init`: the manager's port was mapped, and `assoc` stands for it from now on.
    ///
    /// # Errors
    /// The port is dead, or there is no memory for what the server keeps: `vm_map` fails with it, and nothing changed.
    fn init(&mut self, manager: ManagerId, assoc: AssocId) -> KernResult<()>;

    /// `memory_object_create`: the default pager keeps pages of anonymous memory of this size from now on. It need not
    /// answer.
    ///
    /// # Errors
    /// It takes no messages just now: the object is not paged out yet.
    fn create(&mut self, assoc: AssocId, size: u64) -> KernResult<()>;

    /// Whether the manager's queue takes one more message about this association. If not, the server tells
    /// [`crate::Vm::room`] when the manager took one.
    fn has_room(&self, assoc: AssocId) -> bool;

    /// `memory_object_data_request`: data is wanted, with at least `access` allowed.
    fn data_request(&mut self, assoc: AssocId, offset: u64, length: u64, access: Prot);

    /// `memory_object_data_unlock`: data is resident, but `access` is forbidden by the manager.
    fn data_unlock(&mut self, assoc: AssocId, offset: u64, length: u64, access: Prot);

    /// `memory_object_data_return`: contents go back.
    fn data_return(&mut self, assoc: AssocId, pages: ReturnedPages);

    /// `memory_object_copy`: `copy` stands from now on for an object of the manager's own, a snapshot of a part of this one,
    /// and its `init` follows. Gives the port that was made for it; none if no more can be made in this step.
    fn copy(&mut self, assoc: AssocId, copy: AssocId, offset: u64, length: u64) -> Option<ManagerId>;

    /// Whether the task that serves this object may supply one more page that nobody asked for.
    fn takes_unasked(&self, assoc: AssocId) -> bool;

    /// It did.
    fn supplied_unasked(&mut self, assoc: AssocId);

    /// Such a page is used, or gone. Those that are left at the end of the association count no more.
    fn used_unasked(&mut self, assoc: AssocId);

    /// How many of the data_returns of this association the manager has taken.
    fn returns_taken(&self, assoc: AssocId) -> u64;

    /// `memory_object_synchronize`: what was returned of this range shall be safe before the manager answers.
    fn synchronize(&mut self, assoc: AssocId, offset: u64, length: u64, flags: u32);

    /// `memory_object_terminate`: the last message about the association. Not sent to a port that died.
    fn terminate(&mut self, assoc: AssocId);

    /// Somebody waits for the manager from now on, or nobody does any more. While somebody does, the server tells
    /// [`crate::Vm::overdue`] when too much time has passed since. Told again when one of several waits is over: then the
    /// time starts anew. An answer that nobody waited for is no such thing, so a manager cannot buy time with noise.
    fn waiting(&mut self, assoc: AssocId, is_waiting: bool);

    /// The object whose name `vm_region` gave out is gone.
    fn name_dead(&mut self, object: ObjectId);
}
