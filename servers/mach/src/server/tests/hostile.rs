//! Tasks that send whatever the [`attack`] crate thinks of, beside one that wants to live.

use attack::{Attacker, Knowledge, Own};
use vm::{GetBytes, MapId, Operation, PutBytes, Step};

use mach_protocol::private::MachReplyPort;

use super::*;
use crate::task::TaskId;

const MEMORY: u64 = 0x50_0000;
const BYTES: u64 = 8 * PAGES;

/// A machine with a bystander, under attack.
struct Siege {
    host: Host,
    attacker: Attacker,
    bystander: TaskId,
    witness: ThreadId,
    pattern: Vec<u8>,
    /// A port that the bystander receives from.
    port: PortName,
}

/// What is in use, as far as it must come back.
#[derive(Debug, PartialEq, Eq)]
struct InUse {
    memory: Usage,
    free: u32,
    ports: (usize, usize, usize),
    tasks: usize,
    threads: usize,
}

impl Siege {
    fn new(seed: u64) -> Self {
        let mut host = Host::new();
        let task = host.new_task();
        let (_, witness) = host.new_thread(task);
        host.call(task, &VmAllocate { address: MEMORY, size: BYTES, flags: 0 }).unwrap();
        let bystander = host.server.threads.get(witness).unwrap().task;
        let pattern: Vec<u8> = (0..BYTES).map(|at| (at * 7 + at / 251) as u8).collect();
        let name = host.call_by(witness, PortName::NULL, &MachReplyPort {}).unwrap().name;
        let mut siege = Self { port: name, host, attacker: Attacker::new(seed), bystander, witness, pattern };
        let put = PutBytes::new(siege.map(), MEMORY, siege.pattern.clone());
        siege.finish(put).expect("the bystander has memory");
        siege
    }

    fn map(&self) -> MapId {
        self.host.server.tasks.get(self.bystander).expect("the bystander lives").map
    }

    /// Steps an operation of the virtual memory to its end.
    fn finish<O: Operation>(&mut self, mut operation: O) -> Result<O::Out, mach_protocol::KernReturn> {
        loop {
            match operation.step(&mut self.host.server.vm, &mut self.host.server.hw) {
                Step::Done(outcome) => return outcome,
                Step::Again => {}
                Step::Wait(on) => panic!("the bystander waits for {on:?}"),
            }
        }
    }

    fn in_use(&self) -> InUse {
        let (memory, free) = self.host.usage();
        let server = &self.host.server;
        InUse {
            // Reply objects and the tables behind them are kept for later threads.
            memory: Usage { replies: 0, ..memory },
            free: free + memory.replies.div_ceil(128),
            ports: server.ports.counts(),
            tasks: server.tasks.iter().count(),
            threads: server.threads.iter().count(),
        }
    }

    /// Tasks that are neither root nor the bystander.
    fn hostile_tasks(&self) -> Vec<TaskId> {
        let server = &self.host.server;
        server.tasks.iter().map(|(id, _)| id).filter(|id| *id != server.root && *id != self.bystander).collect()
    }

    /// Threads of such tasks that can send something.
    fn attackers(&self) -> Vec<ThreadId> {
        let server = &self.host.server;
        let hostile = server.threads.iter().filter(|(_, thread)| {
            let is_ours = thread.task == server.root || thread.task == self.bystander;
            !is_ours && !thread.is_blocked && server.hw.machine.runs(thread.tcb)
        });
        hostile.map(|(id, _)| id).collect()
    }

    /// Lets in one more hostile task, which has a right to a port of the bystander's.
    fn let_in(&mut self) {
        let task = self.host.new_task();
        let (_, thread) = self.host.new_thread(task);
        let (_, other) = self.host.new_thread(task);
        self.host.call(task, &VmAllocate { address: MEMORY, size: BYTES, flags: 0 }).unwrap();
        self.host.call_by(thread, PortName::NULL, &MachTaskSelf {}).unwrap();
        self.host.call_by(thread, PortName::NULL, &MachHostSelf {}).unwrap();
        for thread in [thread, other] {
            self.host.call_by(thread, PortName::NULL, &MachThreadSelf {}).unwrap();
            self.host.call_by(thread, PortName::NULL, &MachReplyPort {}).unwrap();
        }
        let space = self.host.server.tasks.get(self.host.server.threads.get(thread).unwrap().task).unwrap().space;
        let server = &mut self.host.server;
        let from = server.tasks.get(self.bystander).unwrap().space;
        let right = server.ports.extract_right(from, self.port, Disposition::MAKE_SEND.0 as u8).unwrap();
        server.ports.copy_out(space, right).unwrap();
        // Root forgets it.
        let own = self.host.own_task();
        let _ = self.host.call(own, &MachPortDeallocate { name: task });
    }

    /// A thread's names of its task and itself, if the task has any.
    fn own(&mut self, thread: ThreadId, task: TaskId) -> Own {
        let server = &mut self.host.server;
        let (space, port) = server.tasks.get(task).map(|task| (task.space, task.port)).expect("it lives");
        let thread = server.threads.get(thread).expect("it lives").port;
        let mut name = |port| server.ports.give_send(space, port).map_or(0, |name| name.0);
        Own { task: name(port), thread: name(thread) }
    }

