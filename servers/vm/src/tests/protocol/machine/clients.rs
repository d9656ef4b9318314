//! What clients do, and how their waits end.

use super::{
    INVALID_ARGUMENT, Live, MEMORY_ERROR, Machine, Mapping, Msg, On, Op, Outcome, Page, PageState, READ, Stage, WRITE,
    Wait,
};

/// What an access comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Fail(i32),
    Use,
    Zero,
    Request,
    Unlock(u8),
    Wait(On),
}

impl<const C: usize, const N: usize> Machine<C, N> {
    pub(super) fn map(&mut self, c: usize, out: &mut Vec<Msg<N>>) -> Outcome {
        match &mut self.live {
            Some(Live { stage: Stage::Terminating { .. }, .. }) => {
                self.clients[c].op = Op::Map(Wait::Waiting(On::Manager));
                return Outcome::Waits;
            }
            Some(live) => {
                if live.stage == Stage::Cached {
                    live.stage = Stage::Ready;
                }
            }
            None if !self.is_alive => return Outcome::Done(INVALID_ARGUMENT),
            None => {
                self.live =
                    Some(Live { stage: Stage::Init, may_cache: false, temporary: false, pages: [Page::NONE; N] });
                self.send(Msg::Init, out);
                (0..N).for_each(|page| self.rebase(page));
            }
        }
        self.clients[c].mapping = Mapping::Live;
        Outcome::Done(0)
    }

    pub(super) fn unmap(&mut self, c: usize, out: &mut Vec<Msg<N>>) -> Outcome {
        let mapping = core::mem::replace(&mut self.clients[c].mapping, Mapping::None);
        if self.is_mapped(mapping) {
            return Outcome::Done(0);
        }
        match mapping {
            Mapping::None => return Outcome::Nothing,
            Mapping::Gone(index) => self.gone[index] = None,
            Mapping::Live => {
                if let Some(live) = &mut self.live {
                    for page in &mut live.pages {
                        page.unlock = 0;
                        if page.state == PageState::Requested {
                            *page = Page::NONE;
                        }
                    }
                    let has_pages = live.pages.iter().any(Page::is_resident);
                    if live.stage == Stage::Ready && live.may_cache && has_pages {
                        live.stage = Stage::Cached;
                    } else {
                        live.stage = Stage::Terminating { discards: live.temporary };
                        self.terminate(out);
                    }
                }
            }
        }
        Outcome::Done(0)
    }

    fn plan(&self, c: usize, page: usize, access: u8) -> Plan {
        let (pages, live) = match self.clients[c].mapping {
            Mapping::None => return Plan::Fail(1),
            Mapping::Gone(index) => (self.gone[index].unwrap_or([Page::NONE; N]), None),
            Mapping::Live => match self.live {
                Some(live) => (live.pages, Some(live)),
                None => return Plan::Fail(1),
            },
        };
        let page = pages[page];
        let ask = |plan| if self.has_room() { plan } else { Plan::Wait(On::Room) };
        match (page.state, live) {
            (PageState::Requested, _) => Plan::Wait(On::Page),
            (PageState::Absent, _) => Plan::Zero,
            (PageState::None, None) => Plan::Fail(MEMORY_ERROR),
            (PageState::None, Some(live)) if live.stage == Stage::Init => Plan::Wait(On::Manager),
            (PageState::None, Some(_)) => ask(Plan::Request),
            (PageState::Clean | PageState::Dirty, None) => Plan::Use,
            (PageState::Clean | PageState::Dirty, Some(_)) => match access & page.lock {
                0 => Plan::Use,
                forbidden if forbidden & !page.unlock == 0 => Plan::Wait(On::Page),
                forbidden => ask(Plan::Unlock(page.unlock | forbidden)),
            },
        }
    }

    pub(super) fn page_mut(&mut self, c: usize, page: usize) -> Option<&mut Page> {
        match self.clients[c].mapping {
            Mapping::None => None,
            Mapping::Gone(index) => self.gone[index].as_mut().map(|pages| &mut pages[page]),
            Mapping::Live => self.live.as_mut().map(|live| &mut live.pages[page]),
        }
    }

