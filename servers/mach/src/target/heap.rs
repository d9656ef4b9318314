//! The server's heap: one region of fixed size, so that what tasks can get is counted exactly.

use talc::TalcLock;
use talc::source::Manual;

#[global_allocator]
static HEAP: TalcLock<spin::Mutex<()>, Manual> = TalcLock::new(Manual);

/// Makes `[start, start + len)` the heap. `false`: it is too small to be one.
///
/// Called once, by `bring_up`, which mapped fresh frames there for nothing else.
pub(super) fn claim(start: u64, len: u64) -> bool {
    let base = core::ptr::with_exposed_provenance_mut::<u8>(start as usize);
    // SAFETY: the frames are mapped read-write at these addresses for good, and nothing else uses them.
    unsafe { HEAP.lock().claim(base, len as usize) }.is_some()
}

/// Bytes that are free.
pub(super) fn free() -> usize {
    HEAP.lock().counters().available_bytes
}
