//! Tests of slots, the derivation list, lookup and deletion, over the arena.

mod cdt_model;
mod delete_graph;
mod lookup;
mod raw;

use super::{Badge, CNodeCap, Cap, EndpointCap, SlotRef};
use crate::arch::Machine;
use crate::kobj::SlotArray;
use sel4_abi::CapRights;
use sel4_abi::object::SLOT_BITS;

/// Empty slots that lie in no CNode of the test.
fn make_slots(m: &mut Machine, radix: u32) -> SlotArray {
    let region = m.take(radix + SLOT_BITS);
    match region.place_slots(&mut m.kernel) {
        Some(slots) => slots,
        None => panic!("the region has the size of the slots"),
    }
}

fn make_endpoint(m: &mut Machine) -> EndpointCap {
    let endpoint = m.take(4).place(&mut m.kernel);
    match endpoint {
        Some(endpoint) => EndpointCap { endpoint, badge: Badge::NONE, rights: CapRights::ALL },
        None => panic!("the region has the size of an endpoint"),
    }
}

fn cnode_cap(slots: SlotArray, guard: u64, guard_size: u32) -> Cap {
    Cap::CNode(CNodeCap { slots, guard, guard_size })
}

fn at(slots: SlotArray, index: usize) -> SlotRef {
    match slots.slot(index) {
        Some(slot) => slot,
        None => panic!("index {index} is beyond the slots"),
    }
}
