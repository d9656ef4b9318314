//! The `mach_port_*` calls on one space (`spec/mach-ports-tasks.md` D.3, GNU ids 3200–3222).
//!
//! Each call's checks run in the order of its error list; the first to fail is the answer, and a refused
//! call changes nothing. `KERN_INVALID_TASK` is the caller's: a space identity that is stale gives it too.

use alloc::vec::Vec;

use super::table::Entry;
use super::{
    Event, KernReturn, NULL, Name, Port, PortId, PortSet, Ports, QUEUE_LIMIT_MAX, REFERENCES_MAX, Receiver, Right,
    RightKind, SpaceId,
};

/// A name and its `mach_port_type_t`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameType {
    /// The name.
    pub name: Name,
    /// `MACH_PORT_TYPE_*` bits.
    pub kind: u32,
}

/// `mach_port_status_t`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiveStatus {
    /// Name of the set that the port is in, or `NULL`.
    pub set: Name,
    /// Sequence number of the next message.
    pub sequence: u32,
    /// Send rights ever made.
    pub make_send: u32,
    /// Queue limit.
    pub limit: u32,
    /// Messages queued.
    pub queued: u32,
    /// Send-once rights that exist.
    pub send_once_rights: u32,
    /// Whether send rights exist.
    pub has_senders: bool,
    /// Whether a port-destroyed notification is requested.
    pub port_destroyed_request: bool,
    /// Whether a no-senders notification is requested.
    pub no_senders_request: bool,
}

const REQUEST_BIT: u32 = 0x8000_0000;

impl Ports {
    /// `mach_port_names` (3200): every name with its type, ascending.
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_TASK`.
    pub fn names(&mut self, space: SpaceId) -> Result<Vec<NameType>, KernReturn> {
        let s = self.spaces.get(space).ok_or(KernReturn::INVALID_TASK)?;
        let names: Vec<Name> = s.table.names().collect();
        Ok(names
            .into_iter()
            .filter_map(|name| self.port_type(space, name).ok().map(|kind| NameType { name, kind }))
            .collect())
    }

    /// `mach_port_type` (3201).
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_TASK`; `KERN_INVALID_NAME`.
    pub fn port_type(&mut self, space: SpaceId, name: Name) -> Result<u32, KernReturn> {
        Ok(match self.live_entry(space, name)? {
            Entry::Port { receive, send, request, .. } => {
                let bit = |held: bool, kind: RightKind| if held { kind.type_bit() } else { 0 };
                bit(receive, RightKind::Receive)
                    | bit(send > 0, RightKind::Send)
                    | if request.is_some() { REQUEST_BIT } else { 0 }
            }
            Entry::SendOnce { request, .. } => {
                RightKind::SendOnce.type_bit() | if request.is_some() { REQUEST_BIT } else { 0 }
            }
            Entry::Set(_) => RightKind::PortSet.type_bit(),
            Entry::DeadName { .. } => RightKind::DeadName.type_bit(),
        })
    }

    /// `mach_port_rename` (3202).
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_VALUE` (new name is `NULL` or `DEAD`); `KERN_NAME_EXISTS`; `KERN_INVALID_NAME`.
    pub fn rename(&mut self, space: SpaceId, old: Name, new: Name) -> Result<(), KernReturn> {
        if !new.is_valid() {
            return Err(KernReturn::INVALID_VALUE);
        }
        if self.entry(space, new).is_some() {
            return Err(KernReturn::NAME_EXISTS);
        }
        let entry = self.live_entry(space, old)?;
        let s = self.spaces.get_mut(space).ok_or(KernReturn::INVALID_TASK)?;
        s.table.remove(old);
        s.table.insert(new, entry);
        match entry {
            Entry::Port { port, receive, request, .. } => {
                if receive && let Some(p) = self.ports.get_mut(port) {
                    p.receiver = Receiver::Space(space, new);
                }
                self.rename_request(port, request, (space, old), (space, new));
            }
            Entry::SendOnce { port, request } => {
                self.rename_request(port, request, (space, old), (space, new));
            }
            Entry::Set(set) => {
                if let Some(set) = self.sets.get_mut(set) {
                    set.name = new;
                }
            }
            Entry::DeadName { .. } => {}
        }
        Ok(())
    }

    fn rename_request(&mut self, port: PortId, request: Option<PortId>, old: (SpaceId, Name), new: (SpaceId, Name)) {
        if request.is_some()
            && let Some(p) = self.ports.get_mut(port)
        {
            for r in p.dead_name_requests.iter_mut().filter(|r| **r == old) {
                *r = new;
            }
        }
    }

    /// `mach_port_allocate` (3204).
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_TASK`; `KERN_INVALID_VALUE` (a kind that cannot be allocated); `KERN_NO_SPACE`.
    pub fn allocate(&mut self, space: SpaceId, kind: u32) -> Result<Name, KernReturn> {
        let kind = allocatable(kind)?;
        let s = self.spaces.get_mut(space).ok_or(KernReturn::INVALID_TASK)?;
        let name = s.table.unused().ok_or(KernReturn::NO_SPACE)?;
        self.create(space, name, kind);
        Ok(name)
    }

