//! What the root task leaves for the Mach server: a page of words, and capabilities in agreed slots.
//!
//! The server's CSpace is one CNode, whose guard makes up the rest of the word: with two levels each capability that a
//! system call names would cost the kernel another 40 instructions. Root makes it of the memory that goes over, as large as
//! [`cspace_radix`] says, with the capabilities of [`slot`] and the untypeds in it; the server fills the rest.
//!
//! Root makes itself the first Mach thread: it mints its own call and fault capabilities for the badges
//! [`ROOT_CALL_BADGE`] and [`ROOT_FAULT_BADGE`], the ones of the first entry in the server's thread table.

/// log2 of the slots of the server's CSpace, for so many bytes of memory: there are at most 33 for each 64 KiB, and at least
/// four more for capabilities that come and go, and [`FIXED_SLOTS`].
#[must_use]
pub const fn cspace_radix(memory: u64) -> u64 {
    let slots = 37 * (memory >> 16) + FIXED_SLOTS;
    slots.next_power_of_two().ilog2() as u64
}

/// Slots that any machine has: those of [`slot`], tables of the server's own address space, and some that come and go.
const FIXED_SLOTS: u64 = 8192;

/// Root's name of the privileged host port: the first right in its name space.
pub const HOST_PRIV: crate::PortName = crate::PortName(1);

/// The badge of root's call capability: a call of the thread with index 0, generation 1.
pub const ROOT_CALL_BADGE: u64 = 1 << 60 | 1 << 32;
/// The badge of root's fault capability.
pub const ROOT_FAULT_BADGE: u64 = 2 << 60 | 1 << 32;
/// The badge of the ticker's signals.
pub const TICKER_BADGE: u64 = 4 << 60;

/// Priorities, from the most important down.
pub mod priority {
    /// The ticker.
    pub const TICKER: u8 = 254;
    /// Interrupt drivers.
    pub const DRIVER: u8 = 253;
    /// The Mach server.
    pub const MACH: u8 = 252;
    /// The default pager.
    pub const DEFAULT_PAGER: u8 = 251;
    /// Root and other servers.
    pub const SERVER: u8 = 250;
    /// The shell: above the tasks that it runs, so that it can end one that only computes.
    pub const SHELL: u8 = 129;
    /// Tasks, unless they ask for less.
    pub const TASK: u8 = 128;
}

/// The slots that root fills.
pub mod slot {
    /// The server's TCB.
    pub const TCB: u32 = 1;
    /// The server's CNode.
    pub const CNODE: u32 = 2;
    /// The server's root table.
    pub const VSPACE: u32 = 3;
    /// The pool of address-space numbers that the kernel made.
    pub const ASID_POOL: u32 = 4;
    /// ASID control.
    pub const ASID_CONTROL: u32 = 5;
    /// Control of scheduling contexts.
    pub const SCHED_CONTROL: u32 = 6;
    /// The endpoint that the server receives on.
    pub const ENDPOINT: u32 = 7;
    /// The notification that wakes the ticker.
    pub const TICKER: u32 = 8;
    /// The reply object of the first receive.
    pub const REPLY: u32 = 9;
    /// Root's TCB.
    pub const ROOT_TCB: u32 = 10;
    /// Root's root table.
    pub const ROOT_VSPACE: u32 = 11;
    /// Root's CNode, from which capabilities are granted to drivers.
    pub const ROOT_CNODE: u32 = 12;
    /// A slot that is free for passing use.
    pub const SCRATCH: u32 = 13;
    /// The endpoint of root's watcher, which prints what the server has to say: see [`log`](super::log).
    pub const LOG: u32 = 14;
    /// The first untyped; the others follow.
    pub const UNTYPED: u32 = 64;
}

/// Labels of the messages that the Mach server sends through [`slot::LOG`]. The words are the bytes of a line of text,
/// the last one filled up with zeros.
pub mod log {
    /// A line for the log.
    pub const LINE: u64 = 1;
    /// The reason why the server cannot go on: the run ends.
    pub const STOPPED: u64 = 2;
}

/// Tells a boot page from other memory: "mach" and the version of its layout.
const MAGIC: u64 = 0x6d61_6368_0000_0002;
/// Words in front of the untypeds.
const HEADER: usize = 5;
/// Words of the page.
pub const WORDS: usize = 512;
/// How many untypeds fit.
pub const MAX_UNTYPEDS: usize = WORDS - HEADER;

/// What the page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootPage<'a> {
    /// The part of root's address space that becomes its map.
    pub root_map: (u64, u64),
    /// The slots of the server's CSpace, log2.
    pub cspace_radix: u64,
    /// The size of each untyped, log2, in the order of their slots.
    pub untypeds: &'a [u64],
}

impl<'a> BootPage<'a> {
    /// Writes the page. `None`: there are more untypeds than fit.
    #[must_use]
    pub fn to_words(&self) -> Option<[u64; WORDS]> {
        let mut words = [0; WORDS];
        let (header, untypeds) = words.split_at_mut(HEADER);
        header.copy_from_slice(&[
            MAGIC,
            self.untypeds.len() as u64,
            self.root_map.0,
            self.root_map.1,
            self.cspace_radix,
        ]);
        untypeds.get_mut(..self.untypeds.len())?.copy_from_slice(self.untypeds);
        Some(words)
    }

    /// Reads a page. `None`: it is none, or of another version.
    #[must_use]
    pub fn from_words(words: &'a [u64]) -> Option<Self> {
        let (&[MAGIC, count, start, end, cspace_radix], untypeds) = words.split_first_chunk::<HEADER>()? else {
            return None;
        };
        let untypeds = untypeds.get(..usize::try_from(count).ok()?)?;
        Some(Self { root_map: (start, end), cspace_radix, untypeds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_survives_the_way() {
        let page = BootPage { root_map: (1 << 40, 1 << 41), cspace_radix: 20, untypeds: &[28, 27, 16] };
        assert_eq!(BootPage::from_words(&page.to_words().unwrap()), Some(page));
    }

    #[test]
    fn other_memory_is_no_page() {
        assert_eq!(BootPage::from_words(&[0; WORDS]), None);
        assert_eq!(BootPage::from_words(&[]), None);
        assert_eq!(BootPage::from_words(&[MAGIC, 600, 0, 0]), None);
        assert!(BootPage { root_map: (0, 0), cspace_radix: 0, untypeds: &[16; MAX_UNTYPEDS + 1] }.to_words().is_none());
    }
}
