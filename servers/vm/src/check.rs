//! Every invariant of the crate, checked over the whole state. Tests call this after each operation.

use std::collections::{BTreeMap, BTreeSet};

use crate::association::State;
use crate::fault::plan::{By, Plan, plan};
use crate::model::{Told, World};
use crate::object::Source;
use crate::page::queue::Queue;
use crate::*;

impl World {
    /// Checks everything. No operation is in progress.
    pub(crate) fn assert_valid(&self) {
        let vm = &self.vm;
        let mut refs: BTreeMap<ObjectId, u32> = BTreeMap::new();
        let mut wired: BTreeMap<PageId, u32> = BTreeMap::new();
        let mut parts: BTreeMap<ObjectId, Vec<(u64, u64)>> = BTreeMap::new();
        for (id, map) in vm.maps.iter() {
            map.entries.assert_valid(map.bounds);
            let (mut size, mut size_none, mut size_wired) = (0, 0, 0);
            for (start, entry) in map.entries.iter() {
                size += entry.end - start;
                size_none += if entry.is_counted() { 0 } else { entry.end - start };
                size_wired += if entry.wired > 0 { entry.end - start } else { 0 };
                for address in (start..entry.end).step_by(PAGE_SIZE as usize) {
                    if entry.wired == 0 {
                        break;
                    }
                    assert!(!entry.needs_copy, "WIRE-1");
                    let backing = entry.backing.expect("WIRE-1: resident");
                    let object = vm.objects.get(backing.object).expect("OBJ-1: it exists");
                    let offset = backing.offset + (address - start);
                    *wired.entry(object.pages[&offset]).or_default() += 1;
                }
                assert!(entry.attributes.max.contains(entry.attributes.prot), "prot within max");
                match entry.backing {
                    None => assert!(!entry.needs_copy && !entry.is_shared, "MAP-3"),
                    Some(backing) => {
                        *refs.entry(backing.object).or_default() += 1;
                        let part = (backing.offset, backing.offset + (entry.end - start));
                        parts.entry(backing.object).or_default().push(part);
                        let object = vm.objects.get(backing.object).expect("OBJ-1: it exists");
                        assert!(backing.offset + (entry.end - start) <= object.size, "MAP-2");
                        assert!(!entry.is_shared || object.is_shared, "shared entry and object");
                        assert!(!object.is_frozen || entry.needs_copy, "only pushes change it");
                    }
                }
            }
            let sizes = (map.size, map.size_none, map.size_wired);
            assert_eq!((size, size_none, size_wired), sizes, "MAP-1 of {id:?}");
            assert!(!map.is_locked, "nobody works on {id:?}");
        }
        let mut pages = 0;
        let mut frames = BTreeSet::new();
        for data in &self.messages {
            *refs.entry(*data).or_default() += 1;
        }
        for told in &self.machine.told {
            if let Told::Return(_, pages) = told {
                *refs.entry(pages.data.object()).or_default() += 1;
            }
        }
        for (id, object) in vm.objects.iter() {
            if let Some(shadow) = object.shadow {
                *refs.entry(shadow.object).or_default() += 1;
                let below = vm.objects.get(shadow.object).expect("OBJ-1: it exists");
                if object.source == Source::Zero {
                    assert!(shadow.offset + object.size <= below.size, "MAP-2 of shadows");
                }
            }
            if let Some(copy) = object.copy {
                let copy = vm.objects.get(copy).expect("OBJ-3: it exists");
                assert_eq!(copy.shadow.map(|shadow| shadow.object), Some(id), "OBJ-3");
            }
            assert!(vm.chain_length(id) <= 2 * object::shadow::MAX_DEPTH + 2, "OBJ-2: chains end");
            for (offset, page) in object.pages.iter() {
                let page = vm.pages.get(*page).expect("OBJ-5: it exists");
                assert_eq!((page.object, page.offset), (id, offset), "OBJ-5");
                pages += 1;
                if let Some(frame) = page.state.frame() {
                    assert!(frames.insert(frame), "a frame holds one page");
                }
            }
        }
        for (id, object) in vm.objects.iter() {
            assert_eq!(refs.get(&id).copied().unwrap_or(0), object.refs, "OBJ-1 of {id:?}");
            let mut parts = parts.remove(&id).unwrap_or_default();
            parts.sort_unstable();
            let is_disjoint = parts.windows(2).all(|pair| pair[0].1 <= pair[1].0);
            assert!(!object.is_unique || (is_disjoint && object.child.is_none()), "OBJ-4 of {id:?}");
            let mut children = BTreeSet::new();
            let (mut at, mut previous) = (object.child, None);
            while let Some(child) = at {
                assert!(children.insert(child), "children are a list");
                let child = vm.objects.get(child).expect("children exist");
                assert_eq!(child.shadow.map(|shadow| shadow.object), Some(id));
                assert_eq!(child.siblings.0, previous);
                (previous, at) = (at, child.siblings.1);
            }
            let shadowed = vm.objects.iter().filter(|(_, o)| o.shadow.is_some_and(|s| s.object == id));
            assert_eq!(children, shadowed.map(|(id, _)| id).collect(), "children of {id:?}");
            if vm.is_tidy() {
                assert!(object.refs > 0 || self.is_kept(id), "garbage is freed");
                assert!(!object.is_queued, "what is queued is a chore");
                let only = object.refs == 1 && object.child.is_some() && object.is_internal();
                // What was paged out of it keeps it where it is.
                let only = only && object.paging.is_none();
                assert!(!only || object.copy.is_some_and(|c| Some(c) != object.child), "collapsed");
            }
        }
        let (mut queued, mut at) = (BTreeSet::new(), vm.chores.object);
        while let Some(id) = at {
            assert!(queued.insert(id), "chores are a list");
            at = vm.objects.get(id).expect("OBJ-6").next_chore;
        }
        let marked = vm.objects.iter().filter(|(_, object)| object.is_queued);
        assert_eq!(queued, marked.map(|(id, _)| id).collect(), "OBJ-6");
        for (id, page) in vm.pages.iter() {
            assert_eq!(page.wired, wired.get(&id).copied().unwrap_or(0), "WIRE-1");
        }
        assert_eq!(wired.len() as u64, vm.counters.wired);
        assert_eq!(pages, vm.pages.len(), "no page without an object");
        assert_eq!(frames.len(), self.machine.used_frames(), "no frame is lost");
        assert_eq!(frames.len() as u64, vm.counters.resident);
        self.assert_associations();
        self.assert_paging();
        vm.assert_queues();
        self.assert_mappings();
    }

