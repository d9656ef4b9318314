//! Boot information and the slots of the initial CSpace.

use crate::Word;

/// Untypeds in the boot information at most. Corresponds to `CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS`.
pub const MAX_UNTYPEDS: usize = 230;
/// Size of the boot information frame. Corresponds to `seL4_BootInfoFrameBits`.
pub const BOOT_INFO_FRAME_BITS: u32 = 12;
/// Id of the chunk that holds the device tree. Corresponds to `SEL4_BOOTINFO_HEADER_FDT`.
pub const HEADER_FDT: Word = 6;
/// Id of a chunk that only fills space. Corresponds to `SEL4_BOOTINFO_HEADER_PADDING`.
pub const HEADER_PADDING: Word = 0;

/// Slots of the initial CSpace. Corresponds to `enum seL4_RootCapSlot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum InitSlot {
    /// Corresponds to `seL4_CapNull`.
    Null = 0,
    /// Corresponds to `seL4_CapInitThreadTCB`.
    Tcb = 1,
    /// Corresponds to `seL4_CapInitThreadCNode`.
    CNode = 2,
    /// Corresponds to `seL4_CapInitThreadVSpace`.
    VSpace = 3,
    /// Corresponds to `seL4_CapIRQControl`.
    IrqControl = 4,
    /// Corresponds to `seL4_CapASIDControl`.
    AsidControl = 5,
    /// Corresponds to `seL4_CapInitThreadASIDPool`.
    AsidPool = 6,
    /// Corresponds to `seL4_CapIOPortControl`.
    IoPortControl = 7,
    /// Corresponds to `seL4_CapIOSpace`.
    IoSpace = 8,
    /// Corresponds to `seL4_CapBootInfoFrame`.
    BootInfoFrame = 9,
    /// Corresponds to `seL4_CapInitThreadIPCBuffer`.
    IpcBuffer = 10,
    /// Corresponds to `seL4_CapDomain`.
    Domain = 11,
    /// Corresponds to `seL4_CapSMMUSIDControl`.
    SmmuSidControl = 12,
    /// Corresponds to `seL4_CapSMMUCBControl`.
    SmmuCbControl = 13,
    /// Corresponds to `seL4_CapInitThreadSC`.
    SchedContext = 14,
    /// Corresponds to `seL4_CapSMC`.
    Smc = 15,
}

impl InitSlot {
    /// The first slot behind the fixed ones. Corresponds to `seL4_NumInitialCaps`.
    pub const FIRST_FREE: Word = 16;

    /// The number of the slot.
    #[must_use]
    pub const fn number(self) -> Word {
        self as Word
    }
}

/// A range of slots. Corresponds to `seL4_SlotRegion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SlotRegion {
    /// The first slot.
    pub start: Word,
    /// The slot behind the last one.
    pub end: Word,
}

impl SlotRegion {
    /// The number of slots.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Is there no slot in it?
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// An untyped of the initial task. Corresponds to `seL4_UntypedDesc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct UntypedDesc {
    /// Physical address.
    pub paddr: Word,
    /// Size.
    pub size_bits: u8,
    /// 1 for device memory.
    pub is_device: u8,
    /// Zero.
    pub padding: [u8; 6],
}

/// The boot information page. Corresponds to `seL4_BootInfo`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BootInfo {
    /// Bytes of extra boot information, headers included.
    pub extra_len: Word,
    /// Number of the core; 0.
    pub node_id: Word,
    /// Number of cores.
    pub num_nodes: Word,
    /// 0.
    pub num_io_pt_levels: Word,
    /// Virtual address of the IPC buffer.
    pub ipc_buffer: Word,
    /// Empty slots at the end of the CNode.
    pub empty: SlotRegion,
    /// Always empty.
    pub shared_frames: SlotRegion,
    /// Frames of the image, in order of their addresses.
    pub user_image_frames: SlotRegion,
    /// Page tables of the initial VSpace.
    pub user_image_paging: SlotRegion,
    /// Always empty.
    pub io_space_caps: SlotRegion,
    /// Frames of the extra boot information.
    pub extra_bi_pages: SlotRegion,
    /// Radix of the initial CNode.
    pub init_thread_cnode_size_bits: Word,
    /// Domain of the initial thread.
    pub init_thread_domain: Word,
    /// Scheduling control, one slot a core.
    pub schedcontrol: SlotRegion,
    /// Untypeds.
    pub untyped: SlotRegion,
    /// What the slots of `untyped` hold.
    pub untyped_list: [UntypedDesc; MAX_UNTYPEDS],
}

impl BootInfo {
    /// Boot information that describes nothing.
    pub const EMPTY: BootInfo = {
        let none = SlotRegion { start: 0, end: 0 };
        BootInfo {
            extra_len: 0,
            node_id: 0,
            num_nodes: 0,
            num_io_pt_levels: 0,
            ipc_buffer: 0,
            empty: none,
            shared_frames: none,
            user_image_frames: none,
            user_image_paging: none,
            io_space_caps: none,
            extra_bi_pages: none,
            init_thread_cnode_size_bits: 0,
            init_thread_domain: 0,
            schedcontrol: none,
            untyped: none,
            untyped_list: [UntypedDesc { paddr: 0, size_bits: 0, is_device: 0, padding: [0; 6] }; MAX_UNTYPEDS],
        }
    };
}

/// The header of a chunk of extra boot information. Corresponds to `seL4_BootInfoHeader`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct BootInfoHeader {
    /// What the chunk holds.
    pub id: Word,
    /// Its length in bytes, this header included.
    pub len: Word,
}

const _: () = assert!(size_of::<UntypedDesc>() == 16);
const _: () = assert!(size_of::<BootInfo>() == 3864);
const _: () = assert!(core::mem::offset_of!(BootInfo, ipc_buffer) == 32);
const _: () = assert!(core::mem::offset_of!(BootInfo, user_image_frames) == 72);
const _: () = assert!(core::mem::offset_of!(BootInfo, extra_bi_pages) == 120);
const _: () = assert!(core::mem::offset_of!(BootInfo, init_thread_cnode_size_bits) == 136);
const _: () = assert!(core::mem::offset_of!(BootInfo, schedcontrol) == 152);
const _: () = assert!(core::mem::offset_of!(BootInfo, untyped_list) == 184);
