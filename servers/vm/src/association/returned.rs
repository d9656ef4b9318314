//! Contents on their way to a manager: pages leave the object for one of their own in the same step in which the message
//! is queued, so no page is ever half returned.

use alloc::vec::Vec;

use mach_protocol::{KernResult, KernReturn};

use super::{MAX_RETURN, Settled};
use crate::fault::plan::By;
use crate::fault::resume::Access;
use crate::map::allocate::{Enterer, Placement};
use crate::map::entry::{Attributes, Backing, Entry};
use crate::object::Object;
use crate::page::{Page, PageState};
use crate::pmap::Fill;
use crate::range::{Range, is_aligned};
use crate::step::{Cancel, Env, Operation, Step, WaitOn, Wake};
use crate::types::{AssocId, FrameId, MapId, ObjectId, PAGE_SIZE, PageId, Prot};
use crate::vm::Vm;

/// The data of a message to a manager: an object that nobody else knows. Whoever holds this maps it ([`MapReturned`]) or
/// discards it ([`Vm::discard_returned`]), once.
#[derive(Debug, PartialEq, Eq)]
pub struct ReturnedData {
    object: ObjectId,
    size: u64,
}

impl ReturnedData {
    /// Its length in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    #[cfg(test)]
    pub(crate) const fn object(&self) -> ObjectId {
        self.object
    }

    /// As words of a message in the server.
    #[must_use]
    pub fn into_words(self) -> [u64; 2] {
        [self.object.to_word(), self.size]
    }

    /// The inverse of [`ReturnedData::into_words`].
    #[must_use]
    pub fn from_words([object, size]: [u64; 2]) -> ReturnedData {
        ReturnedData { object: ObjectId::from_word(object), size }
    }
}

/// What `memory_object_data_return` says.
#[derive(Debug, PartialEq, Eq)]
pub struct ReturnedPages {
    /// Where in the memory object.
    pub offset: u64,
    /// The contents.
    pub data: ReturnedData,
    /// They were modified (otherwise they are precious).
    pub is_dirty: bool,
    /// The pages stay resident.
    pub kernel_copy: bool,
}

/// Pages of an object that go into one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) range: Range,
    pub(crate) is_dirty: bool,
}

/// Whether the pages of a message stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The message gets copies.
    Copy,
    /// The pages themselves go.
    Move,
}

impl Vm {
    /// Discards the data of a message that nobody receives.
    pub fn discard_returned(&mut self, data: ReturnedData) {
        self.release(data.object);
    }

    /// The run of pages from `start` on that go into one message: at most `limit`, one behind the other, all dirty or all
    /// clean. `is_wanted` says which pages go at all; the first one does.
    pub(crate) fn find_run(
        &self,
        object: ObjectId,
        start: u64,
        limit: usize,
        is_wanted: impl Fn(&Page) -> bool,
    ) -> Option<Run> {
        let object = self.objects.get(object)?;
        let mut run: Option<Run> = None;
        for (offset, page) in object.pages.range(start..).take(limit.min(MAX_RETURN)) {
            let page = self.pages.get(*page)?;
            let is_dirty = matches!(page.state, PageState::Dirty { .. });
            let run = run.get_or_insert(Run { range: Range { start, end: start }, is_dirty });
            if offset != run.range.end || is_dirty != run.is_dirty || !is_wanted(page) {
                break;
            }
            run.range.end = offset + PAGE_SIZE;
        }
        run.filter(|run| !run.range.is_empty())
    }

