//! Typed references to kernel objects, and the ways in which memory becomes one.
//!
//! This is the zone where raw addresses turn into references; nothing here makes decisions.
//!
//! # Invariants
//!
//! - **KOBJ-1** A [`KRef<T>`] points to a live, aligned `T` inside memory that the kernel owns. It is
//!   minted only by placing an object ([`MemRegion`]), by adopting static memory ([`adopt_slots`]), by
//!   projection from another `KRef`, or by unpacking a capability or link that was packed from one.
//! - **KOBJ-2** Memory is placed or cleared only with `&mut Kernel`. So no `&T` obtained from
//!   [`KRef::get`] is alive at that time.
//! - **KOBJ-3** A `KRef` is `Copy`, and the types do not stop a stale copy. It lives only in a
//!   capability, in a field that `finalise` of its target clears, or on the stack between entry and
//!   exit of the kernel with no placing or clearing in between.
//! - **KOBJ-4** All fields of kernel objects are `Cell`s (or plain words inside them): shared access
//!   is enough to change them.
//! - **KOBJ-5** A [`MemRegion`] that is not device memory is RAM inside the kernel's window that boot
//!   found free, and no part of the kernel image. Regions are made by boot, carved from others, or
//!   unpacked from a capability.
#![expect(unsafe_code, reason = "turns addresses into references; see docs/unsafe.md, zone kobj")]

mod buffer;
mod kref;
mod objects;
mod region;
mod slots;
mod tables;
mod tagged;

pub use buffer::UserBuffer;
pub use kref::KRef;
pub use objects::{Initial, KernelObject, adopt_slots};
pub use region::MemRegion;
pub use slots::SlotArray;
pub use tables::TableEntry;
pub use tagged::Tagged;
