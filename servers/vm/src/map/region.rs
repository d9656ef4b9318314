//! `vm_region` in its three forms, and what else can be asked about maps. Nothing here waits.

use alloc::vec::Vec;

use mach_protocol::{KernResult, KernReturn};

use super::entry::Entry;
use super::{Events, Limits};
use crate::object::Source;
use crate::step::Env;
use crate::types::{Inherit, MapId, ObjectId, PAGE_SIZE, Prot};
use crate::vm::Vm;

/// A region as GNU's `vm_region` (2029) reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where it starts; may be below the address that was asked for.
    pub address: u64,
    /// Its length.
    pub size: u64,
    /// Current protection.
    pub protection: Prot,
    /// Maximum protection.
    pub max_protection: Prot,
    /// Inheritance.
    pub inheritance: Inherit,
    /// Others use the same memory on purpose.
    pub is_shared: bool,
    /// The object at the end of the chain, whose name port the caller gets; nothing for untouched memory. The
    /// server hears of its end by [`crate::Pager::name_dead`].
    pub object_name: Option<ObjectId>,
    /// Offset in the object.
    pub offset: u64,
}

/// A region as XNU's calls report it: the structure in 32-bit words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionInfo {
    /// Where it starts.
    pub address: u64,
    /// Its length.
    pub size: u64,
    /// The structure of the flavor; its length is the count that is returned.
    pub words: Vec<u32>,
}

/// The flavors of XNU's `vm_region`, with the count each needs.
mod flavor {
    pub(super) const BASIC_64: (u32, u32) = (9, 9);
    pub(super) const BASIC: (u32, u32) = (10, 8);
    pub(super) const EXTENDED_LEGACY: (u32, u32) = (11, 8);
    pub(super) const TOP: (u32, u32) = (12, 5);
    pub(super) const EXTENDED: (u32, u32) = (13, 9);
}

/// Which structure `VM_REGION_BASIC_INFO` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BasicInfo {
    /// The 32-bit structure (id 3800).
    Narrow,
    /// The same as the 64-bit flavor (3824, 4816).
    Wide,
}

/// How the memory of a region is shared (`SM_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum ShareMode {
    Cow = 1,
    Private = 2,
    Empty = 3,
    Shared = 4,
}

/// What is counted over the pages of a region.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    resident: u32,
    dirty: u32,
    ref_count: u32,
    depth: u16,
    is_external: bool,
}

impl Vm {
    /// GNU's `vm_region`.
    ///
    /// # Errors
    /// `InvalidArgument`: the target is no task; `NoSpace`: nothing at or above the address.
    pub fn region(&mut self, target: Option<MapId>, address: u64) -> KernResult<Region> {
        let id = self.target(target)?;
        let (start, entry) = self.entry_at_or_above(id, address).ok_or(KernReturn::NO_SPACE)?;
        let object_name = entry.backing.map(|backing| self.chain_end(backing.object));
        if let Some(object) = object_name.and_then(|id| self.objects.get_mut(id)) {
            object.is_named = true;
        }
        Ok(Region {
            address: start,
            size: entry.end - start,
            protection: entry.attributes.prot,
            max_protection: entry.attributes.max,
            inheritance: entry.attributes.inherit,
            is_shared: entry.is_shared,
            object_name,
            offset: entry.backing.map_or(0, |backing| backing.offset),
        })
    }

    /// XNU's `vm_region` (3800, 3824, 4816).
    ///
    /// # Errors
    /// | # | check                                    | error             |
    /// |---|------------------------------------------|-------------------|
    /// | 1 | the target is a task                     | `InvalidArgument` |
    /// | 2 | known flavor, room for its structure     | `InvalidArgument` |
    /// | 3 | something at or above the address        | `InvalidAddress`  |
    pub fn region_info(
        &self,
        target: Option<MapId>,
        address: u64,
        flavor: u32,
        count: u32,
        basic: BasicInfo,
    ) -> KernResult<RegionInfo> {
        let id = self.target(target)?;
        let flavors = [flavor::BASIC_64, flavor::BASIC, flavor::EXTENDED_LEGACY, flavor::TOP, flavor::EXTENDED];
        let found = flavors.iter().find(|(number, _)| *number == flavor);
        let found = match (found.copied(), basic) {
            (Some(flavor::BASIC), BasicInfo::Wide) => Some(flavor::BASIC_64),
            (found, _) => found,
        };
        let found = found.filter(|(_, needed)| count >= *needed);
        let found = found.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let (start, entry) = self.entry_at_or_above(id, address).ok_or(KernReturn::INVALID_ADDRESS)?;
        let mut words = Words(Vec::new());
        match found {
            flavor::BASIC_64 => self.basic_info(&mut words, &entry, BasicInfo::Wide),
            flavor::BASIC => self.basic_info(&mut words, &entry, BasicInfo::Narrow),
            flavor::TOP => self.top_info(&mut words, start, &entry),
            _ => self.extended_info(&mut words, start, &entry),
        }
        words.0.resize(found.1 as usize, 0);
        Ok(RegionInfo { address: start, size: entry.end - start, words: words.0 })
    }

