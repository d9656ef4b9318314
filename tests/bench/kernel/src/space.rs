//! Address spaces that hold the program, so that its code runs in them too.

use mach_sys::abi::InitSlot;
use mach_sys::bootinfo::Boot;
use mach_sys::cap::{AsidPool, Frame, PageTable, VSpace};
use mach_sys::{Cap, CapRights, ObjectType, VmAttributes};

use crate::measure::Failure;
use crate::objects::{CNODE, Objects};

const PAGE: u64 = 4096;
/// Where the linker script puts the program.
const IMAGE: u64 = 0x40_0000;
/// Where the IPC buffers of the threads go: behind the program, under the same translation table.
const BUFFERS: u64 = 0x5c_0000;
/// Where nothing is until a page is mapped there; there is a translation table.
pub(crate) const WINDOW: u64 = 0x80_0000;

const POOL: Cap<AsidPool> = Cap::new(InitSlot::AsidPool.number());

/// An address space with the program in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    pub(crate) vspace: Cap<VSpace>,
}

impl Space {
    /// Where parts of the address space begin for which there is no last-level table; those above it are there.
    pub(crate) const PARTS: u64 = 0x1000_0000;
    /// What a last-level table covers.
    pub(crate) const PART: u64 = 1 << 21;

    /// An address space with the same pages of the program as the root task's.
    pub(crate) fn clone_of_own(boot: &Boot, objects: &mut Objects) -> Result<Self, Failure> {
        let vspace = objects.one(ObjectType::VSpace, 0)?;
        POOL.assign(vspace)?;
        // Three levels below the root for the first, the last level for the second.
        for address in [IMAGE, IMAGE, IMAGE, WINDOW] {
            objects.one::<PageTable>(ObjectType::PageTable, 0)?.map(vspace, address)?;
        }
        let frames = boot.info().user_image_frames;
        let copies = objects.empty(frames.len())?;
        for index in 0..frames.len() {
            let copy = Objects::path(copies + index);
            copy.copy_from(CNODE.slot(frames.start + index), CapRights::ALL)?;
            let address = IMAGE + index * PAGE;
            copy.cap::<Frame>().map(vspace, address, CapRights::READ_WRITE, VmAttributes::DEFAULT)?;
        }
        Ok(Self { vspace })
    }

    /// Maps a new IPC buffer for thread number `thread`; its address and its frame.
    pub(crate) fn buffer(&self, objects: &mut Objects, thread: u64) -> Result<(u64, Cap<Frame>), Failure> {
        let frame: Cap<Frame> = objects.one(ObjectType::SmallPage, 0)?;
        let address = BUFFERS + thread * PAGE;
        let attributes = VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER;
        frame.map(self.vspace, address, CapRights::READ_WRITE, attributes)?;
        Ok((address, frame))
    }

    /// Addresses of pages in the window.
    pub(crate) fn window() -> impl Iterator<Item = u64> {
        (WINDOW..).step_by(PAGE as usize)
    }
}
