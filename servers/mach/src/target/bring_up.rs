//! Dividing memory at the start: heap, the window's tables, and 64 KiB chunks of all the rest.

use core::fmt;

use heapless::Vec;
use mach::machine::Slot;
use mach::memory::{Layout, Memory, UNITS};
use mach_protocol::boot::{BootPage, MAX_UNTYPEDS, slot};
use mach_sys::cap::cnode::NodePath;
use mach_sys::cap::{CNode, Frame, PageTable, Untyped, VSpace};
use mach_sys::{Cap, CapRights, Error, ObjectType, VmAttributes};

use super::system::System;
use super::{heap, window};

pub(super) const CNODE: Cap<CNode> = Cap::new(slot::CNODE as u64);
pub(super) const VSPACE: Cap<VSpace> = Cap::new(slot::VSPACE as u64);

/// Where the heap lies.
const HEAP: u64 = 0x40_0000_0000;
const CHUNK_BITS: u32 = 16;
const LARGE_BITS: u32 = 21;
/// Objects that one retype makes at the most.
const MAX_OBJECTS: u32 = 256;

/// Why the server cannot start.
pub(super) enum Failure {
    /// There is too little memory.
    TooLittle,
    /// The kernel refused to make something.
    Kernel(&'static str, Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLittle => f.write_str("there is too little memory"),
            Self::Kernel(what, error) => write!(f, "{what}: the kernel answered {error}"),
        }
    }
}

/// An untyped of which the first `used` bytes are taken.
struct Piece {
    slot: Slot,
    bits: u32,
    used: u64,
}

impl Piece {
    /// Bytes that are left for objects of this size.
    fn room(&self, bits: u32) -> u64 {
        (1_u64 << self.bits).saturating_sub(self.used.next_multiple_of(1 << bits))
    }
}

struct Pieces {
    pieces: Vec<Piece, MAX_UNTYPEDS>,
    next_slot: u32,
}

impl Pieces {
    /// Makes one object in the next slot, out of the smallest piece that has room.
    fn make<T>(&mut self, kind: ObjectType, bytes_bits: u32) -> Result<Cap<T>, Failure> {
        let slot = Slot(self.next_slot);
        self.next_slot += 1;
        let (node, at) = place_of(slot);
        let fits = self.pieces.iter_mut().filter(|piece| piece.room(bytes_bits) >= 1 << bytes_bits);
        let piece = fits.min_by_key(|piece| piece.room(bytes_bits)).ok_or(Failure::TooLittle)?;
        let untyped: Cap<Untyped> = Cap::new(u64::from(piece.slot.0));
        untyped.retype(kind, 0, node, at, 1).map_err(|error| Failure::Kernel("making an object", error))?;
        piece.used = piece.used.next_multiple_of(1 << bytes_bits) + (1 << bytes_bits);
        Ok(Cap::new(u64::from(slot.0)))
    }

    /// Makes a table and maps it at the first level that is missing.
    fn table(&mut self, address: u64) -> Result<(), Failure> {
        let table: Cap<PageTable> = self.make(ObjectType::PageTable, 12)?;
        table.map(VSPACE, address).map_err(|error| Failure::Kernel("mapping a table", error))
    }
}

/// Where a retype puts what it makes: the node, and the slot's number in it.
pub(super) fn place_of(slot: Slot) -> (NodePath, u64) {
    (NodePath::root(CNODE), u64::from(slot.0))
}

/// Brings everything up from what root gave.
pub(super) fn bring_up(boot: &BootPage<'_>) -> Result<(Memory, System), Failure> {
    let pieces = boot.untypeds.iter().zip(slot::UNTYPED..).map(|(&bits, slot)| Piece {
        slot: Slot(slot),
        bits: bits as u32,
        used: 0,
    });
    let first = slot::UNTYPED + boot.untypeds.len() as u32;
    let mut pieces = Pieces { pieces: pieces.collect(), next_slot: first };
    let total: u64 = pieces.pieces.iter().map(|piece| piece.room(CHUNK_BITS)).sum();
    let most_chunks = (total >> CHUNK_BITS) as u32;
    make_heap(&mut pieces, (total / 32).next_multiple_of(1 << LARGE_BITS) + (4 << 20))?;
    make_window(&mut pieces, u64::from(most_chunks) << CHUNK_BITS)?;

    let chunk_base = Slot(pieces.next_slot);
    let chunks = make_chunks(&pieces, chunk_base)?;
    let unit_base = Slot((chunk_base.0 + chunks).next_multiple_of(2 * UNITS));
    let slot_base = unit_base.plus(2 * UNITS * chunks);
    // Root made the CSpace for all of its memory; what is left of it is for capabilities that come and go.
    let slots = (1_u32 << boot.cspace_radix).checked_sub(slot_base.0).ok_or(Failure::TooLittle)?;
    let layout = Layout { chunks, chunk_base, unit_base, slot_base, slots };
    Ok((Memory::new(layout), System::new()))
}

/// Makes large pages for the heap, so that it costs few capabilities.
fn make_heap(pieces: &mut Pieces, len: u64) -> Result<(), Failure> {
    // Root's own pages lie far below: the two upper tables are missing. Heaps stay below 1 GiB.
    pieces.table(HEAP)?;
    for address in (HEAP..HEAP + len).step_by(1 << LARGE_BITS) {
        let frame: Cap<Frame> = pieces.make(ObjectType::LargePage, LARGE_BITS)?;
        let attributes = VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER;
        frame
            .map(VSPACE, address, CapRights::READ_WRITE, attributes)
            .map_err(|error| Failure::Kernel("mapping the heap", error))?;
    }
    if heap::claim(HEAP, len) { Ok(()) } else { Err(Failure::TooLittle) }
}

/// Makes the window's tables.
fn make_window(pieces: &mut Pieces, len: u64) -> Result<(), Failure> {
    for address in (window::BASE..window::BASE + len).step_by(1 << LARGE_BITS) {
        let new = |bits: u32| u32::from(address % (1 << bits) == 0);
        let missing = 1 + new(30) + new(39);
        (0..missing).try_for_each(|_| pieces.table(address))?;
    }
    Ok(())
}

/// Makes chunks of all that is left; answers how many.
fn make_chunks(pieces: &Pieces, base: Slot) -> Result<u32, Failure> {
    let mut chunks = 0;
    for piece in &pieces.pieces {
        let untyped: Cap<Untyped> = Cap::new(u64::from(piece.slot.0));
        let mut left = (piece.room(CHUNK_BITS) >> CHUNK_BITS) as u32;
        while left > 0 {
            let slot = base.plus(chunks);
            let count = left.min(MAX_OBJECTS);
            let (node, at) = place_of(slot);
            untyped
                .retype(ObjectType::Untyped, u64::from(CHUNK_BITS), node, at, u64::from(count))
                .map_err(|error| Failure::Kernel("dividing memory", error))?;
            (chunks, left) = (chunks + count, left - count);
        }
    }
    if chunks == 0 { Err(Failure::TooLittle) } else { Ok(chunks) }
}
