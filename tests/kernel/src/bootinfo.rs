//! What the kernel tells and gives the first task: kernel ABI 6.

use mach_sys::abi::InvocationLabel as L;

use crate::call::{Answer, call};
use crate::case::{Done, cases};
use crate::trace::note;
use crate::world::{CACHED, DEPTH, READ_WRITE, ROOT, TCB, VSPACE, World, is_empty};

fn ok(answer: Answer) -> Done {
    answer.note();
    Ok(())
}

/// Pages of the program's image, to the end of the boot information's.
fn image_start(_: &World) -> u64 {
    0x40_0000
}

cases! {
    "boot_info.one_core_and_no_io_space" => [0, 1, 0, 0, 0, 0, 0, 0], |w| {
        let info = w.boot.info();
        note(info.node_id);
        note(info.num_nodes);
        note(info.num_io_pt_levels);
        note(info.shared_frames.end - info.shared_frames.start);
        note(info.shared_frames.start);
        note(info.io_space_caps.start);
        note(info.io_space_caps.end);
        note(info.init_thread_domain);
        Ok(())
    };
    "boot_info.regions_follow_one_another" => [16, 0, 0, 0, 0, 0, 1], |w| {
        let info = w.boot.info();
        note(info.user_image_paging.start);
        note(info.extra_bi_pages.start - info.user_image_paging.end);
        note(info.schedcontrol.start - info.extra_bi_pages.end);
        note(info.user_image_frames.start - info.schedcontrol.end);
        note(info.untyped.start - info.user_image_frames.end);
        note(info.empty.start - info.untyped.end);
        note(u64::from(info.empty.end == 1 << info.init_thread_cnode_size_bits));
        Ok(())
    };
    "boot_info.cspace_has_a_guard_of_zeros" => [1, 0], |w| {
        // A slot number is an address with all 64 bits; a CNode operation needs them all.
        let radix = w.boot.info().init_thread_cnode_size_bits;
        let slot = w.slot();
        note(u64::from(is_empty(slot)));
        // The bare CNode, without its guard.
        let bare = w.mint(ROOT, 15, 0)?;
        ok(call(bare, L::CNodeDelete, &[slot, radix], &[]))
    };
    "boot_info.addresses_lie_behind_the_image" => [0, 1, 0], |w| {
        let info = w.boot.info();
        let end = image_start(w) + (info.user_image_frames.end - info.user_image_frames.start) * 4096;
        note(info.ipc_buffer - end);
        // The device tree is the one chunk that there is.
        note(w.boot.chunks().filter(|chunk| chunk.id == 6).count() as u64);
        note(w.boot.chunks().filter(|chunk| chunk.id != 6).count() as u64);
        Ok(())
    };
    "boot_info.extra_length_covers_its_pages" => [1], |w| {
        let info = w.boot.info();
        let pages = info.extra_bi_pages.end - info.extra_bi_pages.start;
        note(u64::from(info.extra_len <= pages * 4096 && info.extra_len + 4096 > pages * 4096));
        Ok(())
    };
    "boot_info.untypeds_are_devices_first" => [1, 1], |w| {
        let mut kinds = w.boot.untypeds().map(|(_, desc)| desc.is_device != 0).peekable();
        let mut seen_memory = false;
        note(u64::from(kinds.peek() == Some(&true)));
        let sorted = kinds.all(|is_device| {
            seen_memory |= !is_device;
            !(is_device && seen_memory)
        });
        note(u64::from(sorted));
        Ok(())
    };
    "boot_info.untypeds_are_aligned_and_apart" => [1, 1], |w| {
        let aligned = w.boot.untypeds().all(|(_, desc)| desc.paddr % (1 << desc.size_bits) == 0);
        note(u64::from(aligned));
        let apart = w.boot.untypeds().all(|(slot, desc)| {
            w.boot.untypeds().all(|(other, its)| {
                slot == other
                    || desc.paddr + (1 << desc.size_bits) <= its.paddr
                    || its.paddr + (1 << its.size_bits) <= desc.paddr
            })
        });
        note(u64::from(apart));
        Ok(())
    };
    "boot_info.image_frames_are_mapped_where_they_say" => [0, 1, 0, 0, 1], |w| {
        let frames = w.boot.info().user_image_frames;
        ok(call(frames.start, L::PageMap, &[image_start(w), READ_WRITE, CACHED], &[VSPACE]))?;
        ok(call(frames.start, L::PageMap, &[image_start(w) + 4096, READ_WRITE, CACHED], &[VSPACE]))?;
        let second = call(frames.start + 1, L::PageGetAddress, &[], &[]);
        let first = call(frames.start, L::PageGetAddress, &[], &[]);
        note(first.info.label());
        note(u64::from(second.word(0) == first.word(0) + 4096));
        Ok(())
    };
    "boot_info.the_first_thread_has_the_highest_priority" => [0, 4, 0, 255], |w| {
        let tcb = w.tcb()?;
        ok(call(tcb, L::TcbSetPriority, &[255], &[TCB]))?;
        ok(call(tcb, L::TcbSetPriority, &[256], &[TCB]))?;
        let _ = DEPTH;
        Ok(())
    };
}
