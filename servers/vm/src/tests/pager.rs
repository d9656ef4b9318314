//! A default pager for tests: it keeps what is paged out in ordinary memory of the host, and answers from there.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{BOUNDS, Told, World};
use crate::*;

/// Who keeps the pages of anonymous memory.
pub(crate) struct ModelPager {
    map: MapId,
    objects: BTreeSet<AssocId>,
    store: BTreeMap<(AssocId, u64), Vec<u8>>,
    /// Pages that it can keep: what comes beyond is given back.
    pub(crate) space: usize,
    /// The pages that it cannot read.
    pub(crate) broken: BTreeSet<(AssocId, u64)>,
    /// It keeps no copy of what it supplies.
    pub(crate) is_frugal: bool,
    /// It has memory of its own for every second message.
    pub(crate) has_places: bool,
    pub(crate) creates: usize,
    pub(crate) returned: u64,
    pub(crate) supplied: u64,
}

impl World {
    /// A world with a default pager, and a reserve of frames for it.
    pub(crate) fn with_pager(frames: u32, reserve: u64) -> World {
        let mut world = World::new(frames);
        world.machine.reserve = reserve;
        world.vm.set_free_targets(reserve + 8, reserve + 16);
        let map = world.vm.create_map(&mut world.machine, BOUNDS).expect("room for the pager");
        world.vm.keep_resident(map);
        world.pager = Some(ModelPager {
            map,
            objects: BTreeSet::new(),
            store: BTreeMap::new(),
            space: usize::MAX,
            broken: BTreeSet::new(),
            is_frugal: false,
            has_places: true,
            creates: 0,
            returned: 0,
            supplied: 0,
        });
        world.vm.set_default_pager(true);
        world
    }

    /// The pager takes up to so many messages. Answers how many there were.
    pub(crate) fn serve_pager(&mut self, most: usize) -> usize {
        for done in 0..most {
            let Some(pager) = &mut self.pager else { return done };
            let is_its = |told: &Told| match told {
                Told::Create(..) => true,
                Told::Return(assoc, _) | Told::Request(assoc, ..) | Told::Terminate(assoc) => {
                    pager.objects.contains(assoc)
                }
                Told::Init(..) | Told::Copy(..) | Told::Unlock(..) | Told::Synchronize(..) | Told::NameDead(_) => false,
            };
            let Some(at) = self.machine.told.iter().position(is_its) else { return done };
            let told = self.machine.told.remove(at);
            let fail_in = self.machine.fail_in.take();
            self.machine.is_pager = true;
            self.serve_one(told);
            self.machine.is_pager = false;
            self.machine.fail_in = fail_in;
        }
        most
    }

    fn serve_one(&mut self, told: Told) {
        let pager = self.pager.as_mut().expect("a pager");
        match told {
            Told::Create(assoc, _) => {
                assert!(pager.objects.insert(assoc), "made once");
                pager.creates += 1;
            }
            Told::Return(assoc, pages) => {
                assert!(pages.is_dirty && !pages.kernel_copy);
                self.take_return(assoc, pages);
            }
            Told::Request(assoc, offset, _) => self.answer_request(assoc, offset),
            Told::Terminate(assoc) => {
                assert!(pager.objects.remove(&assoc));
                pager.store.retain(|(of, _), _| *of != assoc);
            }
            Told::Init(..) | Told::Copy(..) | Told::Unlock(..) | Told::Synchronize(..) | Told::NameDead(_) => {
                unreachable!("not the pager's")
            }
        }
    }

    fn take_return(&mut self, assoc: AssocId, pages: ReturnedPages) {
        let map = self.pager.as_ref().expect("a pager").map;
        let (offset, size) = (pages.offset, pages.data.size());
        let lands = self.pager.as_ref().is_some_and(|pager| pager.has_places && pager.returned % 2 == 1);
        let place = lands.then(|| self.run(Allocate::new(Some(map), 0, size, 1, Family::Xnu)).expect("addresses"));
        let landed = match place {
            Some(start) => {
                let place = Range { start, end: start + size };
                let landed = self.vm.land_returned(&mut self.machine, map, place, pages.data);
                if landed.is_err() {
                    self.run(Deallocate::new(Some(map), start, size, Holes::Allowed)).expect("the pager's memory");
                }
                landed.map(|()| start)
            }
            None => Err(pages.data),
        };
        let address =
            landed.unwrap_or_else(|data| self.run(MapReturned::new(map, data)).expect("room in the pager's map"));
        for at in (0..size).step_by(PAGE_SIZE as usize) {
            let bytes = self.load_page(map, address + at).expect("what was returned");
            let pager = self.pager.as_mut().expect("a pager");
            pager.returned += 1;
            if pager.store.len() < pager.space || pager.store.contains_key(&(assoc, offset + at)) {
                pager.store.insert((assoc, offset + at), bytes);
            } else {
                self.supply(assoc, offset + at, (map, address + at), true);
            }
        }
        self.run(Deallocate::new(Some(map), address, size, Holes::Allowed)).expect("the pager's memory");
    }