    /// PAGING-1, PAGING-2.
    fn assert_paging(&self) {
        let vm = &self.vm;
        let (mut requested, mut associated) = (0, 0);
        for (id, object) in vm.objects.iter() {
            let assoc = object.paging.and_then(|assoc| vm.associations.get(assoc));
            associated += u32::from(assoc.is_some());
            assert!(assoc.is_none_or(|record| record.object == id && record.manager.is_none()), "PAGING-1");
            assert!(object.paging.is_some() || object.paged.is_empty(), "PAGING-2");
            assert!(object.pages.iter().all(|(at, _)| !object.paged.contains(at)), "PAGING-2: {id:?}");
            if vm.association_of(id).is_none() {
                let pages = object.pages.values().filter_map(|page| vm.pages.get(*page));
                requested += pages.filter(|page| page.is_owed()).count();
            }
        }
        assert_eq!(self.machine.promised, requested as u64, "a frame for each page on its way in");
        assert_eq!(associated, vm.pageout.paged_objects);
    }

    /// Whether an object may be without references: it is cached, or its manager does not take its data.
    fn is_kept(&self, object: ObjectId) -> bool {
        let assoc = self.vm.association_of(object).and_then(|assoc| self.vm.associations.get(assoc));
        assoc.is_some_and(|assoc| match assoc.state {
            State::Cached { .. } => true,
            State::Terminating { .. } => assoc.awaits_room,
            State::Init | State::Ready => false,
        })
    }

