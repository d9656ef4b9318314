//! Tasks: a map, a name space, threads, and who is told of what happens to them.

use alloc::vec::Vec;

use arena::Id;
use mach_protocol::private::TaskEnd;
use mach_protocol::task::REGISTERED_PORTS;
use mach_protocol::wire::Text;
use vm::MapId;

use crate::handlers::Handlers;
use crate::memory::{Need, PAGE};
use crate::pmap::IPC_BASE;
use crate::port::{PortId, Right, SpaceId};
use crate::thread::ThreadId;

/// IPC buffers that a task can have at a time, and so threads.
pub const MAX_THREADS: usize = 512;

/// Names a task.
pub type TaskId = Id<Task>;

/// A task.
#[derive(Debug)]
pub struct Task {
    /// Its memory.
    pub map: MapId,
    /// Its names.
    pub space: SpaceId,
    /// The port that stands for it.
    pub port: PortId,
    /// Its threads.
    pub threads: Vec<ThreadId>,
    /// How often it was suspended.
    pub suspended: u32,
    /// The name service.
    pub bootstrap: Right,
    /// Who is told of exceptions.
    pub exception: Handlers,
    /// What `mach_ports_register` named.
    pub registered: [Right; REGISTERED_PORTS],
    /// Who is told of its end, and with which word.
    pub watch: Option<(Right, u64)>,
    /// How it ended, once it has.
    pub end: Option<TaskEnd>,
    /// Whether it may use the memory that is kept for servers.
    pub is_server: bool,
    /// Frames that it took as a memory manager since a task would last have got one.
    pub borrowed: u32,
    /// The priority of its new threads.
    pub priority: u8,
    /// What `task_set_name` called it.
    pub name: Text<8>,
    /// Microseconds of processor time that threads used which have ended.
    pub ended_us: u64,
    /// Device pages mapped above the map.
    pub device_pages: u64,
    buffers: Vec<bool>,
}

impl Task {
    /// A task without threads and special ports.
    #[must_use]
    pub fn new(map: MapId, space: SpaceId, port: PortId) -> Self {
        Self {
            map,
            space,
            port,
            threads: Vec::new(),
            suspended: 0,
            bootstrap: Right::Null,
            exception: Handlers::default(),
            registered: [const { Right::Null }; REGISTERED_PORTS],
            watch: None,
            end: None,
            is_server: false,
            borrowed: 0,
            priority: mach_protocol::boot::priority::TASK,
            name: Text::default(),
            ended_us: 0,
            device_pages: 0,
            buffers: Vec::new(),
        }
    }

    /// For whom memory is taken when it is this task's.
    #[must_use]
    pub const fn need(&self) -> Need {
        match self.priority {
            _ if !self.is_server => Need::Ordinary,
            0..=mach_protocol::boot::priority::SERVER => Need::Server,
            _ => Need::Reserved,
        }
    }

    /// Finds an address for the IPC buffer of one more thread. `None`: the task has too many threads.
    pub fn take_buffer(&mut self) -> Option<u64> {
        let index = match self.buffers.iter().position(|is_used| !is_used) {
            Some(index) => index,
            None if self.buffers.len() < MAX_THREADS => {
                self.buffers.push(false);
                self.buffers.len() - 1
            }
            None => return None,
        };
        *self.buffers.get_mut(index)? = true;
        Some(IPC_BASE + index as u64 * PAGE)
    }

    /// Gives the address of an IPC buffer back.
    pub fn put_buffer(&mut self, address: u64) {
        let index = address.wrapping_sub(IPC_BASE) / PAGE;
        if let Some(is_used) = self.buffers.get_mut(index as usize) {
            *is_used = false;
        }
    }
}