    /// `vm_region_recurse` (3821, 3822, 4815). There are no submaps, so the nesting depth is always 0.
    ///
    /// # Errors
    /// As for [`Vm::region_info`]; counts below the oldest form are `InvalidArgument`.
    pub fn region_recurse(&self, target: Option<MapId>, address: u64, count: u32) -> KernResult<RegionInfo> {
        const COUNTS: [u32; 3] = [19, 17, 16];
        let id = self.target(target)?;
        let count = COUNTS.iter().find(|known| count >= **known);
        let count = *count.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let (start, entry) = self.entry_at_or_above(id, address).ok_or(KernReturn::INVALID_ADDRESS)?;
        let tally = self.tally(start, &entry);
        let attributes = &entry.attributes;
        let object = entry.backing.map_or(0, |backing| backing.object.to_word());
        let mut words = Words(Vec::new());
        words.push(u32::from(attributes.prot.bits()));
        words.push(u32::from(attributes.max.bits()));
        words.push(attributes.inherit as u32);
        words.push_wide(entry.backing.map_or(0, |backing| backing.offset));
        words.push(u32::from(attributes.tag));
        words.push(tally.resident);
        words.push(0);
        words.push(0);
        words.push(tally.dirty);
        words.push(tally.ref_count);
        words.push(self.depth_and_mode(&entry, &tally));
        words.push(0);
        words.push(attributes.behavior as u32);
        words.push(object as u32);
        words.push(u32::from(entry.wired));
        words.push(0);
        words.push_wide(object);
        words.0.resize(count as usize, 0);
        Ok(RegionInfo { address: start, size: entry.end - start, words: words.0 })
    }

    fn entry_at_or_above(&self, id: MapId, address: u64) -> Option<(u64, Entry)> {
        let (start, entry) = self.maps.get(id)?.entries.at_or_above(address)?;
        Some((start, entry.clone()))
    }

    fn basic_info(&self, words: &mut Words, entry: &Entry, form: BasicInfo) {
        let attributes = &entry.attributes;
        let offset = entry.backing.map_or(0, |backing| backing.offset);
        words.push(u32::from(attributes.prot.bits()));
        words.push(u32::from(attributes.max.bits()));
        words.push(attributes.inherit as u32);
        words.push(u32::from(entry.is_shared));
        words.push(0);
        match form {
            BasicInfo::Wide => words.push_wide(offset),
            BasicInfo::Narrow => words.push(offset as u32),
        }
        words.push(attributes.behavior as u32);
        words.push(u32::from(entry.wired));
    }

    fn extended_info(&self, words: &mut Words, start: u64, entry: &Entry) {
        let tally = self.tally(start, entry);
        words.push(u32::from(entry.attributes.prot.bits()));
        words.push(u32::from(entry.attributes.tag));
        words.push(tally.resident);
        words.push(0);
        words.push(0);
        words.push(tally.dirty);
        words.push(tally.ref_count);
        words.push(self.depth_and_mode(entry, &tally));
        words.push(0);
    }

    fn top_info(&self, words: &mut Words, start: u64, entry: &Entry) {
        let tally = self.tally(start, entry);
        let mode = self.share_mode(entry);
        let is_private = mode == ShareMode::Private;
        words.push(entry.backing.map_or(0, |backing| backing.object.to_word() as u32));
        words.push(tally.ref_count);
        words.push(if is_private { tally.resident } else { 0 });
        words.push(if is_private { 0 } else { tally.resident });
        words.push(u32::from(mode as u8));
    }

