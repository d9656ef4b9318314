//! The protocol as a state machine: what `docs/memory-objects.md` says, in as few words as it can be computed with.
//!
//! One object port with `N` pages, `C` clients, one manager. An event is atomic: a call of a client's or the manager's up
//! to its first wait, a step after a wait, one message taken, the deadline, a page evicted. [`Machine::apply`] gives the
//! messages that the manager is sent and the outcome of the call. Nothing here knows of maps, frames or steps.

mod clients;
mod ends;
mod manager;

/// `KERN_INVALID_ARGUMENT`
pub(in crate::tests::protocol) const INVALID_ARGUMENT: i32 = 4;
/// `KERN_MEMORY_ERROR`
pub(in crate::tests::protocol) const MEMORY_ERROR: i32 = 10;
/// `KERN_MEMORY_PRESENT`
pub(in crate::tests::protocol) const MEMORY_PRESENT: i32 = 23;
/// Accesses, as in `vm_prot_t`.
pub(in crate::tests::protocol) const READ: u8 = 1;
pub(in crate::tests::protocol) const WRITE: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::tests::protocol) enum PageState {
    None,
    Requested,
    Absent,
    Clean,
    Dirty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::tests::protocol) struct Page {
    pub(in crate::tests::protocol) state: PageState,
    pub(in crate::tests::protocol) value: u8,
    pub(in crate::tests::protocol) lock: u8,
    pub(in crate::tests::protocol) unlock: u8,
    pub(in crate::tests::protocol) precious: bool,
}

impl Page {
    const NONE: Page = Page { state: PageState::None, value: 0, lock: 0, unlock: 0, precious: false };

    pub(in crate::tests::protocol) fn is_resident(&self) -> bool {
        matches!(self.state, PageState::Clean | PageState::Dirty)
    }

    fn is_dirty(&self) -> bool {
        self.state == PageState::Dirty
    }

    fn must_be_returned(&self) -> bool {
        self.is_dirty() || (self.precious && self.is_resident())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::tests::protocol) enum Stage {
    Init,
    Ready,
    Cached,
    Terminating { discards: bool },
}

/// The association that the port has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::tests::protocol) struct Live<const N: usize> {
    pub(in crate::tests::protocol) stage: Stage,
    pub(in crate::tests::protocol) may_cache: bool,
    pub(in crate::tests::protocol) temporary: bool,
    pub(in crate::tests::protocol) pages: [Page; N],
}

