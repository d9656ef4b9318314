//! How an association ends, and what memory pressure and the deadline do.

use super::{Machine, Mapping, Msg, Page, PageState, Stage, Wait};

impl<const C: usize, const N: usize> Machine<C, N> {
    /// Goes on terminating, as far as there is room.
    pub(super) fn terminate(&mut self, out: &mut Vec<Msg<N>>) {
        while let Some(live) = &mut self.live
            && let Stage::Terminating { discards } = live.stage
        {
            if discards {
                live.pages = [Page::NONE; N];
            }
            let pages = live.pages;
            let Some(first) = pages.iter().position(Page::must_be_returned) else {
                if !discards && (0..N).any(|page| self.at_manager(page) != Some(self.latest[page])) {
                    self.lost = Some("a termination without the newest data");
                }
                self.live = None;
                self.end_lock();
                self.send(Msg::Terminate, out);
                return;
            };
            live.pages[..first].fill(Page::NONE);
            if !self.has_room() {
                return;
            }
            let dirty = pages[first].is_dirty();
            let like = |page: &Page| page.must_be_returned() && page.is_dirty() == dirty;
            let end = (first..N).find(|number| !like(&pages[*number])).unwrap_or(N);
            self.send_back(first..end, false, out);
        }
    }

    /// A lock request on an association that is over has nothing left to do.
    pub(super) fn end_lock(&mut self) {
        if let Some((args, wait)) = &mut self.lock {
            args.end = args.first;
            *wait = Wait::Woken;
        }
    }

    /// Object and manager part: what is resident stays with those who map it.
    pub(super) fn part(&mut self) {
        let Some(live) = self.live else { return };
        if !matches!(live.stage, Stage::Terminating { .. }) {
            self.fail(|_, _| true);
        }
        self.live = None;
        self.end_lock();
        let mut pages = live.pages;
        for page in &mut pages {
            *page = match page.state {
                PageState::Requested => Page::NONE,
                _ => Page { lock: 0, unlock: 0, ..*page },
            };
        }
        if self.is_mapped(Mapping::Live)
            && let Some(index) = self.gone.iter().position(Option::is_none)
        {
            self.gone[index] = Some(pages);
            for client in self.clients.iter_mut().filter(|client| client.mapping == Mapping::Live) {
                client.mapping = Mapping::Gone(index);
            }
        }
    }

    pub(super) fn overdue(&mut self, out: &mut Vec<Msg<N>>) {
        let Some(live) = &mut self.live else { return };
        for page in &mut live.pages {
            page.unlock = 0;
            if page.state == PageState::Requested {
                *page = Page::NONE;
            }
        }
        if let Stage::Terminating { discards } = &mut live.stage {
            *discards = true;
            self.terminate(out);
        } else {
            self.fail(|_, _| true);
        }
    }

    pub(super) fn evict(&mut self, number: usize, out: &mut Vec<Msg<N>>) {
        let has_room = self.has_room();
        let Some(live) = &mut self.live else { return };
        let page = &mut live.pages[number];
        if !page.is_resident() || matches!(live.stage, Stage::Terminating { .. }) {
            return;
        }
        if !page.must_be_returned() {
            *page = Page::NONE;
        } else if has_room {
            self.send_back(number..number + 1, false, out);
        }
    }
}
