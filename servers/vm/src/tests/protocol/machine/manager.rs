//! What the manager does.

use super::{INVALID_ARGUMENT, LockArgs, MEMORY_PRESENT, Machine, Msg, On, Outcome, Page, PageState, Stage, Wait};

impl<const C: usize, const N: usize> Machine<C, N> {
    pub(super) fn take(&mut self, out: &mut Vec<Msg<N>>) -> Outcome {
        if self.queue.is_empty() {
            return Outcome::Nothing;
        }
        let msg = self.queue.remove(0);
        if let Msg::Return { first, count, values, .. } = msg {
            for (page, value) in (first..first + count).zip(values) {
                self.store[page] = Some(value);
            }
        }
        // A message of an association that is over takes up no room of this one's.
        if msg.is_counted() && !self.queue.contains(&Msg::Init) {
            self.unread -= 1;
        }
        if self.live.is_some_and(|live| matches!(live.stage, Stage::Terminating { .. })) {
            self.terminate(out);
        }
        Outcome::Nothing
    }

    pub(super) fn ready(&mut self, may_cache: bool, temporary: bool, out: &mut Vec<Msg<N>>) -> Outcome {
        let Some(live) = &mut self.live else { return Outcome::Done(INVALID_ARGUMENT) };
        match live.stage {
            Stage::Terminating { .. } => return Outcome::Done(0),
            Stage::Init => live.stage = Stage::Ready,
            Stage::Ready | Stage::Cached => {}
        }
        live.may_cache = may_cache;
        live.temporary |= temporary;
        if live.stage == Stage::Cached && !may_cache {
            live.stage = Stage::Terminating { discards: live.temporary };
            self.terminate(out);
        }
        Outcome::Done(0)
    }

    pub(super) fn supply(
        &mut self,
        (first, count): (usize, usize),
        values: [u8; N],
        lock: u8,
        precious: bool,
    ) -> Outcome {
        let Some(live) = &mut self.live else { return Outcome::Done(INVALID_ARGUMENT) };
        if let Stage::Terminating { .. } = live.stage {
            return Outcome::Supplied(0, first);
        }
        for (number, value) in (first..first + count).zip(values) {
            let page = &mut live.pages[number];
            if page.is_resident() {
                return Outcome::Supplied(MEMORY_PRESENT, number);
            }
            *page = Page { state: PageState::Clean, value, lock, unlock: 0, precious };
            // What the manager gives is the contents, whatever was there before.
            self.latest[number] = value;
            if precious {
                self.store[number] = None;
            }
        }
        Outcome::Supplied(0, first + count)
    }

    pub(super) fn answer(&mut self, first: usize, count: usize, state: PageState) -> Outcome {
        if self.live.is_none() {
            return Outcome::Done(INVALID_ARGUMENT);
        }
        for number in first..first + count {
            let Some(live) = &mut self.live else { continue };
            if live.pages[number].state != PageState::Requested {
                continue;
            }
            live.pages[number] = Page { state, ..Page::NONE };
            if state == PageState::Absent {
                self.latest[number] = 0;
            } else {
                self.fail(|page, on| page == Some(number) && on == On::Page);
            }
        }
        Outcome::Done(0)
    }

    pub(super) fn sweep(&mut self, args: LockArgs, out: &mut Vec<Msg<N>>) -> Outcome {
        let mut next = args.first;
        while let Some(live) = self.live.filter(|live| !matches!(live.stage, Stage::Terminating { .. }))
            && next < args.end
        {
            let wants = |page: &Page| match args.returns {
                0 => false,
                1 => page.is_dirty(),
                _ => page.must_be_returned(),
            };
            let page = live.pages[next];
            let mut end = next + 1;
            if page.is_resident() && wants(&page) {
                if !self.has_room() {
                    self.lock = Some((LockArgs { first: next, ..args }, Wait::Waiting(On::Room)));
                    return Outcome::Waits;
                }
                let like = |other: &Page| wants(other) && other.is_dirty() == page.is_dirty();
                end = (next..args.end).find(|number| !like(&live.pages[*number])).unwrap_or(args.end);
                self.send_back(next..end, !args.flush, out);
            }
            for number in next..end {
                self.treat(number, args);
            }
            next = end;
        }
        Outcome::Done(0)
    }

    /// Flushes or locks a page.
    pub(super) fn treat(&mut self, number: usize, args: LockArgs) {
        let Some(live) = &mut self.live else { return };
        let page = &mut live.pages[number];
        if !page.is_resident() {
            return;
        }
        if args.flush {
            let is_lost = page.must_be_returned();
            *page = Page::NONE;
            if is_lost {
                self.rebase(number);
            }
        } else if let Some(lock) = args.lock {
            page.lock = lock;
            page.unlock = 0;
        }
    }

    /// Sends pages that are alike in one message. They stay, clean, or go.
    pub(super) fn send_back(&mut self, range: core::ops::Range<usize>, kernel_copy: bool, out: &mut Vec<Msg<N>>) {
        let Some(live) = &mut self.live else { return };
        let mut values = [0; N];
        let dirty = live.pages[range.start].is_dirty();
        for (number, value) in range.clone().zip(&mut values) {
            let page = &mut live.pages[number];
            *value = page.value;
            if kernel_copy {
                page.state = PageState::Clean;
            } else {
                *page = Page::NONE;
            }
        }
        self.send(Msg::Return { first: range.start, count: range.len(), values, dirty, kernel_copy }, out);
    }
}
