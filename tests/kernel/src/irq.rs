//! Which interrupts can be had: as many as upstream's kernel for the board hands out, whatever the controller has.

use mach_sys::abi::InitSlot;
use mach_sys::bootinfo::Boot;
use mach_sys::cap::irq::Trigger;
use mach_sys::cap::{CNode, IrqControl};
use mach_sys::{Cap, Error};

use crate::cases::{Case, Outcome};

pub(crate) const CASES: [Case; 3] = [
    ("irq.issue_handler.err02_beyond_the_board", beyond_the_board),
    ("irq.issue_handler.last", the_last_is_there),
    ("irq.issue_handler.err03_timer", the_timer_is_not_to_be_had),
];

const CONTROL: Cap<IrqControl> = Cap::new(InitSlot::IrqControl.number());
const ROOT: Cap<CNode> = Cap::new(InitSlot::CNode.number());
/// The interrupt of the kernel's timer.
const TIMER: u64 = 27;

/// The largest interrupt of the board, by a name in its device tree.
fn last_irq(boot: &Boot) -> Result<u64, &'static str> {
    let tree = boot.device_tree().ok_or("there is no device tree")?;
    let names = |board: &[u8]| tree.windows(board.len()).any(|bytes| bytes == board);
    match () {
        () if names(b"linux,dummy-virt\0") => Ok(159),
        () if names(b"brcm,bcm2711\0") => Ok(216),
        () => Err("the board is none that is known"),
    }
}

fn beyond_the_board(boot: &Boot) -> Outcome {
    let last = last_irq(boot)?;
    let slot = ROOT.slot(boot.info().empty.start);
    let refused = Err(Error::RangeError { min: 0, max: last });
    for irq in [last + 1, 250, 287, 1 << 32 | 40, u64::MAX] {
        if CONTROL.issue_handler(irq, slot) != refused
            || CONTROL.issue_handler_with_trigger(irq, Trigger::Edge, slot) != refused
        {
            return Err("an interrupt beyond the last is not a range error that names the last");
        }
    }
    Ok(())
}

fn the_last_is_there(boot: &Boot) -> Outcome {
    let slot = ROOT.slot(boot.info().empty.start);
    CONTROL.issue_handler(last_irq(boot)?, slot).map_err(|_| "no handler for the last interrupt")?;
    ROOT.slot(boot.info().empty.start).delete().map_err(|_| "the handler cannot be deleted")
}

fn the_timer_is_not_to_be_had(boot: &Boot) -> Outcome {
    let got = CONTROL.issue_handler(TIMER, ROOT.slot(boot.info().empty.start));
    if got == Err(Error::RevokeFirst) { Ok(()) } else { Err("wanted RevokeFirst") }
}