    /// `mach_port_allocate_name` (3203).
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_TASK`; `KERN_INVALID_VALUE`; `KERN_NAME_EXISTS`; `KERN_NO_SPACE`.
    pub fn allocate_name(&mut self, space: SpaceId, kind: u32, name: Name) -> Result<(), KernReturn> {
        let kind = allocatable(kind)?;
        if !name.is_valid() {
            return Err(KernReturn::INVALID_VALUE);
        }
        if self.entry(space, name).is_some() {
            return Err(KernReturn::NAME_EXISTS);
        }
        let s = self.spaces.get_mut(space).ok_or(KernReturn::INVALID_TASK)?;
        if s.table.is_full() {
            return Err(KernReturn::NO_SPACE);
        }
        self.create(space, name, kind);
        Ok(())
    }

    fn create(&mut self, space: SpaceId, name: Name, kind: RightKind) {
        let entry = match kind {
            RightKind::PortSet => Entry::Set(self.sets.insert(PortSet {
                name,
                members: Vec::new(),
                next: 0,
                receivers: Default::default(),
                bells: Vec::new(),
            })),
            RightKind::DeadName => Entry::DeadName { references: 1 },
            _ => {
                let port = self.ports.insert(Port::new(Receiver::Space(space, name)));
                Entry::Port { port, receive: true, send: 0, request: None }
            }
        };
        if let Some(s) = self.space_mut(space) {
            s.table.insert(name, entry);
        }
    }

    /// `mach_port_destroy` (3205): everything under the name goes.
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_TASK`; `KERN_INVALID_NAME`.
    pub fn destroy(&mut self, space: SpaceId, name: Name) -> Result<(), KernReturn> {
        self.live_entry(space, name)?;
        self.remove_entry(space, name);
        self.release_doomed();
        Ok(())
    }

    /// `mach_port_deallocate` (3206): one send, send-once or dead-name reference less. `NULL` and `DEAD`: success.
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_TASK`; `KERN_INVALID_NAME`; `KERN_INVALID_RIGHT`.
    pub fn deallocate(&mut self, space: SpaceId, name: Name) -> Result<(), KernReturn> {
        if !name.is_valid() {
            return Ok(());
        }
        match self.live_entry(space, name)? {
            Entry::Port { send: 0, .. } | Entry::Set(_) => Err(KernReturn::INVALID_RIGHT),
            Entry::Port { .. } => self.mod_refs(space, name, RightKind::Send as u32, -1),
            Entry::SendOnce { .. } => self.mod_refs(space, name, RightKind::SendOnce as u32, -1),
            Entry::DeadName { .. } => self.mod_refs(space, name, RightKind::DeadName as u32, -1),
        }
    }

    /// `mach_port_get_refs` (3207): user references of one kind; 0 for a kind not held.
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_TASK`; `KERN_INVALID_VALUE` (no such kind); `KERN_INVALID_NAME`.
    pub fn get_refs(&mut self, space: SpaceId, name: Name, kind: u32) -> Result<u32, KernReturn> {
        let kind = RightKind::from_number(kind).ok_or(KernReturn::INVALID_VALUE)?;
        Ok(match (self.live_entry(space, name)?, kind) {
            (Entry::Port { send, .. }, RightKind::Send) => send,
            (Entry::Port { receive, .. }, RightKind::Receive) => u32::from(receive),
            (Entry::SendOnce { .. }, RightKind::SendOnce) | (Entry::Set(_), RightKind::PortSet) => 1,
            (Entry::DeadName { references }, RightKind::DeadName) => references,
            _ => 0,
        })
    }