    /// One message, fault or tick.
    fn strike(&mut self, thread: ThreadId) {
        let server = &mut self.host.server;
        let Some(task) = server.threads.get(thread).map(|thread| thread.task) else { return };
        let Some(space) = server.tasks.get(task).map(|task| task.space) else { return };
        let names: Vec<u32> =
            server.ports.names(space).unwrap_or_default().iter().take(64).map(|name| name.name.0).collect();
        let addresses = [MEMORY, MEMORY + BYTES, 0x1_0000, 1 << 30];
        let own = self.own(thread, task);
        let attack = self.attacker.next(&Knowledge { own, names: &names, addresses: &addresses });
        self.host.fake().replies.clear();
        match self.attacker.random.below(100) {
            0..3 => {
                self.host.server.message(TICKER, 0, &[]);
                self.host.settle();
            }
            3..12 => {
                let label = self.attacker.random.pick(&[6, 6, 6, 6, 3, 2, 1, 5, 0, 9]);
                self.host.send(Badge::Fault(thread), label, attack.words.as_slice());
            }
            _ => {
                self.host.send(Badge::Call(thread), attack.label, attack.words.as_slice());
            }
        }
    }

    /// The bystander is answered, and its memory is what it wrote.
    fn check(&mut self) {
        self.host.fake().replies.clear();
        let witness = self.witness;
        let space = self.host.call_by(witness, PortName::NULL, &MachTaskSelf {}).expect("an answer").name;
        assert!(self.host.call_by(witness, space, &VmStatistics {}).is_ok());
        let bytes = self.finish(GetBytes::new(self.map(), MEMORY, BYTES)).expect("it is there");
        assert!(bytes == self.pattern, "the bystander's memory changed");
        assert!(self.host.touch(witness, MEMORY));
        assert_eq!(self.host.fake().stopped, None);
    }

    /// The bystander takes what came to its port.
    fn empty_port(&mut self) {
        let request = MsgReceive {
            name: self.port,
            option: MsgOption::RCV_TIMEOUT,
            timeout_ms: 0,
            size: 1000,
            ..MsgReceive::default()
        };
        let request = MsgRequest::Receive(request);
        let names = |siege: &mut Self| {
            let space = siege.host.server.tasks.get(siege.bystander).expect("it lives").space;
            siege.host.server.ports.names(space).expect("it lives")
        };
        let before: Vec<PortName> = names(self).iter().map(|name| name.name).collect();
        loop {
            let words = request.pack();
            let reply = self.host.send(Badge::Call(self.witness), u64::from(request.id()), words.as_slice());
            let reply = reply.expect("an answer");
            let reply = MsgReply::unpack(request.id(), reply.label, &reply.words).expect("a reply of mach_msg");
            if reply.code == KernReturn::RCV_TIMED_OUT {
                break;
            }
        }
        for name in names(self).into_iter().filter(|name| !before.contains(&name.name)) {
            let own = self.host.call_by(self.witness, PortName::NULL, &MachTaskSelf {}).expect("an answer").name;
            let destroy = MachPortDestroy { name: name.name };
            assert_eq!(self.host.call_by(self.witness, own, &destroy).map(drop), Ok(()));
        }
    }

    fn end_all(&mut self) {
        for task in self.hostile_tasks() {
            self.host.server.end_task(task, TaskEnd::Terminated, None);
        }
        self.host.settle();
        self.empty_port();
    }
}

fn besiege(seed: u64, strikes: u32) {
    let mut siege = Siege::new(seed);
    // Once for what a first time costs.
    siege.let_in();
    siege.check();
    siege.end_all();
    let before = siege.in_use();
    for strike in 0..strikes {
        let attackers = siege.attackers();
        if attackers.is_empty() || siege.hostile_tasks().len() > 40 {
            siege.end_all();
            siege.check();
            assert_eq!(siege.in_use(), before, "seed {seed}, after {strike} strikes");
            siege.let_in();
            continue;
        }
        let thread = siege.attacker.random.pick(&attackers.iter().map(|id| Some(*id)).collect::<Vec<_>>());
        thread.into_iter().for_each(|thread| siege.strike(thread));
        if strike % 64 == 0 {
            siege.check();
        }
    }
    siege.end_all();
    siege.check();
    assert_eq!(siege.in_use(), before, "seed {seed}");
    assert!(siege.host.server.ops.is_empty(), "seed {seed}: operations are left");
}

#[test]
fn hostile_tasks_hurt_nobody_and_leave_nothing() {
    // `HOSTILE_SEEDS=1000..2000` tries others, for a longer search.
    let seeds = super::std::env::var("HOSTILE_SEEDS").ok();
    let range = seeds.as_deref().and_then(|text| text.split_once("..")).map(|(a, b)| (a.parse(), b.parse()));
    let seeds = match range {
        Some((Ok(first), Ok(end))) => first..end,
        _ => 1..7_u64,
    };
    for seed in seeds {
        besiege(seed, 3_000);
    }
}
