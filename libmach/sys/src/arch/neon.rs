//! Sums in vector registers: `v16` to `v23` are the lanes, `v24` to `v31` what they are added to behind each block.

use core::arch::asm;
use core::sync::atomic::AtomicU64;

use crate::sums::{BLOCK, Sums};

/// Adds blocks up. `$store` is done with each half line of 64 bytes, in `v0` to `v3` or `v4` to `v7`.
macro_rules! add_up {
    ($from:ident, $to:ident, $count:ident, $sums:ident, $store:literal, $store_second:literal) => {
        asm!(
            ".irp lane, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
            "movi v\\lane\\().2d, #0",
            ".endr",
            "cbz {count}, 3f",
            ".macro tessera_line a, b, c, d, e, f, g, h",
            "ld1 {{v0.2d, v1.2d, v2.2d, v3.2d}}, [{from}], #64",
            "ld1 {{v4.2d, v5.2d, v6.2d, v7.2d}}, [{from}], #64",
            $store,
            $store_second,
            "add v\\a\\().2d, v\\a\\().2d, v0.2d",
            "add v\\b\\().2d, v\\b\\().2d, v1.2d",
            "add v\\c\\().2d, v\\c\\().2d, v2.2d",
            "add v\\d\\().2d, v\\d\\().2d, v3.2d",
            "add v\\e\\().2d, v\\e\\().2d, v4.2d",
            "add v\\f\\().2d, v\\f\\().2d, v5.2d",
            "add v\\g\\().2d, v\\g\\().2d, v6.2d",
            "add v\\h\\().2d, v\\h\\().2d, v7.2d",
            ".endm",
            "2:",
            "tessera_line 16, 17, 18, 19, 20, 21, 22, 23",
            "tessera_line 17, 18, 19, 20, 21, 22, 23, 16",
            "tessera_line 18, 19, 20, 21, 22, 23, 16, 17",
            "tessera_line 19, 20, 21, 22, 23, 16, 17, 18",
            "add v24.2d, v24.2d, v16.2d",
            "add v25.2d, v25.2d, v17.2d",
            "add v26.2d, v26.2d, v18.2d",
            "add v27.2d, v27.2d, v19.2d",
            "add v28.2d, v28.2d, v20.2d",
            "add v29.2d, v29.2d, v21.2d",
            "add v30.2d, v30.2d, v22.2d",
            "add v31.2d, v31.2d, v23.2d",
            "subs {count}, {count}, #1",
            "b.ne 2b",
            "3:",
            ".purgem tessera_line",
            "st1 {{v16.2d, v17.2d, v18.2d, v19.2d}}, [{sums}], #64",
            "st1 {{v20.2d, v21.2d, v22.2d, v23.2d}}, [{sums}], #64",
            "st1 {{v24.2d, v25.2d, v26.2d, v27.2d}}, [{sums}], #64",
            "st1 {{v28.2d, v29.2d, v30.2d, v31.2d}}, [{sums}]",
            from = inout(reg) $from => _,
            to = inout(reg) $to => _,
            count = inout(reg) $count => _,
            sums = inout(reg) $sums => _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _,
            out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _,
            out("v30") _, out("v31") _,
            options(nostack),
        )
    };
}

/// The sums of blocks.
pub(crate) fn sum(blocks: &[[AtomicU64; BLOCK]]) -> Sums {
    let mut sums: Sums = [0; size_of::<Sums>() / 8];
    let (from, count, to) = (blocks.as_ptr(), blocks.len(), sums.as_mut_ptr());
    // SAFETY: it reads `count` blocks of 512 bytes from `from` on, which are in the slice and may change meanwhile, as atomic
    // words may, and writes the 256 bytes of `sums`.
    unsafe { add_up!(from, to, count, to, "// {to}", "") };
    sums
}

/// Copies blocks, of which there are as many on both sides, and answers their sums.
pub(crate) fn copy_and_sum(from: &[[AtomicU64; BLOCK]], to: &[[AtomicU64; BLOCK]]) -> Sums {
    let mut sums: Sums = [0; size_of::<Sums>() / 8];
    let count = from.len().min(to.len());
    let (from, to, result) = (from.as_ptr(), to.as_ptr(), sums.as_mut_ptr());
    // SAFETY: it reads `count` blocks of 512 bytes from `from` on and writes as many from `to` on, which are in the slices and
    // may change meanwhile, as atomic words may, and writes the 256 bytes of `sums`.
    unsafe {
        add_up!(
            from,
            to,
            count,
            result,
            "st1 {{v0.2d, v1.2d, v2.2d, v3.2d}}, [{to}], #64",
            "st1 {{v4.2d, v5.2d, v6.2d, v7.2d}}, [{to}], #64"
        )
    };
    sums
}