    /// `mach_port_mod_refs` (3208).
    ///
    /// | # | check | error |
    /// |---|---|---|
    /// | 1 | the kind exists | `INVALID_VALUE` |
    /// | 2 | the name denotes something | `INVALID_NAME` |
    /// | 3 | it holds a right of that kind | `INVALID_RIGHT` |
    /// | 4 | result not negative; receive, set, send-once: delta 0 or −1 | `INVALID_VALUE` |
    /// | 5 | result not above the limit | `UREFS_OVERFLOW` |
    ///
    /// # Errors
    ///
    /// As above, and `KERN_INVALID_TASK`.
    pub fn mod_refs(&mut self, space: SpaceId, name: Name, kind: u32, delta: i32) -> Result<(), KernReturn> {
        let kind = RightKind::from_number(kind).ok_or(KernReturn::INVALID_VALUE)?;
        let entry = self.live_entry(space, name)?;
        match (entry, kind) {
            (Entry::Port { port, receive, send, request }, RightKind::Send) if send > 0 => {
                let send = counted(send, delta)?;
                if send > 0 {
                    self.put(space, name, Entry::Port { port, receive, send, request });
                } else if receive {
                    self.put(space, name, Entry::Port { port, receive, send, request });
                    self.doom(Right::Send(port));
                } else {
                    self.remove_entry(space, name);
                }
            }
            (Entry::DeadName { references }, RightKind::DeadName) => match counted(references, delta)? {
                0 => self.remove_entry(space, name),
                references => self.set_dead_references(space, name, references),
            },
            (Entry::Port { port, receive: true, send, request }, RightKind::Receive) => {
                if single(delta)? {
                    self.drop_receive(space, name, port, send, request);
                }
            }
            (Entry::SendOnce { .. }, RightKind::SendOnce) | (Entry::Set(_), RightKind::PortSet) => {
                if single(delta)? {
                    self.remove_entry(space, name);
                }
            }
            _ => return Err(KernReturn::INVALID_RIGHT),
        }
        self.release_doomed();
        Ok(())
    }

    /// The receive right under `name` is destroyed; send references there stay, as a dead name or, when a
    /// port-destroyed request saves the port, as a send right.
    fn drop_receive(&mut self, space: SpaceId, name: Name, port: PortId, send: u32, request: Option<PortId>) {
        if send > 0 || request.is_some() {
            self.put(space, name, Entry::Port { port, receive: false, send, request });
        }
        self.kill(port);
        if self.ports.get(port).is_some() {
            if send == 0 {
                self.unname(space, name, port, request);
            }
        } else if send == 0
            && matches!(self.peek(space, name), Some(Entry::Port { .. }))
            && let Some(s) = self.space_mut(space)
        {
            s.table.remove(name);
        }
    }

    fn peek(&self, space: SpaceId, name: Name) -> Option<Entry> {
        self.spaces.get(space)?.table.get(name).copied()
    }

    pub(super) fn put(&mut self, space: SpaceId, name: Name, entry: Entry) {
        if let Some(cell) = self.space_mut(space).and_then(|s| s.table.get_mut(name)) {
            *cell = entry;
        }
    }

    /// `mach_port_set_qlimit` (3210).
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_NAME`; `KERN_INVALID_RIGHT` (no receive right); `KERN_INVALID_VALUE` (above the maximum).
    pub fn set_limit(&mut self, space: SpaceId, name: Name, limit: u32) -> Result<(), KernReturn> {
        let port = self.receive_right(space, name)?;
        if limit > QUEUE_LIMIT_MAX {
            return Err(KernReturn::INVALID_VALUE);
        }
        let p = self.ports.get_mut(port).ok_or(KernReturn::INVALID_NAME)?;
        p.limit = limit;
        let room = (limit as usize).saturating_sub(p.queue.len()).min(p.senders.len());
        self.events.extend(p.senders.drain(..room).map(Event::Wake));
        Ok(())
    }

    /// `mach_port_set_mscount` (3211).
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_NAME`; `KERN_INVALID_RIGHT`.
    pub fn set_make_send(&mut self, space: SpaceId, name: Name, count: u32) -> Result<(), KernReturn> {
        let port = self.receive_right(space, name)?;
        self.ports.get_mut(port).ok_or(KernReturn::INVALID_NAME)?.make_send = count;
        Ok(())
    }

