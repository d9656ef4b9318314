//! The debug calls (kernel ABI 1.12), and what they alone can tell.

use mach_sys::Cap;
use mach_sys::abi::{SlotRegion, Syscall};
use mach_sys::cap::Unspecified;
use mach_sys::debug::identify;

use crate::case::cases;
use crate::registers::changes;
use crate::trace::note;
use crate::world::TCB;

/// The kind of the capability in a slot.
fn kind(slot: u64) -> u64 {
    identify(Cap::<Unspecified>::new(slot))
}

/// Whether all slots of a region hold this kind, and it has any.
fn all_are(region: SlotRegion, wanted: u64) -> u64 {
    u64::from(region.start < region.end && (region.start..region.end).all(|slot| kind(slot) == wanted))
}

cases! {
    "syscall.registers.debug_put_char" => [4, 0], |w| changes(w, Syscall::DebugPutChar.number(), &[(0, 0)]);
    "syscall.registers.debug_cap_identify" => [4, 0, 0, 12], |w| {
        changes(w, Syscall::DebugCapIdentify.number(), &[(0, TCB)])
    };
    "boot_info.initial_slots_hold_their_kinds" => [0, 12, 10, 9, 14, 11, 13, 0, 0, 1, 1, 20, 0, 0, 22, 0], |_| {
        (0..16).for_each(|slot| note(kind(slot)));
        Ok(())
    };
    "boot_info.regions_hold_their_kinds" => [1, 1, 1, 1, 1], |w| {
        let info = w.boot.info();
        note(all_are(info.user_image_frames, 1));
        note(all_are(info.user_image_paging, 3));
        note(all_are(info.extra_bi_pages, 1));
        note(all_are(info.schedcontrol, 24));
        note(all_are(info.untyped, 2));
        Ok(())
    };
    "boot_info.empty_slots_are_empty" => [0], |w| {
        let info = w.boot.info();
        // Those of the cases' own things, at the beginning, are not.
        note((info.empty.start + 64..info.empty.end).filter(|slot| kind(*slot) != 0).count() as u64);
        Ok(())
    };
}
