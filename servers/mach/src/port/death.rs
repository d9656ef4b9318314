//! The end of ports and spaces.

use smallvec::smallvec;

use super::notify::{self, Notification, PORT_DESTROYED};
use super::table::Entry;
use super::{Data, Doomed, Event, KernReturn, Message, Name, PortId, Ports, REFERENCES_MAX, Receiver, Right, SpaceId};

impl Ports {
    /// The receive right to `port` is destroyed: the port dies, unless a port-destroyed request takes the right.
    ///
    /// Only called with the right in nobody's hands; other rights that fall free go to the doomed list.
    pub(super) fn kill(&mut self, port: PortId) {
        let Some(p) = self.ports.get_mut(port) else { return };
        if let Some(request) = p.port_destroyed.take() {
            if self.ports.get(request).is_some() {
                self.detach_receive(port);
                self.post_inner(request, PORT_DESTROYED, Data::new(), smallvec![Right::Receive(port)]);
                return;
            }
            self.consume_send_once(request);
        }
        self.leave_set(port);
        let Some(dead) = self.ports.remove(port) else { return };
        for waiter in dead.receivers {
            self.events.push_back(Event::ReceiveFails(waiter, KernReturn::RCV_PORT_DIED));
        }
        for waiter in dead.senders {
            self.events.push_back(Event::Wake(waiter));
        }
        self.events.extend(dead.bells.into_iter().map(Event::Ring));
        for (space, name) in dead.dead_name_requests {
            self.name_died(space, name, port);
        }
        if let Some(request) = dead.no_senders {
            self.doom(Right::SendOnce(request));
        }
        self.queued -= dead.queue.len();
        dead.queue.iter().for_each(|message| self.uncharge(message));
        if !dead.queue.is_empty() {
            self.doomed.push(Doomed::Queue(dead.queue));
        }
        if dead.watched {
            self.events.push_back(Event::PortDied(port));
        }
    }

    /// The port behind an entry with a dead-name request died: message 72, and one reference more (D.5).
    fn name_died(&mut self, space: SpaceId, name: Name, port: PortId) {
        let Some(s) = self.spaces.get_mut(space) else { return };
        let (references, request) = match s.table.get(name) {
            Some(Entry::Port { port: p, send, request, .. }) if *p == port => (*send, *request),
            Some(Entry::SendOnce { port: p, request }) if *p == port => (1, *request),
            _ => return,
        };
        let Some(request) = request else { return };
        let references = (references + 1).min(REFERENCES_MAX);
        s.table.replace(name, Entry::DeadName { references });
        notify::post(self, request, Notification::DeadName { name });
    }

    /// Takes the receive right out of where it is known: the port leaves its set, its receivers end, its
    /// make-send count and sequence number start anew, and its payload, which is that receiver's, goes. Queue and limit
    /// stay.
    pub(super) fn detach_receive(&mut self, port: PortId) {
        self.leave_set(port);
        let Some(p) = self.ports.get_mut(port) else { return };
        p.receiver = Receiver::Transit { within: None };
        p.sequence = 0;
        p.make_send = 0;
        p.payload = None;
        for waiter in core::mem::take(&mut p.receivers) {
            self.events.push_back(Event::ReceiveFails(waiter, KernReturn::RCV_PORT_DIED));
        }
        self.events.extend(core::mem::take(&mut p.bells).into_iter().map(Event::Ring));
    }

    /// Destroys a message that will not be delivered, and every right in it.
    pub fn destroy_message(&mut self, message: Message) {
        self.doom_message(message);
        self.release_doomed();
    }

    pub(super) fn doom_message(&mut self, message: Message) {
        let Message { destination, reply, rights, mark, .. } = message;
        if let Some(mark) = mark {
            self.events.push_back(Event::Destroyed(mark.number));
        }
        // A send-once right that addressed the message is destroyed unused: its port, if it lives, gets a 71.
        self.doom(destination);
        self.doom(reply);
        if !rights.is_empty() {
            self.doomed.push(Doomed::Rights(rights.into_vec().into_iter()));
        }
    }

    /// Destroys a server port: to its holders it is dead from now on.
    pub fn destroy_port(&mut self, port: PortId) {
        self.kill(port);
        self.release_doomed();
    }

    /// Frees up to `budget` names of a space that is going away. True: the space is gone.
    ///
    /// A dying task calls this in steps, so that no step of the server is long.
    pub fn destroy_space_step(&mut self, space: SpaceId, budget: usize) -> bool {
        for _ in 0..budget {
            let Some(s) = self.spaces.get_mut(space) else { return true };
            let Some(name) = s.table.any() else {
                self.spaces.remove(space);
                return true;
            };
            self.remove_entry(space, name);
            self.release_doomed();
        }
        false
    }
}