    /// Returns a run of pages to the manager, which has room for the message. Returns what is done with: less than the
    /// run if there was no memory for all of the copies. Without any the pages themselves go, unless they are wired.
    pub(crate) fn return_run<E: Env>(
        &mut self,
        env: &mut E,
        assoc: AssocId,
        object: ObjectId,
        run: Run,
        keep: Keep,
    ) -> Range {
        let data = self.objects.insert(Object::anonymous(run.range.size()));
        let mut done = Range { end: run.range.start, ..run.range };
        let mut keep = keep;
        while done.end < run.range.end {
            let page = self.objects.get(object).and_then(|object| object.pages.get(&done.end).copied());
            let Some(id) = page else { break };
            let Some(frame) = self.pages.get(id).and_then(|page| page.state.frame()) else { break };
            if keep == Keep::Copy {
                match env.allocate_frame(Fill::Any) {
                    Ok(copy) => self.copy_out(env, id, frame, copy, (data, done.end - done.start)),
                    Err(_) if done.is_empty() && self.pages.get(id).is_some_and(|page| page.wired == 0) => {
                        keep = Keep::Move;
                        continue;
                    }
                    Err(_) => break,
                }
            } else {
                self.move_out(env, assoc, (object, done.end), frame, (data, done.end - done.start));
            }
            done.end += PAGE_SIZE;
        }
        if done.is_empty() {
            self.release(data);
            return done;
        }
        if let Some(object) = self.objects.get_mut(data) {
            object.size = done.size();
        }
        if let Some(record) = self.associations.get_mut(assoc) {
            record.returns += 1;
        }
        let data = ReturnedData { object: data, size: done.size() };
        let kernel_copy = keep == Keep::Copy;
        env.data_return(assoc, ReturnedPages { offset: done.start, data, is_dirty: run.is_dirty, kernel_copy });
        done
    }

    /// A copy of a page goes; the page is clean from now on.
    fn copy_out<E: Env>(
        &mut self,
        env: &mut E,
        id: PageId,
        frame: FrameId,
        copy: FrameId,
        (to, to_offset): (ObjectId, u64),
    ) {
        env.page_protect(frame, Prot::ALL - Prot::WRITE);
        env.copy_frame(frame, copy);
        let page = self.insert_page(to, to_offset, PageState::Dirty { frame: copy });
        self.keep_page(page);
        if let Some(page) = self.pages.get_mut(id) {
            page.state = PageState::Clean { frame };
        }
    }

    /// The page itself goes.
    fn move_out<E: Env>(
        &mut self,
        env: &mut E,
        assoc: AssocId,
        (from, offset): (ObjectId, u64),
        frame: FrameId,
        to: (ObjectId, u64),
    ) {
        env.page_protect(frame, Prot::NONE);
        let Some(id) = self.objects.get_mut(from).and_then(|object| object.pages.remove(&offset)) else { return };
        self.forget_unsolicited(env, id);
        let Some(page) = self.pages.get(id) else { return };
        if !page.unlock_requested.is_empty() {
            self.settle(env, assoc, offset, Settled::Answered);
        }
        // Who waits for an unlock looks for the page anew.
        self.wake(WaitOn::Page(id), Wake::Retry);
        self.dequeue(id);
        let is_laundry = self.is_paging(assoc);
        if let Some(page) = self.pages.get_mut(id) {
            *page = Page { is_laundry, is_kept: true, ..Page::new(to.0, to.1, PageState::Dirty { frame }) };
        }
        if let Some(object) = self.objects.get_mut(to.0) {
            object.pages.insert(to.1, id);
        }
        if is_laundry {
            self.pageout.laundry += 1;
            self.set_paged(from, offset);
        }
    }
}

impl Vm {
    /// The pages of a message are a task's like others from now on. As long as they were queued they stayed: the one that
    /// pages out may be the one that they are for.
    fn let_go_out(&mut self, map: MapId, object: ObjectId) {
        if self.maps.get(map).is_none_or(|map| map.is_kept) {
            return;
        }
        let pages: Vec<PageId> = match self.objects.get(object) {
            Some(object) => object.pages.values().copied().collect(),
            None => return,
        };
        for id in pages {
            if let Some(page) = self.pages.get_mut(id) {
                page.is_kept = false;
            }
            self.activate(id);
        }
    }
}

impl Vm {
    /// Maps all of a message's pages at once for the one that pages out, who looks at every one of them: that saves it a
    /// fault for each. What cannot be mapped now is when it is touched.
    fn enter_returned<E: Env>(&mut self, env: &mut E, map: MapId, start: u64, object: ObjectId) {
        let Some(space) = self.maps.get(map).filter(|map| map.is_kept).and_then(|map| map.space) else { return };
        let Some(object) = self.objects.get(object) else { return };
        for (offset, page) in object.pages.range(0..) {
            let Some(frame) = self.pages.get(*page).and_then(|page| page.state.frame()) else { continue };
            if env.enter(space, start + offset, frame, Prot::DEFAULT).is_err() {
                env.remove(space, start + offset, start + offset + PAGE_SIZE, 1);
                return;
            }
        }
    }
}