    /// `mach_port_set_seqno` (3218).
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_NAME`; `KERN_INVALID_RIGHT`.
    pub fn set_sequence(&mut self, space: SpaceId, name: Name, sequence: u32) -> Result<(), KernReturn> {
        let port = self.receive_right(space, name)?;
        self.ports.get_mut(port).ok_or(KernReturn::INVALID_NAME)?.sequence = sequence;
        Ok(())
    }

    /// `mach_port_set_protected_payload` (3221), and `mach_port_clear_protected_payload` (3222) with none.
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_NAME`; `KERN_INVALID_RIGHT`.
    pub fn set_payload(&mut self, space: SpaceId, name: Name, payload: Option<u64>) -> Result<(), KernReturn> {
        let port = self.receive_right(space, name)?;
        self.ports.get_mut(port).ok_or(KernReturn::INVALID_NAME)?.payload = payload;
        Ok(())
    }

    /// `mach_port_get_receive_status` (3217).
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_NAME`; `KERN_INVALID_RIGHT`.
    pub fn receive_status(&mut self, space: SpaceId, name: Name) -> Result<ReceiveStatus, KernReturn> {
        let port = self.receive_right(space, name)?;
        let p = self.ports.get(port).ok_or(KernReturn::INVALID_NAME)?;
        Ok(ReceiveStatus {
            set: p.set.and_then(|set| self.sets.get(set)).map_or(NULL, |set| set.name),
            sequence: p.sequence,
            make_send: p.make_send,
            limit: p.limit,
            queued: p.queue.len() as u32,
            send_once_rights: p.send_once_rights,
            has_senders: p.send_rights > 0,
            port_destroyed_request: p.port_destroyed.is_some(),
            no_senders_request: p.no_senders.is_some(),
        })
    }

    /// Removes everything under a name; what falls free goes to the doomed list.
    pub(super) fn remove_entry(&mut self, space: SpaceId, name: Name) {
        let entry = self.entry(space, name).copied();
        match entry {
            None => {}
            Some(Entry::Port { port, receive: true, send, request }) => {
                // The name goes first: a dead-name request of its own answers with 65, not 72.
                self.unname(space, name, port, request);
                if send > 0 {
                    self.doom(Right::Send(port));
                }
                self.kill(port);
            }
            Some(Entry::Port { port, request, .. }) => {
                self.unname(space, name, port, request);
                self.doom(Right::Send(port));
            }
            Some(Entry::SendOnce { port, request }) => {
                self.unname(space, name, port, request);
                self.doom(Right::SendOnce(port));
            }
            Some(Entry::Set(id)) => {
                if let Some(s) = self.space_mut(space) {
                    s.table.remove(name);
                }
                self.destroy_set(id);
            }
            Some(Entry::DeadName { .. }) => {
                if let Some(s) = self.space_mut(space) {
                    s.table.remove(name);
                }
            }
        }
    }

    fn unname(&mut self, space: SpaceId, name: Name, port: PortId, request: Option<PortId>) {
        if let Some(s) = self.space_mut(space) {
            s.table.remove(name);
        }
        self.cancel_request(space, name, port, request);
    }

    pub(super) fn live_entry(&mut self, space: SpaceId, name: Name) -> Result<Entry, KernReturn> {
        if self.spaces.get(space).is_none() {
            return Err(KernReturn::INVALID_TASK);
        }
        self.entry(space, name).copied().ok_or(KernReturn::INVALID_NAME)
    }

    pub(super) fn receive_right(&mut self, space: SpaceId, name: Name) -> Result<PortId, KernReturn> {
        match self.live_entry(space, name)? {
            Entry::Port { port, receive: true, .. } => Ok(port),
            _ => Err(KernReturn::INVALID_RIGHT),
        }
    }
}

fn allocatable(kind: u32) -> Result<RightKind, KernReturn> {
    match RightKind::from_number(kind) {
        Some(kind @ (RightKind::Receive | RightKind::PortSet | RightKind::DeadName)) => Ok(kind),
        _ => Err(KernReturn::INVALID_VALUE),
    }
}

/// References after `delta`.
fn counted(references: u32, delta: i32) -> Result<u32, KernReturn> {
    let sum = i64::from(references) + i64::from(delta);
    match u32::try_from(sum) {
        Err(_) if sum < 0 => Err(KernReturn::INVALID_VALUE),
        Ok(sum) if sum <= REFERENCES_MAX => Ok(sum),
        _ => Err(KernReturn::UREFS_OVERFLOW),
    }
}

/// For rights that have exactly one reference: whether it goes.
fn single(delta: i32) -> Result<bool, KernReturn> {
    match delta {
        0 => Ok(false),
        -1 => Ok(true),
        _ => Err(KernReturn::INVALID_VALUE),
    }
}
