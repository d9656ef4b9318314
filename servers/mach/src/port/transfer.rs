//! Rights into spaces and out of them: the one place where names and rights turn into each other.

use super::right::Disposition;
use super::table::Entry;
use super::{DEAD, KernReturn, NULL, Name, Ports, REFERENCES_MAX, Receiver, Right, SEND_ONCE_MAX, SpaceId};

impl Ports {
    /// `mach_port_insert_right` (3215): puts a right, taken from the caller already, under a name of the space.
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_VALUE` (name); `KERN_INVALID_CAPABILITY` (null or dead right); `KERN_NAME_EXISTS`;
    /// `KERN_RIGHT_EXISTS` (the space knows the port under another name); `KERN_UREFS_OVERFLOW`;
    /// `KERN_NO_SPACE`. The right is then released.
    pub fn insert_right(&mut self, space: SpaceId, name: Name, right: Right) -> Result<(), KernReturn> {
        match self.check_insert(space, name, &right) {
            Ok(()) => {
                self.place(space, name, right);
                self.release_doomed();
                Ok(())
            }
            Err(code) => {
                self.release(right);
                Err(code)
            }
        }
    }

    fn check_insert(&mut self, space: SpaceId, name: Name, right: &Right) -> Result<(), KernReturn> {
        if !name.is_valid() {
            return Err(KernReturn::INVALID_VALUE);
        }
        let port = right.port().filter(|port| self.ports.get(*port).is_some());
        let port = port.ok_or(KernReturn::INVALID_CAPABILITY)?;
        let entry = self.entry(space, name).copied();
        let table = &mut self.spaces.get_mut(space).ok_or(KernReturn::INVALID_TASK)?.table;
        match entry {
            Some(Entry::Port { port: held, send, .. }) if held == port && !matches!(right, Right::SendOnce(_)) => {
                if matches!(right, Right::Send(_)) && send >= REFERENCES_MAX {
                    return Err(KernReturn::UREFS_OVERFLOW);
                }
                Ok(())
            }
            Some(_) => Err(KernReturn::NAME_EXISTS),
            None if !matches!(right, Right::SendOnce(_)) && table.name_of(port).is_some() => {
                Err(KernReturn::RIGHT_EXISTS)
            }
            None if table.is_full() => Err(KernReturn::NO_SPACE),
            None => Ok(()),
        }
    }

    /// `mach_port_extract_right` (3216): a right out of a space, for whoever asked.
    ///
    /// # Errors
    ///
    /// `KERN_INVALID_VALUE` (no disposition); `KERN_INVALID_NAME`; `KERN_INVALID_RIGHT`; `KERN_RESOURCE_SHORTAGE` (the
    /// port has [`SEND_ONCE_MAX`] send-once rights).
    pub fn extract_right(&mut self, space: SpaceId, name: Name, disposition: u8) -> Result<Right, KernReturn> {
        let disposition = Disposition::from_number(disposition).ok_or(KernReturn::INVALID_VALUE)?;
        self.live_entry(space, name)?;
        if !self.may_make(space, name, disposition) {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        let right = self.take(space, name, disposition);
        self.release_doomed();
        right.ok_or(KernReturn::INVALID_RIGHT)
    }

    /// Whether [`SEND_ONCE_MAX`] allows to take what `disposition` says.
    pub(super) fn may_make(&mut self, space: SpaceId, name: Name, disposition: Disposition) -> bool {
        match self.entry(space, name) {
            Some(&Entry::Port { port, receive: true, .. }) if disposition == Disposition::MakeSendOnce => {
                self.ports.get(port).is_none_or(|p| p.send_once_rights < SEND_ONCE_MAX)
            }
            _ => true,
        }
    }

    /// Puts a received right into a space: merged into the name that the port has there, or under a new one.
    ///
    /// # Errors
    ///
    /// `KERN_NO_SPACE`: the space is full; the right is released.
    pub fn copy_out(&mut self, space: SpaceId, right: Right) -> Result<Name, KernReturn> {
        let port = match right {
            Right::Null => return Ok(NULL),
            Right::Dead => return Ok(DEAD),
            Right::Send(port) | Right::SendOnce(port) | Right::Receive(port) => port,
        };
        if self.ports.get(port).is_none() {
            return Ok(DEAD);
        }
        let known = match right {
            Right::SendOnce(_) => None,
            _ => self.spaces.get(space).and_then(|s| s.table.name_of(port)),
        };
        let name = match known {
            Some(name) => Some(name),
            None => self.space_mut(space).and_then(|s| s.table.unused()),
        };
        let Some(name) = name else {
            self.release(right);
            return Err(KernReturn::NO_SPACE);
        };
        self.place(space, name, right);
        self.release_doomed();
        Ok(name)
    }

    /// Puts a live right under a name that is unused or denotes the same port.
    fn place(&mut self, space: SpaceId, name: Name, right: Right) {
        let Some(s) = self.spaces.get_mut(space) else { return self.doom(right) };
        match right {
            Right::Null | Right::Dead => {}
            Right::SendOnce(port) => s.table.insert(name, Entry::SendOnce { port, request: None }),
            Right::Send(port) => match s.table.get_mut(name) {
                Some(Entry::Port { send, .. }) => {
                    // The entry counts once for the port, however many references it has (PORT-2).
                    let is_counted = *send > 0;
                    *send = (*send + 1).min(REFERENCES_MAX);
                    if is_counted {
                        self.release_send(port);
                    }
                }
                _ => s.table.insert(name, Entry::Port { port, receive: false, send: 1, request: None }),
            },
            Right::Receive(port) => {
                match s.table.get_mut(name) {
                    Some(Entry::Port { receive, .. }) => *receive = true,
                    _ => s.table.insert(name, Entry::Port { port, receive: true, send: 0, request: None }),
                }
                if let Some(p) = self.ports.get_mut(port) {
                    p.receiver = Receiver::Space(space, name);
                }
            }
        }
    }

    /// Turns a name into a right as `disposition` says. `None`: the name holds no such right, nothing changed.
    /// A dead name gives [`Right::Dead`] where a send or send-once right was asked for.
    pub(super) fn take(&mut self, space: SpaceId, name: Name, disposition: Disposition) -> Option<Right> {
        use Disposition::*;
        let entry = *self.entry(space, name)?;
        match (entry, disposition) {
            (Entry::Port { port, receive: true, send, request }, MoveReceive) => {
                if send > 0 {
                    self.put(space, name, Entry::Port { port, receive: false, send, request });
                } else {
                    self.space_mut(space)?.table.remove(name);
                    self.cancel_request(space, name, port, request);
                }
                self.detach_receive(port);
                Some(Right::Receive(port))
            }
            (Entry::Port { port, receive, send, request }, MoveSend) if send > 0 => {
                if send == 1 && !receive {
                    // The entry's right becomes the message's; the port's count stays.
                    self.space_mut(space)?.table.remove(name);
                    self.cancel_request(space, name, port, request);
                } else {
                    self.put(space, name, Entry::Port { port, receive, send: send - 1, request });
                    if send > 1 {
                        self.ports.get_mut(port)?.send_rights += 1;
                    }
                }
                Some(Right::Send(port))
            }
            (Entry::SendOnce { port, request }, MoveSendOnce) => {
                self.space_mut(space)?.table.remove(name);
                self.cancel_request(space, name, port, request);
                Some(Right::SendOnce(port))
            }
            (Entry::Port { port, send, .. }, CopySend) if send > 0 => {
                self.ports.get_mut(port)?.send_rights += 1;
                Some(Right::Send(port))
            }
            (Entry::Port { port, receive: true, .. }, MakeSend) => self.make_send(port),
            (Entry::Port { port, receive: true, .. }, MakeSendOnce) => self.make_send_once(port),
            (Entry::DeadName { references }, MoveSend | MoveSendOnce) => {
                match references {
                    1 => drop(self.space_mut(space)?.table.remove(name)),
                    _ => self.set_dead_references(space, name, references - 1),
                }
                Some(Right::Dead)
            }
            (Entry::DeadName { .. }, CopySend) => Some(Right::Dead),
            _ => None,
        }
    }
}