impl Vm {
    /// Copies the data of a received message to memory that the receiver has, and lets the pages go: in a step, without
    /// waiting.
    ///
    /// # Errors
    /// The data, if that is not possible now: the place does not hold it, or may not be written, or somebody works on the map,
    /// or a page of it would have to be waited for. Some of the place may be written.
    pub fn land_returned<E: Env>(
        &mut self,
        env: &mut E,
        map: MapId,
        place: Range,
        data: ReturnedData,
    ) -> Result<(), ReturnedData> {
        if self.copy_to_place(env, map, place, &data) {
            self.free_returned(env, data.object);
            Ok(())
        } else {
            Err(data)
        }
    }

    fn copy_to_place<E: Env>(&mut self, env: &mut E, map: MapId, place: Range, data: &ReturnedData) -> bool {
        let is_place = is_aligned(place.start) && data.size <= place.size();
        let range = Range { end: place.start + data.size, ..place };
        if !is_place || self.is_locked(&[map]).is_some() || self.check_access(map, range, Prot::WRITE).is_err() {
            return false;
        }
        if env.prepare_step().is_err() {
            return false;
        }
        for offset in (0..data.size).step_by(PAGE_SIZE as usize) {
            let Access::Frame { frame: to, .. } = self.resolve(env, map, place.start + offset, Prot::WRITE, By::Server)
            else {
                return false;
            };
            let page = self.objects.get(data.object).and_then(|object| object.pages.get(&offset));
            let Some(from) = page.and_then(|page| self.pages.get(*page)).and_then(|page| page.state.frame()) else {
                return false;
            };
            env.copy_frame(from, to);
        }
        true
    }

    /// Frees the object of a message, which nobody has mapped, with its pages, which are in no queue.
    fn free_returned<E: Env>(&mut self, env: &mut E, object: ObjectId) {
        let Some(object) = self.objects.remove(object) else { return };
        for id in object.pages.values() {
            self.forget_laundry(*id);
            let Some(frame) = self.pages.remove(*id).and_then(|page| page.state.frame()) else { continue };
            env.free_frame(frame);
            self.counters.resident -= 1;
        }
    }
}

/// Maps the data of a received message, anywhere in the receiver's map. Gives the address.
///
/// # Errors
/// `InvalidArgument`: the map is gone; `NoSpace`; `ResourceShortage`. [`MapReturned::into_data`] has the data then.
#[derive(Debug)]
pub struct MapReturned {
    map: MapId,
    data: Option<ReturnedData>,
}

impl MapReturned {
    /// Maps `data` in `map`.
    #[must_use]
    pub fn new(map: MapId, data: ReturnedData) -> MapReturned {
        MapReturned { map, data: Some(data) }
    }

    /// The data, if it was not mapped: it goes to whoever asks next.
    #[must_use]
    pub fn into_data(self) -> Option<ReturnedData> {
        self.data
    }
}

impl Operation for MapReturned {
    type Out = u64;

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<u64> {
        if let Some(wait) = vm.is_locked(&[self.map]) {
            return Step::Wait(wait);
        }
        let Some(data) = self.data.take() else { return KernReturn::FAILURE.into() };
        let placement = Placement::Anywhere { from: 0, size: data.size, mask: 0 };
        let place: KernResult<Enterer> = Enterer::new(vm, env, self.map, placement, true);
        match place {
            Ok(place) => {
                let range = place.range();
                let backing = Some(Backing { object: data.object, offset: 0 });
                let entry = Entry { backing, ..Entry::anonymous(range.end, Attributes::new(), vm.new_alloc_id()) };
                vm.insert_entry(self.map, range.start, entry);
                vm.let_go_out(self.map, data.object);
                vm.enter_returned(env, self.map, range.start, data.object);
                Step::Done(Ok(range.start))
            }
            Err(error) => {
                self.data = Some(data);
                error.into()
            }
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        if let Some(data) = self.data.take() {
            vm.discard_returned(data);
        }
        Cancel::Dropped
    }
}
