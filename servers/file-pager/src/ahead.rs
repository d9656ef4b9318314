//! How much of a file is given at once: more and more to who goes through it from page to page.

/// Bytes of a page.
const PAGE_SIZE: u64 = 4096;

/// Bytes that are given at most: what one request of a disk can read.
pub const MOST: u64 = 16 * PAGE_SIZE;

/// What is known of how a file is used.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// The page behind those that were given last.
    next: u64,
    /// Bytes that were given last.
    given: u64,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { next: 0, given: PAGE_SIZE }
    }
}

impl Ahead {
    /// Somebody wants these bytes of a file of so many, all in whole pages. Answers how many to give: what is wanted, and
    /// twice as many as the last time if that was in front of it.
    pub fn wanted(&mut self, offset: u64, length: u64, size: u64) -> u64 {
        let is_next = offset == self.next;
        let more = if is_next { (self.given * 2).min(MOST) } else { PAGE_SIZE };
        let given = more.max(length).min(size.saturating_sub(offset));
        (self.next, self.given) = (offset + given, given.max(PAGE_SIZE));
        given
    }

    /// Where reading ahead pays: behind what was given last, if that was as much as is given at once.
    #[must_use]
    pub fn likely_next(&self) -> Option<u64> {
        (self.given >= MOST).then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 100 * PAGE_SIZE;

    /// Goes on where the last answer ended. Answers the pages of each.
    fn pages(ahead: &mut Ahead, count: usize) -> Vec<u64> {
        (0..count).map(|_| ahead.wanted(ahead.next, PAGE_SIZE, SIZE) / PAGE_SIZE).collect()
    }

    #[test]
    fn who_goes_from_page_to_page_gets_more_and_more() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.likely_next(), None);
        assert_eq!(pages(&mut ahead, 8), [2, 4, 8, 16, 16, 16, 16, 16]);
        assert_eq!(ahead.likely_next(), Some(94 * PAGE_SIZE));
        assert_eq!(pages(&mut ahead, 1), [6], "no more than there is");
        assert_eq!(ahead.likely_next(), None);
    }

    #[test]
    fn who_goes_anywhere_gets_what_is_wanted() {
        let mut ahead = Ahead::default();
        for page in [7, 3, 50, 20] {
            assert_eq!(ahead.wanted(page * PAGE_SIZE, PAGE_SIZE, SIZE), PAGE_SIZE);
            assert_eq!(ahead.likely_next(), None);
        }
        assert_eq!(ahead.wanted(60 * PAGE_SIZE, 20 * PAGE_SIZE, SIZE), 20 * PAGE_SIZE);
        assert_eq!(pages(&mut ahead, 1), [16]);
        assert_eq!(ahead.wanted(SIZE, PAGE_SIZE, SIZE), 0);
    }
}
