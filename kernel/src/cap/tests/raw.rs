//! Every capability comes back from its two-word form.

use proptest::prelude::*;

use super::super::*;
use super::{make_endpoint, make_slots};
use crate::arch::Machine;
use crate::mem::PhysAddr;
use crate::object::{Tcb, TcbSlot};
use sel4_abi::object::{HUGE_PAGE_BITS, LARGE_PAGE_BITS, PAGE_BITS};

fn roundtrip(cap: Cap) {
    assert_eq!(RawCap::pack(cap).unpack(), cap);
    assert_eq!(RawCap::pack(cap).is_null(), cap.is_null());
    assert_eq!(RawCap::pack(cap).kind(), cap.kind());
}

fn mapping() -> impl Strategy<Value = Option<Mapping>> {
    proptest::option::of(
        (1u16.., 0u64..1 << 35).prop_map(|(asid, page)| Mapping { asid: Asid(asid), vaddr: UserVa(page << 12) }),
    )
}

#[test]
fn caps_without_payload() {
    for cap in [Cap::Null, Cap::Domain, Cap::IrqControl, Cap::AsidControl] {
        roundtrip(cap);
    }
}

proptest! {
    #[test]
    fn memory(bits in 4u8..48, page in any::<u64>(), device: bool, mark in any::<u64>(), dirty in 0u64..=1 << 15) {
        let base = PhysAddr((page & 0xffff_ffff_ffff) >> bits << bits);
        let region = if device { MemRegion::device(base, bits) } else {
            MemRegion::device(base, bits).carve(0, bits.into()).unwrap_or(MemRegion::device(base, bits))
        };
        let dirty = dirty << UntypedCap::dirty_unit_bits(region);
        roundtrip(Cap::Untyped(UntypedCap { region, watermark: (mark % region.bytes()) & !15, dirty }));
        roundtrip(Cap::Untyped(UntypedCap { region, watermark: region.bytes(), dirty }));
        roundtrip(Cap::Untyped(UntypedCap::full(region)));
    }

    #[test]
    fn frames(size in 0usize..3, page in 0u64..1 << 18, rights in 0usize..3, mapping in mapping()) {
        let bits = [PAGE_BITS, LARGE_PAGE_BITS, HUGE_PAGE_BITS][size];
        let region = MemRegion::device(PhysAddr(page << 30), bits as u8);
        let rights = [VmRights::KernelOnly, VmRights::ReadOnly, VmRights::ReadWrite][rights];
        roundtrip(Cap::Frame(FrameCap { region, rights, mapping }));
    }

    #[test]
    fn objects(badge: u64, rights in 0u64..16, guard: u64, guard_size in 0u32..60,
               asid: u16, remaining in 0usize..5, mapping in mapping()) {
        let mut m = Machine::new(17);
        let rights = CapRights::from_word(rights);
        let ep = make_endpoint(&mut m);
        roundtrip(Cap::Endpoint(EndpointCap { badge: Badge(badge), rights, ..ep }));
        let region = m.take(6);
        let notification = region.place(&mut m.kernel).unwrap();
        roundtrip(Cap::Notification(NotificationCap { notification, badge: Badge(badge), rights }));
        let region = m.take(5);
        let reply = region.place(&mut m.kernel).unwrap();
        roundtrip(Cap::Reply(ReplyCap { reply, can_grant: badge & 1 != 0 }));
        let slots = make_slots(&mut m, 3);
        roundtrip(Cap::CNode(CNodeCap { slots, guard, guard_size }));
        roundtrip(Cap::Zombie(ZombieCap { slots, kind: ZombieKind::CNode, remaining }));
        let region = m.take(11);
        let tcb: KRef<Tcb> = region.place(&mut m.kernel).unwrap();
        roundtrip(Cap::Thread(tcb));
        let slots = tcb.slots();
        roundtrip(Cap::Zombie(ZombieCap { slots, kind: ZombieKind::Thread, remaining }));
        prop_assert_eq!(slots.slot(4), Some(tcb.slot(&m.kernel, TcbSlot::IpcBuffer)));
        let region = m.take(8);
        let sched_context = region.place_sched_context(&mut m.kernel).unwrap();
        roundtrip(Cap::SchedContext(SchedContextCap { sched_context, size_bits: 8 }));
        let region = m.take(12);
        let table = region.place(&mut m.kernel).unwrap();
        roundtrip(Cap::PageTable(PageTableCap { table, mapping }));
        roundtrip(Cap::VSpace(VSpaceCap { root: table, asid: (asid & 1 == 0).then_some(Asid(asid)) }));
        let region = m.take(12);
        let pool = region.place(&mut m.kernel).unwrap();
        roundtrip(Cap::AsidPool(AsidPoolCap { pool, base: Asid(asid & !511) }));
    }

    #[test]
    fn words(core: u32, irq: u16, number in 0u8..16, target: u32) {
        roundtrip(Cap::SchedControl { core });
        roundtrip(Cap::IrqHandler(Irq(irq)));
        roundtrip(Cap::SgiSignal(SgiSignalCap { number, target }));
    }
}