    /// ASSOC-1 to ASSOC-5.
    fn assert_associations(&self) {
        let vm = &self.vm;
        let managed = vm.associations.len() - vm.pageout.paged_objects as usize;
        assert_eq!(vm.managers.len(), managed, "ASSOC-1");
        let mut cached = 0;
        for (id, record) in vm.associations.iter() {
            let object = vm.objects.get(record.object).expect("ASSOC-2: it exists");
            match record.manager {
                Some(manager) => {
                    assert_eq!(vm.managers.get(&manager), Some(&id), "ASSOC-1");
                    assert_eq!(object.source, Source::Manager(id), "ASSOC-2");
                }
                None => assert_eq!(object.paging, Some(id), "ASSOC-2"),
            }
            let pages = || object.pages.iter().filter_map(|(at, page)| Some((at, vm.pages.get(*page)?)));
            let owed: BTreeSet<u64> = pages().filter(|(_, page)| page.is_owed()).map(|(at, _)| at).collect();
            assert!(record.owed.iter().eq(owed.iter().copied()), "ASSOC-3");
            assert!(owed.len() <= association::MAX_OWED, "ASSOC-3");
            let asked: BTreeSet<u64> = pages().filter(|(_, page)| page.is_unsolicited).map(|(at, _)| at).collect();
            assert_eq!(asked.len(), record.unsolicited as usize, "ASSOC-4");
            assert_eq!(self.machine.unasked.get(&id).copied().unwrap_or(0), record.unsolicited, "ASSOC-4");
            let is_waited_for = !owed.is_empty()
                || record.lingers
                || record.owes_synchronize()
                || record.awaits_room
                || (record.awaits_ready && record.state == State::Init);
            assert_eq!(record.is_waited_for, is_waited_for);
            assert_eq!(self.machine.waited_for.contains(&id), is_waited_for);
            if let State::Cached { since } = record.state {
                assert_eq!(vm.cached.get(&since), Some(&id), "ASSOC-5");
                assert_eq!(object.refs, 0, "nobody maps what is cached");
                cached += 1;
            }
        }
        assert_eq!(cached, vm.cached.len(), "ASSOC-5");
        for id in &self.machine.waited_for {
            assert!(vm.associations.get(*id).is_some(), "nobody waits for what is over");
        }
        for (_, object) in vm.objects.iter() {
            if let Source::Manager(assoc) = object.source {
                assert!(vm.associations.get(assoc).is_some(), "ASSOC-2: it exists");
            }
        }
    }

    /// Whether anybody finds a page of an object at this offset.
    fn is_reached(&self, object: ObjectId, offset: u64) -> bool {
        let mut entries = self.vm.maps.iter().flat_map(|(_, map)| map.entries.iter());
        let is_mapped = entries.any(|(start, entry)| {
            entry.backing.is_some_and(|backing| {
                backing.object == object && (backing.offset..backing.offset + (entry.end - start)).contains(&offset)
            })
        });
        is_mapped || self.vm.objects.get(object).is_some_and(|object| object.child.is_some())
    }

    /// What hardware lets a task do is what a fault would decide now.
    fn assert_mappings(&self) {
        for (id, map) in self.vm.maps.iter() {
            let Some(space) = map.space else { continue };
            for (address, (frame, prot)) in &self.machine.spaces[&space] {
                for access in [Prot::READ, Prot::WRITE, Prot::EXECUTE] {
                    if !prot.contains(access) {
                        continue;
                    }
                    match plan(&self.vm, id, *address, access, By::Task) {
                        Plan::Use { page, frame: wanted, prot: allowed, becomes_dirty } => {
                            let queue = self.vm.pages.get(page).expect("a page").links.queue;
                            assert!(!matches!(queue, Queue::Inactive(_)), "inactive pages are mapped nowhere");
                            assert!(!becomes_dirty, "no page is written without notice");
                            assert_eq!(*frame, wanted, "{id:?} {address:#x} {access:?}");
                            assert!(allowed.contains(access), "{id:?} {address:#x} {access:?}");
                        }
                        // A copy object need not have what none of its users can reach any more.
                        Plan::Push { copy, offset, .. } if !self.is_reached(copy, offset) => {}
                        other => panic!("{id:?} {address:#x} {access:?} mapped, but {other:?}"),
                    }
                }
            }
        }
    }
}

impl World {
    /// The bytes that a task's page shows, whatever its protection, without changing anything.
    pub(crate) fn peek_page(&mut self, id: MapId, address: u64) -> Vec<u8> {
        let found = self.vm.maps.get(id).and_then(|map| map.entries.lookup(address));
        let backing = found.and_then(|(start, entry)| {
            entry.backing.map(|backing| (backing.object, backing.offset + (address - start)))
        });
        let found = backing
            .map(|(object, offset)| fault::plan::walk(&self.vm, object, offset, Prot::NONE).map(|found| found.frame));
        let frame = match found {
            Some(Ok(frame)) => Some(frame),
            Some(Err(Plan::Request { object, offset, .. })) if self.vm.association_of(object).is_none() => {
                return self.peek_paged(object, offset).expect("the pager has it");
            }
            Some(Err(Plan::Wait(WaitOn::Page(page)))) if self.pager.is_some() => {
                let page = self.vm.pages.get(page).expect("a page");
                let (object, offset) = (page.object, page.offset);
                return self.peek_paged(object, offset).expect("the pager has it");
            }
            _ => None,
        };
        frame.map_or(vec![0; PAGE_SIZE as usize], |frame| self.machine.bytes(frame).to_vec())
    }

    /// The same for one byte; nothing where nothing is mapped.
    pub(crate) fn peek(&mut self, id: MapId, address: u64) -> Option<u8> {
        self.vm.maps.get(id)?.entries.lookup(address)?;
        Some(self.peek_page(id, trunc(address))[(address % PAGE_SIZE) as usize])
    }
}
