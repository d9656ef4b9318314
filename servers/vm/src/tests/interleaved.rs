//! Several operations in progress at once, stepped in any order, while a thread of the task keeps writing.
//!
//! The writer stores 1, 2, 3, ... into one page after the other. A snapshot of the pages must show a prefix of what it
//! wrote: with the largest number `n` in it, every page holds the last number up to `n` that was written there.

use proptest::prelude::*;

use super::bench::{P, RW};
use crate::model::World;
use crate::*;

const PAGES: u64 = 150;
const DATA: u64 = 0x1000_0000;
const SCRATCH: u64 = 0x2000_0000;
const COPIES: u64 = 0x3000_0000;

/// An operation in progress.
enum Job {
    Fork(Fork),
    Read(Read),
    Copy(Copy, u64),
    Deallocate(Deallocate),
    Allocate(Allocate),
    Protect(Protect),
    Destroy(Destroy),
}

/// Where a snapshot is found when it is complete.
enum Snapshot {
    None,
    At(MapId, u64),
}

struct Run {
    world: World,
    task: MapId,
    jobs: Vec<(Job, Option<WaitOn>)>,
    /// The writer's fault, and what it waits for.
    fault: Option<(Fault, Option<WaitOn>)>,
    written: u32,
    copies: u64,
    children: Vec<MapId>,
}

impl Run {
    fn new() -> Run {
        let mut world = World::new(6000);
        let task = world.task();
        let mut run = Run { world, task, jobs: Vec::new(), fault: None, written: 0, copies: 0, children: Vec::new() };
        for start in [DATA, SCRATCH] {
            let size = PAGES * P;
            let call = Allocate::new(Some(task), start, size, flags::FIXED, Family::Xnu);
            run.world.run(call).unwrap();
        }
        // Every page is mapped from the start, so that the writer only faults where something took WRITE away.
        for page in 0..PAGES {
            run.world.fill(task, DATA + page * P, 0).unwrap();
        }
        run
    }

    fn start(&mut self, kind: u8) {
        let target = Some(self.task);
        let size = PAGES * P;
        let job = match kind % 8 {
            0 => Job::Fork(Fork::new(self.task)),
            1 => Job::Read(Read::new(target, DATA, size, self.task)),
            2 => {
                let dest = COPIES + self.copies * size;
                self.copies += 1;
                let call = Allocate::new(target, dest, size, flags::FIXED, Family::Xnu);
                if self.jobs.is_empty() {
                    self.world.run(call).unwrap();
                    Job::Copy(Copy::new(target, DATA, size, dest), dest)
                } else {
                    Job::Allocate(call)
                }
            }
            3 => Job::Deallocate(Deallocate::new(target, SCRATCH, size, Holes::Allowed)),
            4 | 5 => {
                let flags = flags::FIXED | flags::OVERWRITE;
                Job::Allocate(Allocate::new(target, SCRATCH, size, flags, Family::Xnu))
            }
            6 => Job::Protect(Protect::new(target, DATA, size, false, RW, Family::Xnu)),
            _ => match self.children.pop() {
                Some(child) => Job::Destroy(Destroy::new(child)),
                None => return,
            },
        };
        self.jobs.push((job, None));
    }

    /// One store of the writer's, or one step of its fault.
    fn write(&mut self) {
        let address = DATA + u64::from(self.written) * 7 % PAGES * P;
        if let Some((fault, wait)) = &mut self.fault {
            if wait.is_some() {
                return;
            }
            match fault.step(&mut self.world.vm, &mut self.world.machine) {
                Step::Done(result) => {
                    result.expect("the data stays accessible");
                    self.fault = None;
                }
                Step::Wait(what) => *wait = Some(what),
                Step::Again => {}
            }
            return;
        }
        let space = self.world.vm.space_of(self.task).unwrap();
        match self.world.machine.spaces[&space].get(&address) {
            Some((frame, prot)) if prot.contains(Prot::WRITE) => {
                let frame = *frame;
                self.written += 1;
                let bytes = self.written.to_le_bytes();
                self.world.machine.bytes(frame)[..4].copy_from_slice(&bytes);
            }
            _ => self.fault = Some((Fault::new(self.task, address, Prot::WRITE), None)),
        }
    }

