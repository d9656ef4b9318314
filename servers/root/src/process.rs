//! Loading a program of the boot archive into an address space of its own, before there is a Mach server.

use elf::ElfBytes;
use elf::abi::{PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;
use mach_sys::abi::InitSlot;
use mach_sys::cap::vspace::Span;
use mach_sys::cap::{AsidPool, Frame, VSpace};
use mach_sys::{Cap, CapRights, ObjectType, VmAttributes};

use crate::kernel::{During, Failure, Kernel, PAGE};

/// A loaded program.
pub(crate) struct Program {
    /// Its address space.
    pub(crate) space: Cap<VSpace>,
    /// Its entry point.
    pub(crate) entry: u64,
}

const POOL: Cap<AsidPool> = Cap::new(InitSlot::AsidPool.number());

/// Loads the ELF file `bytes`, the archive's entry `name`.
pub(crate) fn load(kernel: &mut Kernel, name: &'static str, bytes: &[u8]) -> Result<Program, Failure> {
    let bad = |error| Failure::Program(name, error);
    let file = ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(bad)?;
    let space: Cap<VSpace> = kernel.make(ObjectType::VSpace, 0)?;
    POOL.assign(space).during("giving an address space its number")?;
    for segment in file.segments().into_iter().flatten().filter(|segment| segment.p_type == PT_LOAD) {
        let data = file.segment_data(&segment).map_err(bad)?;
        load_segment(kernel, space, &segment, data)?;
    }
    Ok(Program { space, entry: file.ehdr.e_entry })
}

fn load_segment(kernel: &mut Kernel, space: Cap<VSpace>, segment: &ProgramHeader, data: &[u8]) -> Result<(), Failure> {
    let page = PAGE as u64;
    let (start, end) = (segment.p_vaddr, segment.p_vaddr + segment.p_memsz);
    let first = start - start % page;
    for address in (first..end).step_by(PAGE) {
        // The part of the segment's bytes that falls into this page.
        let from = address.max(start) - start;
        let to = (address + page - start).min(segment.p_filesz);
        let bytes = data.get(from as usize..(to as usize).max(from as usize)).unwrap_or_default();
        let frame = fresh(kernel, (address.max(start) % page) as usize, bytes)?;
        let rights = if segment.p_flags & PF_W != 0 { CapRights::READ_WRITE } else { CapRights::READ };
        if segment.p_flags & PF_X != 0 {
            kernel.map(frame, space, address, rights, VmAttributes::DEFAULT)?;
            frame.unify_instruction(Span { start: 0, end: page }).during("making instructions visible")?;
        } else {
            kernel.map(frame, space, address, rights, VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER)?;
        }
    }
    Ok(())
}

/// A new frame that holds `bytes` from `offset` on.
pub(crate) fn fresh(kernel: &mut Kernel, offset: usize, bytes: &[u8]) -> Result<Cap<Frame>, Failure> {
    let frame: Cap<Frame> = kernel.make(ObjectType::SmallPage, 0)?;
    if !bytes.is_empty() {
        kernel.fill(frame, offset, bytes)?;
    }
    Ok(frame)
}

/// Maps `count` new pages of zeros, not executable, from `address` on.
pub(crate) fn map_fresh(kernel: &mut Kernel, space: Cap<VSpace>, address: u64, count: u64) -> Result<(), Failure> {
    (0..count).try_for_each(|index| {
        let frame = fresh(kernel, 0, &[])?;
        let attributes = VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER;
        kernel.map(frame, space, address + index * PAGE as u64, CapRights::READ_WRITE, attributes)
    })
}