/// What a client has mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::tests::protocol) enum Mapping {
    None,
    Live,
    /// An object whose manager is gone.
    Gone(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::tests::protocol) enum On {
    Page,
    Manager,
    Room,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::tests::protocol) enum Wait {
    Waiting(On),
    /// It may look again.
    Woken,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::tests::protocol) enum Op {
    Idle,
    Map(Wait),
    /// A touch of a page: reads, or writes this value.
    Fault {
        page: usize,
        writes: Option<u8>,
        wait: Wait,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::tests::protocol) struct Client {
    pub(in crate::tests::protocol) mapping: Mapping,
    pub(in crate::tests::protocol) op: Op,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::tests::protocol) struct LockArgs {
    pub(in crate::tests::protocol) first: usize,
    pub(in crate::tests::protocol) end: usize,
    /// 0 none, 1 dirty, 2 dirty and precious.
    pub(in crate::tests::protocol) returns: u8,
    pub(in crate::tests::protocol) flush: bool,
    pub(in crate::tests::protocol) lock: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::tests::protocol) enum Msg<const N: usize> {
    Init,
    Request { page: usize, access: u8 },
    Unlock { page: usize, access: u8 },
    Return { first: usize, count: usize, values: [u8; N], dirty: bool, kernel_copy: bool },
    Terminate,
}

impl<const N: usize> Msg<N> {
    /// Whether it takes up room in the manager's queue.
    pub(in crate::tests::protocol) fn is_counted(&self) -> bool {
        !matches!(self, Msg::Init | Msg::Terminate)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::tests::protocol) enum Event<const N: usize> {
    Map(usize),
    Unmap(usize),
    Touch {
        client: usize,
        page: usize,
        writes: Option<u8>,
    },
    /// A client's operation whose wait is over takes its step.
    Resume(usize),
    /// A client's operation is given up.
    Abort(usize),
    /// The manager takes its next message.
    Take,
    Ready {
        may_cache: bool,
        temporary: bool,
    },
    Supply {
        first: usize,
        count: usize,
        values: [u8; N],
        lock: u8,
        precious: bool,
    },
    Unavailable {
        first: usize,
        count: usize,
    },
    Error {
        first: usize,
        count: usize,
    },
    Lock(LockArgs),
    ResumeLock,
    Destroy,
    Die,
    Overdue,
    Evict(usize),
    /// The cache lets the object go.
    Uncache,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tests::protocol) enum Outcome {
    Nothing,
    Waits,
    /// A touch succeeded: with the value that was read or written.
    Touched(u8),
    Done(i32),
    /// A supply: its result, and the first page that was not accepted.
    Supplied(i32, usize),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::tests::protocol) struct Machine<const C: usize, const N: usize> {
    pub(in crate::tests::protocol) live: Option<Live<N>>,
    pub(in crate::tests::protocol) gone: [Option<[Page; N]>; C],
    pub(in crate::tests::protocol) clients: [Client; C],
    pub(in crate::tests::protocol) lock: Option<(LockArgs, Wait)>,
    pub(in crate::tests::protocol) queue: Vec<Msg<N>>,
    /// Messages of the association in the queue that take up room.
    pub(in crate::tests::protocol) unread: usize,
    pub(in crate::tests::protocol) room: usize,
    pub(in crate::tests::protocol) is_alive: bool,
    /// What the manager has; nothing if it let its copy go for a precious page.
    pub(in crate::tests::protocol) store: [Option<u8>; N],
    /// The newest contents, as the contract has it.
    pub(in crate::tests::protocol) latest: [u8; N],
    /// Something was lost that the contract does not give away.
    pub(in crate::tests::protocol) lost: Option<&'static str>,
}

impl<const C: usize, const N: usize> Machine<C, N> {
    pub(in crate::tests::protocol) fn new(room: usize) -> Self {
        Machine {
            live: None,
            gone: [None; C],
            clients: [Client { mapping: Mapping::None, op: Op::Idle }; C],
            lock: None,
            queue: Vec::new(),
            unread: 0,
            room,
            is_alive: true,
            store: [Some(0); N],
            latest: [0; N],
            lost: None,
        }
    }

    /// Applies an event. One that cannot happen now changes nothing.
    pub(in crate::tests::protocol) fn apply(&mut self, event: Event<N>) -> (Vec<Msg<N>>, Outcome) {
        let mut out = Vec::new();
        let outcome = self.act(event, &mut out);
        self.wake();
        (out, outcome)
    }

    fn act(&mut self, event: Event<N>, out: &mut Vec<Msg<N>>) -> Outcome {
        match event {
            Event::Map(c) if self.is_idle(c) && self.clients[c].mapping == Mapping::None => self.map(c, out),
            Event::Unmap(c) if self.is_idle(c) => self.unmap(c, out),
            Event::Touch { client, page, writes } if self.is_idle(client) => self.touch(client, page, writes, out),
            Event::Resume(c) => self.resume(c, out),
            Event::Abort(c) => {
                self.clients[c].op = Op::Idle;
                Outcome::Nothing
            }
            Event::Take => self.take(out),
            Event::Ready { may_cache, temporary } => self.ready(may_cache, temporary, out),
            Event::Supply { first, count, values, lock, precious } => {
                self.supply((first, count), values, lock, precious)
            }
            Event::Unavailable { first, count } => self.answer(first, count, PageState::Absent),
            Event::Error { first, count } => self.answer(first, count, PageState::None),
            Event::Lock(args) if self.lock.is_none() => match self.live {
                None => Outcome::Done(INVALID_ARGUMENT),
                Some(_) => self.sweep(args, out),
            },
            Event::ResumeLock => match self.lock.take() {
                Some((args, Wait::Woken)) => self.sweep(args, out),
                Some((_, Wait::Failed)) => Outcome::Done(MEMORY_ERROR),
                other => {
                    self.lock = other;
                    Outcome::Nothing
                }
            },
            Event::Destroy => {
                if self.live.is_some_and(|live| !matches!(live.stage, Stage::Terminating { .. })) {
                    self.part();
                    self.send(Msg::Terminate, out);
                }
                Outcome::Nothing
            }
            Event::Die => {
                self.part();
                self.is_alive = false;
                self.queue.clear();
                self.unread = 0;
                Outcome::Nothing
            }
            Event::Overdue => {
                self.overdue(out);
                Outcome::Nothing
            }
            Event::Evict(page) => {
                self.evict(page, out);
                Outcome::Nothing
            }
            Event::Uncache => {
                if let Some(live) = self.live.as_mut().filter(|live| live.stage == Stage::Cached) {
                    live.stage = Stage::Terminating { discards: live.temporary };
                    self.terminate(out);
                }
                Outcome::Nothing
            }
            Event::Map(_) | Event::Unmap(_) | Event::Touch { .. } | Event::Lock(_) => Outcome::Nothing,
        }
    }

    fn is_idle(&self, c: usize) -> bool {
        self.clients[c].op == Op::Idle
    }

    fn has_room(&self) -> bool {
        self.unread < self.room
    }

    fn send(&mut self, msg: Msg<N>, out: &mut Vec<Msg<N>>) {
        self.unread = if msg == Msg::Init { 0 } else { self.unread + usize::from(msg.is_counted()) };
        self.queue.push(msg);
        out.push(msg);
    }

    fn is_mapped(&self, mapping: Mapping) -> bool {
        self.clients.iter().any(|client| client.mapping == mapping)
    }

    /// What the manager has of a page, once it has taken its messages.
    pub(in crate::tests::protocol) fn at_manager(&self, page: usize) -> Option<u8> {
        let returned = self.queue.iter().rev().find_map(|msg| match msg {
            Msg::Return { first, count, values, .. } if (*first..first + count).contains(&page) => {
                Some(values[page - first])
            }
            _ => None,
        });
        returned.or(self.store[page])
    }

    /// The contract gives away what is newer than the manager's.
    fn rebase(&mut self, page: usize) {
        // A manager that had its precious data thrown away has nothing.
        let value = self.at_manager(page).unwrap_or(0);
        if self.store[page].is_none() {
            self.store[page] = Some(0);
        }
        self.latest[page] = value;
    }
}