    /// One step of a job that can go on. False if none can.
    fn step(&mut self, choice: usize) -> bool {
        let ready: Vec<usize> = (0..self.jobs.len()).filter(|n| self.jobs[*n].1.is_none()).collect();
        if ready.is_empty() {
            return false;
        }
        let number = ready[choice % ready.len()];
        let (job, _) = &mut self.jobs[number];
        let world = &mut self.world;
        let step = match job {
            Job::Fork(fork) => match world.step(fork) {
                Step::Done(child) => {
                    let child = child.unwrap();
                    self.children.push(child);
                    Step::Done(Ok(Snapshot::At(child, DATA)))
                }
                other => forget(other),
            },
            Job::Read(read) => match world.step(read) {
                Step::Done(out) => Step::Done(Ok(Snapshot::At(self.task, out.unwrap().data))),
                other => forget(other),
            },
            Job::Copy(copy, dest) => match world.step(copy) {
                Step::Done(result) => {
                    result.unwrap();
                    Step::Done(Ok(Snapshot::At(self.task, *dest)))
                }
                other => forget(other),
            },
            Job::Deallocate(call) => forget(world.step(call)),
            Job::Allocate(call) => forget(world.step(call)),
            Job::Protect(call) => forget(world.step(call)),
            Job::Destroy(call) => forget(world.step(call)),
        };
        match step {
            Step::Again => {}
            Step::Wait(what) => self.jobs[number].1 = Some(what),
            Step::Done(snapshot) => {
                self.jobs.remove(number);
                if let Ok(Snapshot::At(map, address)) = snapshot {
                    self.check(map, address);
                }
            }
        }
        self.wake();
        true
    }

    fn wake(&mut self) {
        while let Some((what, _)) = self.world.vm.next_wakeup() {
            let waits = self.jobs.iter_mut().map(|(_, wait)| wait);
            let all = waits.chain(self.fault.iter_mut().map(|(_, wait)| wait));
            for wait in all.filter(|wait| **wait == Some(what)) {
                *wait = None;
            }
        }
    }

    /// Whether a snapshot is a prefix of what was written.
    fn check(&mut self, map: MapId, address: u64) {
        let numbers: Vec<u32> = (0..PAGES)
            .map(|page| {
                let bytes = self.world.peek_page(map, address + page * P);
                u32::from_le_bytes(bytes[..4].try_into().unwrap())
            })
            .collect();
        let last = numbers.iter().copied().max().unwrap_or(0);
        let mut wanted = vec![0; PAGES as usize];
        for number in 1..=last {
            wanted[(u64::from(number - 1) * 7 % PAGES) as usize] = number;
        }
        assert_eq!(numbers, wanted, "a snapshot of one moment");
    }
}

fn forget<T>(step: Step<T>) -> Step<Snapshot> {
    match step {
        Step::Done(Ok(_)) => Step::Done(Ok(Snapshot::None)),
        Step::Done(Err(error)) => Step::Done(Err(error)),
        Step::Wait(what) => Step::Wait(what),
        Step::Again => Step::Again,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn snapshots_are_of_one_moment_and_nobody_waits_for_ever(
        choices in prop::collection::vec((any::<u8>(), any::<u8>()), 1..1200),
    ) {
        let mut run = Run::new();
        for (what, choice) in choices {
            match what % 16 {
                0 if run.jobs.len() < 4 => run.start(choice),
                0..=5 => { run.step(choice.into()); }
                _ => run.write(),
            }
            run.wake();
        }
        while !run.jobs.is_empty() {
            prop_assert!(run.step(0), "somebody can always go on");
        }
        run.wake();
        prop_assert!(run.fault.as_ref().is_none_or(|(_, wait)| wait.is_none()));
        run.world.assert_valid();
        for task in run.children.iter().copied().chain([run.task]) {
            run.world.end(task);
        }
        run.world.assert_valid();
        prop_assert_eq!(run.world.machine.used_frames(), 0);
    }
}
