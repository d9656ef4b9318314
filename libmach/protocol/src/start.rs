//! How a task starts: the block that its maker leaves in its memory, and the registers of threads.
//!
//! | register | first thread of a task | thread made by libmach |
//! |---|---|---|
//! | `x0` | address of the start block | whatever its maker passes |
//! | `sp` | top of the stack, a multiple of 16 | the same |
//! | `TPIDRRO_EL0` | address of the thread's IPC buffer, set by the Mach server | the same |
//!
//! Everything else is 0. Slot 1 of the thread's CSpace is the server's endpoint, [`SERVER_SLOT`]. A task asks
//! the server for its own names (`mach_task_self`, its bootstrap port), so the block holds arguments only.
//!
//! The block, in bytes: magic (8), bytes of the whole block (8), number of arguments (8), then the arguments,
//! each closed by a NUL.

/// The slot of the server's endpoint in every thread's CSpace.
pub const SERVER_SLOT: u64 = 1;

/// The first word of a start block.
pub const START_MAGIC: u64 = u64::from_le_bytes(*b"tessera1");

/// Bytes in front of the arguments.
pub const START_HEAD: usize = 24;

/// The arguments do not fit the space for the start block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Writes a start block with `args` into `out`; answers its length.
///
/// # Errors
///
/// [`TooLong`] if it does not fit. Arguments are cut at a NUL.
pub fn write_start_block<'a>(args: impl Iterator<Item = &'a str>, out: &mut [u8]) -> Result<usize, TooLong> {
    let mut at = START_HEAD;
    let mut count = 0_u64;
    for arg in args {
        let bytes = arg.bytes().take_while(|byte| *byte != 0).chain([0]);
        for byte in bytes {
            *out.get_mut(at).ok_or(TooLong)? = byte;
            at += 1;
        }
        count += 1;
    }
    let head = [START_MAGIC, at as u64, count];
    let cells = out.get_mut(..START_HEAD).ok_or(TooLong)?.chunks_exact_mut(8);
    cells.zip(head).for_each(|(cell, word)| cell.copy_from_slice(&word.to_le_bytes()));
    Ok(at)
}

/// The bytes that the start block beginning with `head` has in all; `None` if it is no start block.
#[must_use]
pub fn start_block_len(head: &[u8; START_HEAD]) -> Option<usize> {
    let (magic, rest) = head.split_first_chunk::<8>()?;
    let len = usize::try_from(u64::from_le_bytes(*rest.first_chunk()?)).ok()?;
    (u64::from_le_bytes(*magic) == START_MAGIC && len >= START_HEAD).then_some(len)
}

/// The arguments of a whole start block. Those that are no UTF-8 are empty.
pub fn start_args(block: &[u8]) -> impl Iterator<Item = &str> + Clone {
    let count = block.get(16..START_HEAD).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let args = block.get(START_HEAD..).unwrap_or_default();
    args.split(|byte| *byte == 0)
        .take(usize::try_from(count).unwrap_or(usize::MAX))
        .map(|arg| core::str::from_utf8(arg).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_back() {
        for args in [vec![], vec![""], vec!["hello"], vec!["args", "one two", "", "drei ä"]] {
            let mut block = [0xff; 100];
            let len = write_start_block(args.iter().copied(), &mut block).unwrap();
            assert_eq!(start_block_len(block.first_chunk().unwrap()), Some(len));
            assert_eq!(start_args(&block[..len]).collect::<Vec<_>>(), args);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(write_start_block(core::iter::empty(), &mut [0; 23]), Err(TooLong));
        assert_eq!(write_start_block(["abc"].into_iter(), &mut [0; 27]), Err(TooLong));
        assert_eq!(write_start_block(["abc"].into_iter(), &mut [0; 28]), Ok(28));
    }

    #[test]
    fn other_memory_is_no_start_block() {
        assert_eq!(start_block_len(&[0; START_HEAD]), None);
        let mut short = [0; START_HEAD];
        short[..8].copy_from_slice(&START_MAGIC.to_le_bytes());
        assert_eq!(start_block_len(&short), None);
    }
}
