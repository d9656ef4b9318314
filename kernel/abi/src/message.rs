//! The message-info word and the IPC buffer.

/// Message registers of the longest message. Corresponds to `seL4_MsgMaxLength`.
pub const MSG_MAX_LENGTH: usize = 120;
/// Extra capabilities of one message at most. Corresponds to `seL4_MsgMaxExtraCaps`.
pub const MSG_MAX_EXTRA_CAPS: usize = 3;
/// Message registers that travel in `x2` to `x5`. Corresponds to `seL4_FastMessageRegisters`.
pub const MSG_REGISTERS: usize = 4;
/// Size of the IPC buffer in bits. Corresponds to `seL4_IPCBufferSizeBits`.
pub const IPC_BUFFER_BITS: u32 = 10;
/// Size of the IPC buffer in bytes.
pub const IPC_BUFFER_BYTES: u64 = 1 << IPC_BUFFER_BITS;

/// The word that describes a message. Corresponds to `seL4_MessageInfo_t`.
///
/// Bits 0–6 length, 7–8 extra capabilities, 9–11 capabilities unwrapped, 12–63 label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct MessageInfo(pub u64);

impl MessageInfo {
    /// The highest label that the word can carry.
    pub const LABEL_MAX: u64 = (1 << 52) - 1;

    /// Packs the four fields; each is cut to its width. Corresponds to `seL4_MessageInfo_new`.
    #[must_use]
    pub const fn new(label: u64, caps_unwrapped: u64, extra_caps: u64, length: u64) -> Self {
        MessageInfo((label << 12) | ((caps_unwrapped & 7) << 9) | ((extra_caps & 3) << 7) | (length & 0x7f))
    }

    /// The label. Corresponds to `seL4_MessageInfo_get_label`.
    #[must_use]
    pub const fn label(self) -> u64 {
        self.0 >> 12
    }

    /// The same without capabilities: label and length only.
    #[must_use]
    pub const fn without_caps(self) -> Self {
        MessageInfo(self.0 & !(0x1f << 7))
    }

    /// The set of unwrapped capabilities. Corresponds to `seL4_MessageInfo_get_capsUnwrapped`.
    #[must_use]
    pub const fn caps_unwrapped(self) -> u64 {
        (self.0 >> 9) & 7
    }

    /// The number of extra capabilities. Corresponds to `seL4_MessageInfo_get_extraCaps`.
    #[must_use]
    pub const fn extra_caps(self) -> usize {
        ((self.0 >> 7) & 3) as usize
    }

    /// The length field as it stands. Corresponds to `seL4_MessageInfo_get_length`.
    #[must_use]
    pub const fn length(self) -> usize {
        (self.0 & 0x7f) as usize
    }

    /// The length that counts: at most [`MSG_MAX_LENGTH`].
    #[must_use]
    pub const fn clamped_length(self) -> usize {
        let length = self.length();
        if length > MSG_MAX_LENGTH { MSG_MAX_LENGTH } else { length }
    }
}

/// The IPC buffer. Corresponds to `seL4_IPCBuffer`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(1024))]
pub struct IpcBuffer {
    /// Used by user code only.
    pub tag: u64,
    /// Message registers; those of MR0 to MR3 are not touched by the kernel.
    pub msg: [u64; MSG_MAX_LENGTH],
    /// Used by user code only.
    pub user_data: u64,
    /// Sending: CPtrs of the extra capabilities. Receiving: badges of unwrapped capabilities.
    pub caps_or_badges: [u64; MSG_MAX_EXTRA_CAPS],
    /// CPtr of the root from which the receive slot is resolved.
    pub receive_cnode: u64,
    /// Index of the receive slot.
    pub receive_index: u64,
    /// Number of bits of the index.
    pub receive_depth: u64,
}

impl IpcBuffer {
    /// Word offset of message register 0.
    pub const MSG_WORD: usize = 1;
    /// Word offset of the first capability pointer or badge.
    pub const CAPS_WORD: usize = 122;
    /// Word offset of [`IpcBuffer::receive_cnode`].
    pub const RECEIVE_CNODE_WORD: usize = 125;
    /// Word offset of [`IpcBuffer::receive_index`].
    pub const RECEIVE_INDEX_WORD: usize = 126;
    /// Word offset of [`IpcBuffer::receive_depth`].
    pub const RECEIVE_DEPTH_WORD: usize = 127;
}

const _: () = assert!(size_of::<IpcBuffer>() == 1 << IPC_BUFFER_BITS);
const _: () = assert!(core::mem::offset_of!(IpcBuffer, caps_or_badges) == IpcBuffer::CAPS_WORD * 8);
const _: () = assert!(core::mem::offset_of!(IpcBuffer, receive_depth) == IpcBuffer::RECEIVE_DEPTH_WORD * 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_word_as_published() {
        assert_eq!(MessageInfo::new(1, 1, 1, 1).0, 0x1281);
    }

    #[test]
    fn fields_come_back() {
        let info = MessageInfo::new(MessageInfo::LABEL_MAX, 5, 3, 127);
        assert_eq!(info.label(), MessageInfo::LABEL_MAX);
        assert_eq!(info.caps_unwrapped(), 5);
        assert_eq!(info.extra_caps(), 3);
        assert_eq!(info.length(), 127);
        assert_eq!(info.clamped_length(), 120);
    }
}
