//! What a memory object's manager is told, in Mach's words (`memory_object_*`).
//!
//! Every method appends to the manager's queue and returns; none waits, none calls back. What the manager
//! answers comes in as calls of its own.

use crate::types::{FrameId, ManagerId, ObjectId, Prot};

/// The managers' side of the virtual memory.
pub trait Pager {
    /// `memory_object_init`: the manager's port was mapped and `object` stands for it from now on.
    fn init(&mut self, manager: ManagerId, object: ObjectId);

    /// `memory_object_data_request`: a page is wanted, with at least `access` allowed.
    fn data_request(&mut self, manager: ManagerId, object: ObjectId, offset: u64, access: Prot);

    /// `memory_object_data_unlock`: a page is resident, but `access` is forbidden by the manager.
    fn data_unlock(&mut self, manager: ManagerId, object: ObjectId, offset: u64, access: Prot);

    /// `memory_object_data_return`: the contents of a page go back. The frame stays the virtual memory's;
    /// the implementation has its bytes copied, or its sending done, before it answers that the page is clean.
    fn data_return(&mut self, manager: ManagerId, object: ObjectId, page: ReturnedPage);

    /// `memory_object_terminate`: the last message about `object`.
    fn terminate(&mut self, manager: ManagerId, object: ObjectId);

    /// The object whose name `vm_region` gave out is gone.
    fn name_dead(&mut self, object: ObjectId);
}

/// One page on its way back to the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnedPage {
    /// Where in the memory object.
    pub offset: u64,
    /// Where the contents are.
    pub frame: FrameId,
    /// The page was modified (otherwise it is precious).
    pub dirty: bool,
    /// The page stays resident.
    pub kernel_copy: bool,
}
