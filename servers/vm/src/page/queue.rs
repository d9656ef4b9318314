//! The queues of resident pages from which page-out chooses.
//!
//! | queue    | its pages                                                  | a page leaves it                          |
//! |----------|------------------------------------------------------------|-------------------------------------------|
//! | active   | may be mapped; in the order in which they came             | from the front, when it becomes inactive  |
//! | inactive | mapped nowhere, so that any use of one is a fault          | from the front, to go; anywhere, when used |
//!
//! There are two of each: for pages of memory managers, which can always go, and for all others, which can go only with
//! a default pager that has space.
//!
//! QUEUE-1: a page is queued if and only if it is resident, not wired, not kept, and not on its way to the default pager.
//! QUEUE-2: the lists are linked through the pages, and a page says in which one it is.

use arena::Arena;

use crate::object::Source;
use crate::page::Page;
use crate::step::Env;
use crate::types::{ObjectId, PageId, Prot};
use crate::vm::Vm;

/// Whose pages a queue has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Objects' without a manager.
    Anonymous,
    /// Memory managers'.
    Managed,
}

/// Which queue a page is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Queue {
    /// In none.
    #[default]
    None,
    Active(Kind),
    Inactive(Kind),
}

/// Where a page is in its queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    pub(crate) queue: Queue,
    prev: PageId,
    next: PageId,
}

/// No page.
const NIL: PageId = PageId::new(u32::MAX, 0);

impl Links {
    /// In no queue.
    pub(crate) const NONE: Links = Links { queue: Queue::None, prev: NIL, next: NIL };
}

#[derive(Clone, Copy, Debug)]
struct List {
    head: PageId,
    tail: PageId,
    len: u64,
}

impl Default for List {
    fn default() -> List {
        List { head: NIL, tail: NIL, len: 0 }
    }
}

/// All queues.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Queues {
    active: [List; 2],
    inactive: [List; 2],
}

impl Queues {
    fn list(&mut self, queue: Queue) -> Option<&mut List> {
        match queue {
            Queue::None => None,
            Queue::Active(kind) => Some(&mut self.active[kind as usize]),
            Queue::Inactive(kind) => Some(&mut self.inactive[kind as usize]),
        }
    }

    /// Enters a resident page of an object with this source, behind the active ones.
    #[inline]
    pub(crate) fn enter_active(&mut self, pages: &mut Arena<Page>, page: Page, source: Source) -> PageId {
        let kind = Kind::from(source);
        let list = &mut self.active[kind as usize];
        let links = Links { queue: Queue::Active(kind), prev: list.tail, next: NIL };
        let id = pages.insert(Page { links, ..page });
        match pages.get_mut(list.tail) {
            Some(before) => before.links.next = id,
            None => list.head = id,
        }
        list.tail = id;
        list.len += 1;
        id
    }

    /// Number of pages in the active queues.
    pub(crate) fn active(&self) -> u64 {
        self.active.iter().map(|list| list.len).sum()
    }

    /// Number of pages in the inactive queues.
    pub(crate) fn inactive(&self) -> u64 {
        self.inactive.iter().map(|list| list.len).sum()
    }

    /// Number of pages in a queue.
    pub(crate) fn len(mut self, queue: Queue) -> u64 {
        self.list(queue).map_or(0, |list| list.len)
    }

    /// The first page of a queue.
    pub(crate) fn first(mut self, queue: Queue) -> Option<PageId> {
        self.list(queue).map(|list| list.head).filter(|head| *head != NIL)
    }
}

impl Vm {
    /// Takes a page out of its queue.
    pub(crate) fn dequeue(&mut self, id: PageId) {
        let Some(page) = self.pages.get_mut(id) else { return };
        let Links { queue, prev, next } = core::mem::replace(&mut page.links, Links::NONE);
        let Some(list) = self.queues.list(queue) else { return };
        list.len -= 1;
        if prev == NIL {
            list.head = next;
        }
        if next == NIL {
            list.tail = prev;
        }
        if let Some(prev) = self.pages.get_mut(prev) {
            prev.links.next = next;
        }
        if let Some(next) = self.pages.get_mut(next) {
            next.links.prev = prev;
        }
    }

