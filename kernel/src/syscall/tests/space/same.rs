//! Whether a capability of the kernel's is what the model says.

use sel4_abi::ObjectType;

use super::model::Node;
use crate::cap::{Cap, VmRights};
use crate::kobj::MemRegion;

/// Whether the capability is for that object, with those rights, that badge, that guard.
pub(super) fn is_for(cap: Cap, node: &Node) -> bool {
    let object = node.object;
    let is_region = |region: MemRegion| (region.base().0, region.size_bits()) == (object.base, object.bits);
    let at = |address: usize| address as u64 == object.base;
    match (object.kind, cap) {
        (ObjectType::Untyped, Cap::Untyped(cap)) => is_region(cap.region),
        (ObjectType::Endpoint, Cap::Endpoint(cap)) => {
            at(cap.endpoint.addr().0) && cap.badge.0 == node.badge && cap.rights.bits() == node.rights
        }
        (ObjectType::Notification, Cap::Notification(cap)) => {
            at(cap.notification.addr().0) && cap.badge.0 == node.badge && cap.rights.bits() == node.rights
        }
        (ObjectType::Reply, Cap::Reply(cap)) => at(cap.reply.addr().0) && cap.can_grant == (node.rights & 4 != 0),
        (ObjectType::CNode, Cap::CNode(cap)) => {
            at(cap.slots.first().addr().0)
                && (cap.guard, cap.guard_size) == node.guard
                && cap.radix() + 5 == object.bits
        }
        (ObjectType::Tcb, Cap::Thread(tcb)) => at(tcb.addr().0),
        (ObjectType::SchedContext, Cap::SchedContext(cap)) => {
            at(cap.sched_context.addr().0) && cap.size_bits == object.bits
        }
        (ObjectType::SmallPage, Cap::Frame(cap)) => {
            let rights = [VmRights::KernelOnly, VmRights::ReadOnly, VmRights::ReadOnly, VmRights::ReadWrite];
            is_region(cap.region) && rights.get(node.rights as usize) == Some(&cap.rights)
        }
        (ObjectType::PageTable, Cap::PageTable(cap)) => at(cap.table.addr().0) && cap.mapping.is_none(),
        (ObjectType::VSpace, Cap::VSpace(cap)) => at(cap.root.addr().0) && cap.asid.is_none(),
        _ => false,
    }
}