    pub(super) fn touch(&mut self, c: usize, number: usize, writes: Option<u8>, out: &mut Vec<Msg<N>>) -> Outcome {
        self.clients[c].op = Op::Idle;
        let access = if writes.is_some() { READ | WRITE } else { READ };
        let is_live = self.clients[c].mapping == Mapping::Live;
        loop {
            let plan = self.plan(c, number, access);
            let Some(page) = self.page_mut(c, number) else { return Outcome::Done(1) };
            match plan {
                Plan::Fail(code) => return Outcome::Done(code),
                Plan::Wait(on) => {
                    self.clients[c].op = Op::Fault { page: number, writes, wait: Wait::Waiting(on) };
                    return Outcome::Waits;
                }
                Plan::Zero => {
                    let state = if is_live { PageState::Clean } else { PageState::Dirty };
                    *page = Page { state, ..Page::NONE };
                }
                Plan::Request => {
                    *page = Page { state: PageState::Requested, ..Page::NONE };
                    self.send(Msg::Request { page: number, access }, out);
                }
                Plan::Unlock(access) => {
                    page.unlock = access;
                    self.send(Msg::Unlock { page: number, access }, out);
                }
                Plan::Use => {
                    if let Some(value) = writes {
                        page.state = PageState::Dirty;
                        page.value = value;
                        if is_live {
                            self.latest[number] = value;
                        }
                        return Outcome::Touched(value);
                    }
                    let value = page.value;
                    if is_live && value != self.latest[number] {
                        self.lost = Some("a client reads what is not the newest");
                    }
                    return Outcome::Touched(value);
                }
            }
        }
    }

    pub(super) fn resume(&mut self, c: usize, out: &mut Vec<Msg<N>>) -> Outcome {
        match self.clients[c].op {
            Op::Map(Wait::Woken) => {
                self.clients[c].op = Op::Idle;
                self.map(c, out)
            }
            Op::Fault { page, writes, wait: Wait::Woken } => self.touch(c, page, writes, out),
            Op::Fault { wait: Wait::Failed, .. } => {
                self.clients[c].op = Op::Idle;
                Outcome::Done(MEMORY_ERROR)
            }
            Op::Idle | Op::Map(_) | Op::Fault { .. } => Outcome::Nothing,
        }
    }

    /// Whoever waits for the association, and for what the condition says, has waited in vain.
    pub(super) fn fail(&mut self, is_hit: impl Fn(Option<usize>, On) -> bool) {
        for client in self.clients.iter_mut().filter(|client| client.mapping == Mapping::Live) {
            if let Op::Fault { page, wait, .. } = &mut client.op
                && let Wait::Waiting(on) = *wait
                && is_hit(Some(*page), on)
            {
                *wait = Wait::Failed;
            }
        }
        if let Some((_, wait)) = &mut self.lock
            && let Wait::Waiting(on) = *wait
            && is_hit(None, on)
        {
            *wait = Wait::Failed;
        }
    }

    /// Whoever would not wait for the same again may look.
    pub(super) fn wake(&mut self) {
        let is_over = self.live.is_none_or(|live| matches!(live.stage, Stage::Terminating { .. }));
        for c in 0..C {
            let may_look = match self.clients[c].op {
                Op::Map(Wait::Waiting(_)) => self.live.is_none(),
                Op::Fault { page, writes, wait: Wait::Waiting(on) } => {
                    let access = if writes.is_some() { READ | WRITE } else { READ };
                    // Who waits for room, and would now wait for something else first, needs the room in the end.
                    match self.plan(c, page, access) {
                        Plan::Wait(other) => on != other && on != On::Room,
                        _ => true,
                    }
                }
                _ => false,
            };
            match &mut self.clients[c].op {
                Op::Map(wait) | Op::Fault { wait, .. } if may_look => *wait = Wait::Woken,
                _ => {}
            }
        }
        if let Some((_, wait @ Wait::Waiting(_))) = &mut self.lock
            && (is_over || self.unread < self.room)
        {
            *wait = Wait::Woken;
        }
    }
}