    /// Puts a page at the end of a queue, if it can be in any.
    fn enqueue(&mut self, id: PageId, queue: Queue) {
        if self.pages.get(id).is_some_and(|page| page.links.queue != Queue::None) {
            self.dequeue(id);
        }
        let Some(page) = self.pages.get_mut(id).filter(|page| page.can_be_queued()) else { return };
        let Some(list) = self.queues.list(queue) else { return };
        page.links = Links { queue, prev: list.tail, next: NIL };
        let before = core::mem::replace(&mut list.tail, id);
        list.len += 1;
        match self.pages.get_mut(before) {
            Some(before) => before.links.next = id,
            None => list.head = id,
        }
    }

    /// Puts a page behind the active ones.
    pub(crate) fn activate(&mut self, id: PageId) {
        let Some(page) = self.pages.get(id) else { return };
        let kind = self.kind(page.object);
        self.enqueue(id, Queue::Active(kind));
    }

    /// Puts a page that is mapped nowhere behind the inactive ones.
    pub(crate) fn enqueue_inactive(&mut self, id: PageId) {
        let Some(page) = self.pages.get(id) else { return };
        let kind = self.kind(page.object);
        self.enqueue(id, Queue::Inactive(kind));
    }

    /// Takes a page's mappings away, to see whether anybody uses it.
    pub(crate) fn deactivate<E: Env>(&mut self, env: &mut E, id: PageId) {
        if let Some(frame) = self.pages.get(id).and_then(|page| page.state.frame()) {
            env.page_protect(frame, Prot::NONE);
        }
        self.enqueue_inactive(id);
    }

    /// A page is used.
    pub(crate) fn touch(&mut self, id: PageId) {
        if let Some(Queue::Inactive(_)) = self.pages.get(id).map(|page| page.links.queue) {
            self.counters.reactivations += 1;
            self.activate(id);
        }
    }

    /// A page stays resident from now on: who uses it brings others' pages in and out.
    pub(crate) fn keep_page(&mut self, id: PageId) {
        if let Some(page) = self.pages.get_mut(id) {
            page.is_kept = true;
            self.dequeue(id);
        }
    }

    fn kind(&self, object: ObjectId) -> Kind {
        self.objects.get(object).map_or(Kind::Anonymous, |object| object.source.into())
    }
}

impl From<Source> for Kind {
    fn from(source: Source) -> Kind {
        match source {
            Source::Manager(_) => Kind::Managed,
            Source::Zero | Source::Gone(_) => Kind::Anonymous,
        }
    }
}

impl Page {
    /// QUEUE-1
    pub(crate) fn can_be_queued(&self) -> bool {
        self.state.frame().is_some() && self.wired == 0 && !self.is_kept && !self.is_laundry
    }
}

#[cfg(test)]
impl Vm {
    /// QUEUE-1, QUEUE-2.
    pub(crate) fn assert_queues(&self) {
        let mut queued = 0;
        for kind in [Kind::Anonymous, Kind::Managed] {
            for queue in [Queue::Active(kind), Queue::Inactive(kind)] {
                let (mut at, mut before, mut len) = (self.queues.first(queue), NIL, 0);
                while let Some(id) = at {
                    let page = self.pages.get(id).expect("QUEUE-2: it exists");
                    assert_eq!((page.links.queue, page.links.prev), (queue, before), "QUEUE-2");
                    (before, at) = (id, Some(page.links.next).filter(|next| *next != NIL));
                    len += 1;
                }
                assert_eq!(len, self.queues.len(queue), "QUEUE-2");
                queued += len;
            }
        }
        let wanted = self.pages.iter().filter(|(_, page)| page.can_be_queued()).count();
        assert_eq!(queued, wanted as u64, "QUEUE-1");
        let (mut laundry, mut kept) = (0, 0);
        for (_, page) in self.pages.iter().filter(|(_, page)| page.state.frame().is_some()) {
            laundry += u64::from(page.is_laundry);
            kept += u64::from(page.is_kept && page.wired == 0 && !page.is_laundry);
        }
        assert_eq!(laundry, u64::from(self.pageout.laundry), "LAUNDRY-1");
        assert_eq!(queued + laundry + kept + self.counters.wired, self.counters.resident, "every page is counted once");
    }
}