    fn answer_request(&mut self, assoc: AssocId, offset: u64) {
        let pager = self.pager.as_mut().expect("a pager");
        // While it has no space it sets the slot free of what it gives back.
        let (map, is_precious) = (pager.map, pager.is_frugal || self.vm.pageout.is_full);
        if pager.broken.contains(&(assoc, offset)) {
            return self.vm.data_error(&mut self.machine, assoc, offset, PAGE_SIZE).expect("an answer");
        }
        let bytes =
            if is_precious { pager.store.remove(&(assoc, offset)) } else { pager.store.get(&(assoc, offset)).cloned() };
        // What was given back is there already.
        let Some(bytes) = bytes else { return };
        pager.supplied += 1;
        let address = self.filled_page(map, &bytes);
        self.supply(assoc, offset, (map, address), is_precious);
    }

    /// A page of the pager's own with these bytes.
    fn filled_page(&mut self, map: MapId, bytes: &[u8]) -> u64 {
        let address = self.run(Allocate::new(Some(map), 0, PAGE_SIZE, 1, Family::Xnu)).expect("the pager's memory");
        let frame = self.access(map, address, Prot::WRITE).expect("the pager's memory");
        self.machine.bytes(frame).copy_from_slice(bytes);
        address
    }

    /// The pager finds no slot for a page of which it was asked meanwhile, and gives it back.
    pub(crate) fn give_back(&mut self, assoc: AssocId, offset: u64) {
        let pager = self.pager.as_mut().expect("a pager");
        let (map, bytes) = (pager.map, pager.store.remove(&(assoc, offset)).expect("it is there"));
        let address = self.filled_page(map, &bytes);
        self.supply(assoc, offset, (map, address), true);
    }

    fn supply(&mut self, assoc: AssocId, offset: u64, (map, address): (MapId, u64), precious: bool) {
        let args = SupplyArgs { offset, map, address, size: PAGE_SIZE, deallocate: true, lock_value: 0, precious };
        let done = self.run(DataSupply::new(assoc, args));
        // The object may be gone.
        assert!(done.is_err() || done.is_ok_and(|done| done.result.0 == 0), "{done:?}");
    }

    /// Plays the pager, and the chore of page-out, until a wait is over. One for frames may be in vain.
    pub(crate) fn wait_for_pager(&mut self, what: WaitOn) -> Wake {
        assert!(self.pager.is_some() && !self.machine.is_pager, "nobody will wake {what:?}");
        let freed = self.machine.freed;
        self.vm.set_frames_awaited(matches!(what, WaitOn::Frames(_)));
        let wake = self.wait_for(what, freed);
        self.vm.set_frames_awaited(false);
        wake
    }

    fn wait_for(&mut self, what: WaitOn, freed: u64) -> Wake {
        loop {
            if matches!(what, WaitOn::Frames(_)) && self.machine.freed != freed {
                return Wake::Retry;
            }
            // The pager's own calls note the waits that they end.
            self.drain();
            let woken = core::mem::take(&mut self.woken);
            if let Some((_, wake)) = woken.into_iter().find(|(woken, _)| *woken == what) {
                return wake;
            }
            let goes_on = self.vm.page_out(&mut self.machine);
            if self.serve_pager(1) == 0 && !goes_on && self.vm.is_tidy() {
                // What is on its way in waits as long as it takes, but for memory that a test refuses for good.
                let is_refused = self.machine.fail_in == Some(0) && what == WaitOn::Frames(FrameFor::PageIn);
                assert!(is_refused || what == WaitOn::Frames(FrameFor::New), "nobody will wake {what:?}");
                return Wake::Failed(mach_protocol::KernReturn::RESOURCE_SHORTAGE);
            }
            self.settle();
        }
    }

    /// What the pager has of a page, or what is on its way there.
    pub(crate) fn peek_paged(&mut self, object: ObjectId, offset: u64) -> Option<Vec<u8>> {
        let assoc = self.vm.objects.get(object)?.paging?;
        let returned = self.machine.told.iter().rev().find_map(|told| match told {
            Told::Return(to, pages) if *to == assoc => {
                let at = offset.checked_sub(pages.offset).filter(|at| *at < pages.data.size())?;
                Some((pages.data.object(), at))
            }
            _ => None,
        });
        if let Some((data, at)) = returned {
            let page = *self.vm.objects.get(data)?.pages.get(&at)?;
            let frame = self.vm.pages.get(page)?.state.frame()?;
            return Some(self.machine.bytes(frame).to_vec());
        }
        self.pager.as_ref()?.store.get(&(assoc, offset)).cloned()
    }

    /// Ends the pager, which has nothing left.
    pub(crate) fn end_pager(&mut self) {
        while self.serve_pager(100) > 0 {
            self.settle();
        }
        let pager = self.pager.take().expect("a pager");
        assert!(pager.objects.is_empty() && pager.store.is_empty(), "every object is terminated");
        self.end(pager.map);
    }
}
