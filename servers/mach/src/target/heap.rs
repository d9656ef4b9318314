//! The server's heap: one region of fixed size, so that what tasks can get is counted exactly.
//!
//! In front of it are *bins*: pieces of small sizes that were given back, a few of each size, which are taken again without looking
//! for the best place. They count as free, and are given back for good when the heap has no other room.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use talc::TalcLock;
use talc::source::Manual;

#[global_allocator]
static HEAP: Heap = Heap { all: TalcLock::new(Manual), bins: spin::Mutex::new(Bins::NONE) };

/// What sizes of small pieces are multiples of, and what they are aligned to.
const GRAIN: usize = 16;
/// Sizes of small pieces.
const BINS: usize = 48;
/// Pieces in a bin.
const DEPTH: usize = 8;

struct Heap {
    all: TalcLock<spin::Mutex<()>, Manual>,
    bins: spin::Mutex<Bins>,
}

/// Pieces that nobody uses, by their sizes.
struct Bins {
    bins: [Bin; BINS],
    /// All their bytes.
    bytes: usize,
}

/// Pieces of one size.
struct Bin {
    pieces: [*mut u8; DEPTH],
    count: usize,
}

// SAFETY: the pieces in bins are memory that nobody else has.
unsafe impl Send for Bins {}

/// The bin of a piece, and what is asked of the heap for it. `None`: it is no small one.
#[inline]
fn small(layout: Layout) -> Option<(usize, Layout)> {
    let bin = layout.size().div_ceil(GRAIN).checked_sub(1).filter(|bin| *bin < BINS)?;
    let whole = Layout::from_size_align((bin + 1) * GRAIN, GRAIN).ok()?;
    (layout.align() <= GRAIN).then_some((bin, whole))
}

impl Bins {
    const NONE: Self = Self { bins: [const { Bin { pieces: [ptr::null_mut(); DEPTH], count: 0 } }; BINS], bytes: 0 };

    #[inline]
    fn take(&mut self, number: usize) -> Option<*mut u8> {
        let bin = self.bins.get_mut(number)?;
        let last = bin.count.checked_sub(1)?;
        let piece = bin.pieces.get(last).copied()?;
        bin.count = last;
        self.bytes -= (number + 1) * GRAIN;
        Some(piece)
    }

    /// Keeps a piece. `false`: the bin is full.
    #[inline]
    fn put(&mut self, number: usize, piece: *mut u8) -> bool {
        let Some(bin) = self.bins.get_mut(number) else { return false };
        let Some(place) = bin.pieces.get_mut(bin.count) else { return false };
        *place = piece;
        bin.count += 1;
        self.bytes += (number + 1) * GRAIN;
        true
    }
}

impl Heap {
    /// Gives back for good what is in the bins.
    fn empty_bins(&self) {
        let mut bins = self.bins.lock();
        for number in 0..BINS {
            let Ok(layout) = Layout::from_size_align((number + 1) * GRAIN, GRAIN) else { return };
            while let Some(piece) = bins.take(number) {
                // SAFETY: a bin's pieces were allocated from `all` with its layout, and nobody uses them.
                unsafe { self.all.dealloc(piece, layout) };
            }
        }
    }
}

// SAFETY: a piece of `all` is given out once until it comes back: from `all`, or from a bin, where it is for nobody else. It
// is as large as its layout says, and aligned as well.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let small = small(layout);
        if let Some((bin, _)) = small
            && let Some(piece) = self.bins.lock().take(bin)
        {
            return piece;
        }
        let layout = small.map_or(layout, |(_, whole)| whole);
        // SAFETY: the layout is the caller's, or one that is no smaller; neither is empty.
        let piece = unsafe { self.all.alloc(layout) };
        if !piece.is_null() {
            return piece;
        }
        self.empty_bins();
        // SAFETY: as above.
        unsafe { self.all.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let small = small(layout);
        if let Some((bin, _)) = small
            && self.bins.lock().put(bin, piece)
        {
            return;
        }
        // SAFETY: the piece was allocated from `all` with this layout, as `alloc` chose it by the same rule.
        unsafe { self.all.dealloc(piece, small.map_or(layout, |(_, whole)| whole)) }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
        let (is_small, stays_small) = (small(layout), small(new));
        match (is_small, stays_small) {
            (Some((bin, _)), Some((other, _))) if bin == other => piece,
            (None, None) => {
                // SAFETY: neither the piece nor what it becomes is of a bin, so it is as if there were none.
                let moved = unsafe { self.all.realloc(piece, layout, size) };
                if !moved.is_null() {
                    return moved;
                }
                self.empty_bins();
                // SAFETY: as above; nothing has changed for the piece.
                unsafe { self.all.realloc(piece, layout, size) }
            }
            _ => {
                // SAFETY: the size is the caller's, and not 0.
                let moved = unsafe { self.alloc(new) };
                if !moved.is_null() {
                    // SAFETY: both have so many bytes, and the new one is nobody else's.
                    unsafe { ptr::copy_nonoverlapping(piece, moved, layout.size().min(size)) };
                    // SAFETY: the caller's piece with its layout, of which only the copy is used from now on.
                    unsafe { self.dealloc(piece, layout) };
                }
                moved
            }
        }
    }
}

/// Makes `[start, start + len)` the heap. `false`: it is too small to be one.
///
/// Called once, by `bring_up`, which mapped fresh frames there for nothing else.
pub(super) fn claim(start: u64, len: u64) -> bool {
    let base = core::ptr::with_exposed_provenance_mut::<u8>(start as usize);
    // SAFETY: the frames are mapped read-write at these addresses for good, and nothing else uses them.
    unsafe { HEAP.all.lock().claim(base, len as usize) }.is_some()
}

/// Bytes that are free.
pub(super) fn free() -> usize {
    HEAP.all.lock().counters().available_bytes + HEAP.bins.lock().bytes
}
