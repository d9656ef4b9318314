//! The ELF note that marks a kernel as Tessera's.

/// An ELF note (`SHT_NOTE`, `PT_NOTE`) with owner `Tessera`. The kernel defines one in a section
/// `.note.tessera` that its linker script puts into a `PT_NOTE` segment:
///
/// ```
/// # use handoff::KernelNote;
/// // with `#[unsafe(link_section = ".note.tessera")]` and `#[used]` in the kernel
/// static NOTE: KernelNote = KernelNote::THIS;
/// # assert_eq!(NOTE, KernelNote::THIS);
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelNote {
    name_size: u32,
    desc_size: u32,
    kind: u32,
    name: [u8; 8],
    handoff_version: u32,
}

impl KernelNote {
    /// The note's owner, without the terminating zero.
    pub const OWNER: &'static str = "Tessera";
    /// The note's type: "placed anywhere, wants a `Handoff` of the version in the descriptor".
    pub const KIND: u32 = 1;
    /// The note of a kernel that takes the [`Handoff`](crate::Handoff) of this crate.
    pub const THIS: Self =
        Self { name_size: 8, desc_size: 4, kind: Self::KIND, name: *b"Tessera\0", handoff_version: crate::VERSION };
}
