//! Untypeds, and the list that describes them (spec §6.8).

use handoff::{Handoff, PhysRange};
use sel4_abi::object::MAX_UNTYPED_BITS;
use sel4_abi::{BootInfo, UntypedDesc};

use super::BootError;
use super::cspace::InitialCSpace;
use super::memory::{ram_region, whole_pages};
use super::ranges::RangeSet;
use super::untypeds::{Piece, cut};
use crate::cap::{Cap, UntypedCap};
use crate::kernel::Kernel;
use crate::kobj::MemRegion;
use crate::mem::PhysAddr;

/// The physical addresses that are devices': neither RAM nor the interrupt controller.
pub(super) fn devices(handoff: &Handoff) -> Result<RangeSet, BootError> {
    let bits = handoff.phys_bits.min(MAX_UNTYPED_BITS + 1);
    let mut devices = RangeSet::new(&[PhysRange::new(0, 1 << bits)])?;
    let gic = &handoff.gic;
    let kept = [gic.distributor, gic.cpu_interface, gic.redistributors];
    for hole in handoff.ram.as_slice().iter().chain(&kept) {
        devices.remove(whole_pages(*hole))?;
    }
    Ok(devices)
}

/// Puts the untypeds into the CSpace, devices first, and lists them in the boot information.
///
/// No more are provided than the list has room for.
pub(super) fn provide(
    k: &Kernel,
    cspace: &mut InitialCSpace,
    info: &mut BootInfo,
    devices: &RangeSet,
    ram: &RangeSet,
) -> Result<(), BootError> {
    let start = cspace.next();
    let devices = devices.iter().flat_map(cut).map(device_region);
    let ram = ram.iter().flat_map(cut).map(|piece| ram_region(PhysAddr(piece.base), piece.size_bits));
    for (region, entry) in devices.chain(ram).zip(&mut info.untyped_list) {
        cspace.push(k, Cap::Untyped(UntypedCap::full(region)))?;
        *entry = UntypedDesc {
            paddr: region.base().0,
            size_bits: region.size_bits() as u8,
            is_device: region.is_device().into(),
            padding: [0; 6],
        };
    }
    info.untyped = cspace.since(start);
    Ok(())
}

fn device_region(piece: Piece) -> MemRegion {
    MemRegion::device(PhysAddr(piece.base), piece.size_bits as u8)
}
