//! How many pages are asked for at a time: one, unless a task goes upwards through what was paged out. Each request
//! that begins where the last one ended is for twice as many, up to a cluster.

use super::CLUSTER;
use crate::object::Object;
use crate::types::PAGE_SIZE;

/// Where an object was asked for last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ahead {
    /// Where the last request ended.
    next: u64,
    /// Its pages.
    pages: u64,
}

impl Object {
    /// How many pages from `offset` on are to be asked for, which is paged out itself; the request is noted.
    pub(crate) fn pages_ahead(&mut self, offset: u64) -> u64 {
        let is_next = self.ahead.next == offset && self.ahead.pages > 0;
        let most = if is_next { (2 * self.ahead.pages).min(CLUSTER) } else { 1 };
        let is_away = |page: &u64| self.paged.contains(offset.saturating_add(page * PAGE_SIZE));
        let pages = 1 + (1..most).take_while(is_away).count() as u64;
        self.ahead = Ahead { next: offset.saturating_add(pages * PAGE_SIZE), pages };
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_upwards_gets_more_at_a_time() {
        let mut object = Object::anonymous(64 * PAGE_SIZE);
        for page in 0..40 {
            object.paged.insert(page * PAGE_SIZE);
        }
        let mut ask = |page: u64| object.pages_ahead(page * PAGE_SIZE);
        assert_eq!([ask(3), ask(4), ask(6), ask(10), ask(18)], [1, 2, 4, 8, 16]);
        assert_eq!([ask(34), ask(40)], [6, 1], "no further than what is paged out");
        assert_eq!([ask(7), ask(9), ask(10)], [1, 1, 2], "jumping gets single pages");
    }
}
