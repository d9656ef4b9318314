//! Memory that devices read and write: wired, so that its physical addresses stay what they are.
//!
//! Invariants. **DMA-1**: the addresses in `AREAS` are those of memory that this task has mapped and wired. An area leaves the
//! table before its memory is given back. **DMA-2**: a [`Piece`] lies in an area, which stays as long as whoever holds the piece
//! needs it. Every buffer that a device is told of is a piece or memory of `contiguous`, so its address is known.

use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use block::traffic::Memory;
use libmach::rpc::call;
use libmach::task::mach_task_self;
use libmach::vm::{PAGE_SIZE, VmProt, vm_deallocate, vm_wire};
use libmach::{KernReturn, Region, Result};
use mach_protocol::boot::HOST_PRIV;
use mach_protocol::private::{PHYSICAL_PAGES, TaskPhysicalPages};
use spin::mutex::SpinMutex;
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

/// Memory that a device may be told of.
struct Area {
    start: u64,
    /// The physical address of each page.
    pages: Vec<u64>,
}

/// All of it. One thread uses the lock.
static AREAS: SpinMutex<Vec<Area>> = SpinMutex::new(Vec::new());

/// Bytes that a device can be told of, in a row in physical memory (DMA-2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    address: u64,
    length: usize,
}

impl Piece {
    /// These bytes. `None`: they are not memory for devices.
    pub(crate) fn new(address: u64, length: usize) -> Option<Self> {
        physical(address, length).map(|_| Self { address, length })
    }

    /// Where they are in this task.
    pub(crate) const fn address(&self) -> u64 {
        self.address
    }

    /// How many.
    pub(crate) const fn length(&self) -> usize {
        self.length
    }
}

/// The physical address of `length` bytes; `None` if they are not one area's, or not contiguous.
fn physical(address: u64, length: usize) -> Option<u64> {
    let areas = AREAS.lock();
    let inside = |area: &&Area| address >= area.start && address - area.start < area.pages.len() as u64 * PAGE_SIZE;
    let area = areas.iter().find(inside)?;
    let offset = address - area.start;
    let last = offset.checked_add(length as u64)?.checked_sub(1)?;
    let (first, last) = (offset / PAGE_SIZE, last / PAGE_SIZE);
    let pages = area.pages.get(first as usize..=last as usize)?;
    let is_contiguous = pages.windows(2).all(|pair| matches!(pair, [one, next] if *next == one + PAGE_SIZE));
    pages.first().filter(|_| is_contiguous).map(|page| page + offset % PAGE_SIZE)
}

/// Wired memory that devices may be told of, as long as the value lives.
#[derive(Debug)]
pub(crate) struct Shared(Region);

impl Shared {
    /// Makes so many pages, all zeros.
    ///
    /// # Errors
    ///
    /// Those of `vm_allocate` and `vm_wire`; `INVALID_HOST` without the privileged host port.
    pub(crate) fn new(pages: u64) -> Result<Self> {
        let region = Region::allocate(pages * PAGE_SIZE)?;
        let me = mach_task_self();
        vm_wire(HOST_PRIV, me, region.address(), region.size(), VmProt::DEFAULT)?;
        let mut addresses = Vec::new();
        while (addresses.len() as u64) < pages {
            let address = region.address() + addresses.len() as u64 * PAGE_SIZE;
            let count = (pages as usize - addresses.len()).min(PHYSICAL_PAGES);
            let request = TaskPhysicalPages { host_priv: HOST_PRIV, address, count: count as u32 };
            addresses.extend(call(me, &request)?.pages.iter().take(count));
        }
        AREAS.lock().push(Area { start: region.address(), pages: addresses });
        Ok(Self(region))
    }

    /// Where it starts.
    pub(crate) fn address(&self) -> u64 {
        self.0.address()
    }

    /// The byte at an offset; 0 beyond the end.
    pub(crate) fn byte(&self, offset: usize) -> u8 {
        self.0.bytes().get(offset).map_or(0, |byte| byte.load(Relaxed))
    }

    /// Its bytes.
    pub(crate) fn size(&self) -> u64 {
        self.0.size()
    }
}

impl Memory for Shared {
    fn rings(&self) -> &[AtomicU64] {
        self.0.words().get(..PAGE_SIZE as usize / 8).unwrap_or_default()
    }

    fn data(&self) -> u64 {
        self.0.address() + PAGE_SIZE
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // DMA-1: the region goes after this.
        AREAS.lock().retain(|area| area.start != self.0.address());
    }
}

/// Makes `pages` contiguous pages that stay for good.
fn contiguous(pages: usize) -> Result<(PhysAddr, NonNull<u8>)> {
    /// Pages among which a run is looked for: memory is handed out in chunks of 16 contiguous ones.
    const SLACK: u64 = 16;
    let slack = if pages > 1 { SLACK } else { 0 };
    let area = Shared::new(pages as u64 + slack)?;
    let size = pages as u64 * PAGE_SIZE;
    let runs = (0..=slack).map(|page| area.address() + page * PAGE_SIZE);
    let found = runs.filter_map(|start| Some((start, physical(start, size as usize)?))).next();
    let (start, address) = found.ok_or(KernReturn::RESOURCE_SHORTAGE)?;
    let (first, end) = (area.address(), area.address() + area.size());
    // The run stays, known under DMA-1; what lies around it goes back.
    core::mem::forget(area);
    AREAS.lock().retain(|area| area.start != first);
    let addresses = (0..pages as u64).map(|page| address + page * PAGE_SIZE).collect();
    AREAS.lock().push(Area { start, pages: addresses });
    for (from, to) in [(first, start), (start + size, end)] {
        if from < to {
            vm_deallocate(mach_task_self(), from, to - from)?;
        }
    }
    let pointer = NonNull::new(core::ptr::with_exposed_provenance_mut(start as usize));
    pointer.map(|pointer| (address, pointer)).ok_or(KernReturn::FAILURE)
}

/// This memory, as the virtio crate wants it.
#[derive(Debug)]
pub(crate) struct Wired;

// SAFETY: DMA-1; what each method promises is said there.
unsafe impl Hal for Wired {
    /// Fresh memory of the server's, in zeros, that nothing else refers to and that stays. Address 0 says that there is none.
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        contiguous(pages).unwrap_or((0, NonNull::dangling()))
    }

    /// Never asked for: devices stay as long as the server. The memory is kept.
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    /// Never asked for: there is no PCI.
    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::dangling()
    }

    /// Only addresses: the memory is neither read nor written. Other memory than DMA-2 says has none: rather than tell a device of
    /// somebody else's memory, the driver ends.
    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        let address = buffer.cast::<u8>().as_ptr().expose_provenance() as u64;
        match physical(address, buffer.len()) {
            Some(address) => address,
            None => panic!("a device was to be told of {address:#x}, which is no memory for devices"),
        }
    }

    /// Nothing: devices are coherent with the processor's caches on the machines that have virtio.
    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
