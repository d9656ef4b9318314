//! Root's untypeds: finding or cutting out a piece of a wanted size, anywhere or at one physical address.
//!
//! A piece is cut out of a larger untyped by halving: both halves become untypeds, one is kept for later, the other
//! halved again. So nothing is lost, and what is left is as large as it can be.

use core::fmt;

use heapless::Vec;

/// How many untypeds root can hold at a time.
pub const MAX: usize = 480;

/// An untyped capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untyped {
    /// Its slot in root's CSpace.
    pub slot: u64,
    /// The physical address of its memory.
    pub address: u64,
    /// Its size, log2.
    pub bits: u32,
    /// Whether it is device memory.
    pub device: bool,
}

impl Untyped {
    fn contains(&self, address: u64, bits: u32) -> bool {
        let end = |start: u64, bits: u32| start.saturating_add(1 << bits);
        self.bits >= bits && self.address <= address && end(address, bits) <= end(self.address, self.bits)
    }
}

/// Why a piece cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPiece<E> {
    /// No untyped is large enough, or holds the address.
    NotThere,
    /// The table of untypeds is full.
    TooMany,
    /// The kernel did not halve an untyped.
    Refused(E),
}

impl<E: fmt::Display> fmt::Display for NoPiece<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere => f.write_str("there is no such memory"),
            Self::TooMany => f.write_str("there are too many pieces of memory"),
            Self::Refused(error) => write!(f, "the kernel did not divide the memory: {error}"),
        }
    }
}

/// The untypeds that root holds and has not used.
#[derive(Debug, Default)]
pub struct Untypeds {
    list: Vec<Untyped, MAX>,
}

impl Untypeds {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Adds one. `false`: the table is full, and it is lost.
    pub fn add(&mut self, untyped: Untyped) -> bool {
        self.list.push(untyped).is_ok()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Untyped] {
        &self.list
    }

    /// Takes a piece of ordinary memory of 2^`bits` bytes, from the smallest untyped that is large enough. `halve` makes
    /// two untypeds of 2^n bytes out of one and answers the slots of the lower and the upper half.
    ///
    /// # Errors
    /// [`NoPiece`]
    pub fn take<E>(
        &mut self,
        bits: u32,
        halve: impl FnMut(&Untyped, u32) -> Result<(u64, u64), E>,
    ) -> Result<Untyped, NoPiece<E>> {
        let fits = self.list.iter().enumerate().filter(|(_, untyped)| !untyped.device && untyped.bits >= bits);
        let (index, found) = fits.min_by_key(|(_, untyped)| untyped.bits).ok_or(NoPiece::NotThere)?;
        let address = found.address;
        self.cut(index, address, bits, halve)
    }

    /// Takes the piece of 2^`bits` bytes at a physical address, device memory or not.
    ///
    /// # Errors
    /// [`NoPiece`]
    pub fn take_at<E>(
        &mut self,
        address: u64,
        bits: u32,
        halve: impl FnMut(&Untyped, u32) -> Result<(u64, u64), E>,
    ) -> Result<Untyped, NoPiece<E>> {
        let index = self.list.iter().position(|untyped| untyped.contains(address, bits)).ok_or(NoPiece::NotThere)?;
        self.cut(index, address, bits, halve)
    }

    fn cut<E>(
        &mut self,
        index: usize,
        address: u64,
        bits: u32,
        mut halve: impl FnMut(&Untyped, u32) -> Result<(u64, u64), E>,
    ) -> Result<Untyped, NoPiece<E>> {
        let mut piece = self.list.swap_remove(index);
        while piece.bits > bits {
            let half = piece.bits - 1;
            let (lower, upper) = halve(&piece, half).map_err(NoPiece::Refused)?;
            let lower = Untyped { slot: lower, bits: half, ..piece };
            let upper = Untyped { slot: upper, address: piece.address + (1 << half), bits: half, ..piece };
            let (wanted, rest) = if upper.contains(address, bits) { (upper, lower) } else { (lower, upper) };
            self.list.push(rest).map_err(|_| NoPiece::TooMany)?;
            piece = wanted;
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn some() -> Untypeds {
        let mut untypeds = Untypeds::new();
        for (slot, address, bits, device) in
            [(1, 0x900_0000, 24, true), (2, 0x4000_0000, 30, false), (3, 0x8000_0000, 16, false)]
        {
            untypeds.add(Untyped { slot, address, bits, device });
        }
        untypeds
    }

    fn halver() -> impl FnMut(&Untyped, u32) -> Result<(u64, u64), ()> {
        let mut next = 100;
        move |parent, bits| {
            assert_eq!(parent.bits, bits + 1);
            next += 2;
            Ok((next - 2, next - 1))
        }
    }

    fn total(untypeds: &Untypeds) -> u64 {
        untypeds.all().iter().map(|untyped| 1 << untyped.bits).sum()
    }

    #[test]
    fn takes_the_smallest_that_fits() {
        let mut untypeds = some();
        let piece = untypeds.take(16, halver()).unwrap();
        assert_eq!((piece.slot, piece.bits), (3, 16));
        let before = total(&untypeds);
        let piece = untypeds.take(22, halver()).unwrap();
        assert_eq!((piece.address, piece.bits, piece.device), (0x4000_0000, 22, false));
        assert_eq!(total(&untypeds) + (1 << 22), before);
        assert_eq!(untypeds.take(31, halver()), Err(NoPiece::NotThere));
    }

    #[test]
    fn cuts_out_an_address_and_then_its_neighbour() {
        let mut untypeds = some();
        for address in [0x904_0000, 0x900_0000, 0x904_1000] {
            let piece = untypeds.take_at(address, 12, halver()).unwrap();
            assert_eq!((piece.address, piece.bits, piece.device), (address, 12, true));
        }
        assert_eq!(untypeds.take_at(0x904_0000, 12, halver()), Err(NoPiece::NotThere));
    }

    #[test]
    fn pieces_do_not_overlap() {
        let mut untypeds = some();
        for _ in 0..20 {
            untypeds.take(17, halver()).unwrap();
        }
        let mut all: std::vec::Vec<_> = untypeds.all().iter().map(|u| (u.address, u.address + (1 << u.bits))).collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    }
}