    /// `shadow_depth` (16 bits), `external_pager` (8), `share_mode` (8).
    fn depth_and_mode(&self, entry: &Entry, tally: &Tally) -> u32 {
        u32::from(tally.depth) | u32::from(tally.is_external) << 16 | u32::from(self.share_mode(entry) as u8) << 24
    }

    fn share_mode(&self, entry: &Entry) -> ShareMode {
        let Some(backing) = entry.backing else {
            return ShareMode::Empty;
        };
        let Some(object) = self.objects.get(backing.object) else {
            return ShareMode::Empty;
        };
        if entry.is_shared {
            ShareMode::Shared
        } else if entry.needs_copy || object.shadow.is_some() {
            ShareMode::Cow
        } else {
            ShareMode::Private
        }
    }

    fn tally(&self, start: u64, entry: &Entry) -> Tally {
        let mut tally = Tally::default();
        let Some(backing) = entry.backing else {
            return tally;
        };
        let mut next = Some((backing.object, backing.offset));
        while let Some((id, offset)) = next {
            let Some(object) = self.objects.get(id) else {
                break;
            };
            let end = offset.wrapping_add(entry.end - start);
            for page in object.pages.range(offset..end.max(offset)).map(|(_, page)| *page) {
                let Some(page) = self.pages.get(page) else {
                    continue;
                };
                tally.resident += u32::from(page.state.frame().is_some());
                tally.dirty += u32::from(matches!(page.state, crate::PageState::Dirty { .. }));
            }
            if id == backing.object {
                tally.ref_count = object.refs;
            } else {
                tally.depth = tally.depth.saturating_add(1);
            }
            tally.is_external |= object.source != Source::Zero;
            next = object.shadow.map(|shadow| (shadow.object, offset.wrapping_add(shadow.offset)));
        }
        tally
    }
}

/// Words of a structure that is packed to four bytes.
struct Words(Vec<u32>);

impl Words {
    fn push(&mut self, word: u32) {
        self.0.push(word);
    }

    fn push_wide(&mut self, word: u64) {
        self.0.push(word as u32);
        self.0.push((word >> 32) as u32);
    }
}

/// What `task_info` wants to know of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapInfo {
    /// Bytes in all entries, reserved ones too.
    pub virtual_size: u64,
    /// Bytes in pages that are mapped now.
    pub resident_size: u64,
    /// How many entries there are.
    pub region_count: usize,
}

/// Which host port came with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// None, or no host port.
    None,
    /// The host port.
    Plain,
    /// The privileged host port.
    Privileged,
}

impl Vm {
    /// The sizes of a map.
    #[must_use]
    pub fn map_info<E: Env>(&self, env: &E, id: MapId) -> Option<MapInfo> {
        let map = self.maps.get(id)?;
        let pages = map.space.map_or(0, |space| env.resident_pages(space));
        Some(MapInfo { virtual_size: map.size, resident_size: pages * PAGE_SIZE, region_count: map.entries.len() })
    }

    /// What the faults of a map's task were; nothing if there is no such map.
    #[must_use]
    pub fn map_events(&self, id: MapId) -> Option<Events> {
        Some(self.maps.get(id)?.events)
    }

    /// `vm_get_size_limit` (4216).
    ///
    /// # Errors
    /// `InvalidTask`
    pub fn limits(&self, target: Option<MapId>) -> KernResult<Limits> {
        let map = target.and_then(|id| self.maps.get(id)).ok_or(KernReturn::INVALID_TASK)?;
        Ok(map.limits)
    }

    /// `vm_set_size_limit` (4215).
    ///
    /// # Errors
    /// | # | check                                        | error             |
    /// |---|----------------------------------------------|-------------------|
    /// | 1 | the current limit is at most the maximum     | `InvalidArgument` |
    /// | 2 | the target is a task                         | `InvalidTask`     |
    /// | 3 | the host is one                              | `InvalidHost`     |
    /// | 4 | raising the maximum: the host is privileged  | `NoAccess`        |
    pub fn set_limits(&mut self, host: Host, target: Option<MapId>, limits: Limits) -> KernResult<()> {
        if limits.current > limits.max {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let map = target.and_then(|id| self.maps.get_mut(id)).ok_or(KernReturn::INVALID_TASK)?;
        match host {
            Host::None => return Err(KernReturn::INVALID_HOST),
            Host::Plain if limits.max > map.limits.max => return Err(KernReturn::NO_ACCESS),
            Host::Plain | Host::Privileged => {}
        }
        map.limits = limits;
        Ok(())
    }
}
