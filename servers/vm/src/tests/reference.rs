//! The naive reference: for each task, for each page, which bytes it shows and what may be done with them. Sharing is
//! two pages naming one cell. No objects, no shadows, no copy on write, nothing lazy.

use std::collections::BTreeMap;

use mach_protocol::{KernResult, KernReturn};

use crate::*;

/// Bytes of a page.
pub(super) type Bytes = Vec<u8>;

/// A page of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefPage {
    pub(super) cell: usize,
    pub(super) prot: Prot,
    pub(super) max: Prot,
    pub(super) inherit: Inherit,
}

/// Tasks by number.
#[derive(Default)]
pub(super) struct Reference {
    pub(super) bounds: Option<Range>,
    pub(super) tasks: BTreeMap<MapId, BTreeMap<u64, RefPage>>,
    pub(super) cells: Vec<Bytes>,
}

const P: u64 = PAGE_SIZE;

fn pages(range: Range) -> impl Iterator<Item = u64> {
    (range.start..range.end).step_by(P as usize)
}

impl Reference {
    fn bounds(&self) -> Range {
        self.bounds.expect("set by the test")
    }

    pub(super) fn new_cell(&mut self, bytes: Bytes) -> usize {
        self.cells.push(bytes);
        self.cells.len() - 1
    }

    fn page(&self, task: MapId, address: u64) -> Option<RefPage> {
        self.tasks[&task].get(&trunc(address)).copied()
    }

    /// What an instruction of the task's gets.
    pub(super) fn touch(&self, task: MapId, address: u64, access: Prot) -> KernResult<RefPage> {
        let page = self.page(task, address).ok_or(KernReturn::INVALID_ADDRESS)?;
        let needed = if access == Prot::WRITE { Prot::READ | Prot::WRITE } else { access };
        if page.prot.contains(needed) { Ok(page) } else { Err(KernReturn::PROTECTION_FAILURE) }
    }

    pub(super) fn byte(&self, task: MapId, address: u64) -> u8 {
        let page = self.page(task, address).expect("checked");
        self.cells[page.cell][(address % P) as usize]
    }

    pub(super) fn set_byte(&mut self, task: MapId, address: u64, value: u8) {
        let page = self.page(task, address).expect("checked");
        self.cells[page.cell][(address % P) as usize] = value;
    }

    fn first_fit(&self, task: MapId, from: u64, size: u64, mask: u64) -> KernResult<Range> {
        let bounds = self.bounds();
        let mut start = from.max(bounds.start);
        while start.checked_add(size).is_some_and(|end| end <= bounds.end) {
            let range = Range { start, end: start + size };
            if start & mask == 0 && pages(range).all(|at| self.page(task, at).is_none()) {
                return Ok(range);
            }
            start += P;
        }
        Err(KernReturn::NO_SPACE)
    }

    fn fixed(&self, task: MapId, range: Range, overwrite: bool) -> KernResult<Range> {
        let bounds = self.bounds();
        if range.start < bounds.start || range.end > bounds.end {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        if !overwrite && pages(range).any(|at| self.page(task, at).is_some()) {
            return Err(KernReturn::NO_SPACE);
        }
        Ok(range)
    }

    /// New zero pages.
    #[expect(clippy::too_many_arguments, reason = "those of vm_map")]
    pub(super) fn map(
        &mut self,
        task: MapId,
        address: Option<u64>,
        hint: u64,
        size: u64,
        mask: u64,
        overwrite: bool,
        (prot, max, inherit): (Prot, Prot, Inherit),
    ) -> KernResult<u64> {
        let range = match address {
            Some(address) if trunc(address) & mask != 0 => return Err(KernReturn::NO_SPACE),
            Some(address) => {
                let start = trunc(address);
                self.fixed(task, Range { start, end: start + round(size) }, overwrite)?
            }
            None => self.first_fit(task, trunc(hint), round(size), mask)?,
        };
        for at in pages(range) {
            let cell = self.new_cell(vec![0; P as usize]);
            let page = RefPage { cell, prot: prot & max, max, inherit };
            self.tasks.get_mut(&task).unwrap().insert(at, page);
        }
        Ok(range.start)
    }

    fn covered(&self, address: u64, size: u64) -> Range {
        Range { start: trunc(address), end: round(address + size) }
    }

    pub(super) fn deallocate(&mut self, task: MapId, address: u64, size: u64, holes: Holes) -> KernResult<()> {
        if size == 0 {
            return Ok(());
        }
        let range = self.covered(address, size);
        let mut any = false;
        for at in pages(range) {
            any |= self.tasks.get_mut(&task).unwrap().remove(&at).is_some();
        }
        if any || holes == Holes::Allowed { Ok(()) } else { Err(KernReturn::INVALID_ADDRESS) }
    }

    pub(super) fn protect(
        &mut self,
        task: MapId,
        address: u64,
        size: u64,
        set_max: bool,
        prot: Prot,
    ) -> KernResult<()> {
        let range = self.covered(address, size);
        if size == 0 {
            return Ok(());
        }
        if pages(range).any(|at| self.page(task, at).is_none()) {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        if pages(range).any(|at| !self.page(task, at).unwrap().max.contains(prot)) {
            return Err(KernReturn::PROTECTION_FAILURE);
        }
        for at in pages(range) {
            let page = self.tasks.get_mut(&task).unwrap().get_mut(&at).unwrap();
            if set_max {
                page.max = prot;
                page.prot &= prot;
            } else {
                page.prot = prot;
            }
        }
        Ok(())
    }

    pub(super) fn inherit(&mut self, task: MapId, address: u64, size: u64, inherit: Inherit) {
        if size == 0 {
            return;
        }
        for at in pages(self.covered(address, size)) {
            if let Some(page) = self.tasks.get_mut(&task).unwrap().get_mut(&at) {
                page.inherit = inherit;
            }
        }
    }

    pub(super) fn fork(&mut self, parent: MapId, child: MapId) {
        let mut copy = BTreeMap::new();
        for (at, page) in self.tasks[&parent].clone() {
            match page.inherit {
                Inherit::None => {}
                Inherit::Share => {
                    copy.insert(at, page);
                }
                Inherit::Copy => {
                    let cell = self.new_cell(self.cells[page.cell].clone());
                    copy.insert(at, RefPage { cell, ..page });
                }
            }
        }
        self.tasks.insert(child, copy);
    }

    /// Whether a call may access these bytes.
    pub(super) fn check(&self, task: MapId, address: u64, size: u64, access: Prot) -> KernResult<()> {
        let range = self.covered(address, size);
        if pages(range).any(|at| self.page(task, at).is_none()) {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        if pages(range).any(|at| !self.page(task, at).unwrap().prot.contains(access)) {
            return Err(if size < 2 * P { KernReturn::INVALID_ADDRESS } else { KernReturn::PROTECTION_FAILURE });
        }
        Ok(())
    }

    pub(super) fn bytes(&self, task: MapId, address: u64, size: u64) -> Bytes {
        (address..address + size).map(|at| self.byte(task, at)).collect()
    }

    pub(super) fn put(&mut self, task: MapId, address: u64, bytes: &[u8]) {
        for (at, byte) in (address..).zip(bytes) {
            self.set_byte(task, at, *byte);
        }
    }

    pub(super) fn read(&mut self, target: MapId, address: u64, size: u64, caller: MapId) -> KernResult<ReadOut> {
        if size == 0 {
            return Ok(ReadOut { data: 0, count: 0 });
        }
        self.check(target, address, size, Prot::READ)?;
        let bytes = self.bytes(target, address, size);
        let is_small = size < 2 * P;
        let offset = if is_small { 0 } else { address % P };
        let attributes = (Prot::DEFAULT, Prot::ALL, Inherit::Copy);
        let start = self.map(caller, None, 0, offset + size, 0, false, attributes)?;
        self.put(caller, start + offset, &bytes);
        Ok(ReadOut { data: start + offset, count: size })
    }

    pub(super) fn copy(&mut self, (from, source): (MapId, u64), size: u64, (to, dest): (MapId, u64)) -> KernResult<()> {
        if size == 0 {
            return Ok(());
        }
        self.check(from, source, size, Prot::READ)?;
        self.check(to, dest, size, Prot::WRITE)?;
        let bytes = self.bytes(from, source, size);
        self.put(to, dest, &bytes);
        Ok(())
    }

    pub(super) fn write(
        &mut self,
        (from, source): (MapId, u64),
        size: u64,
        (to, dest): (MapId, u64),
    ) -> KernResult<()> {
        if size == 0 {
            return Ok(());
        }
        if self.check(from, source, size, Prot::READ).is_err() {
            return Err(KernReturn::SEND_INVALID_MEMORY);
        }
        self.copy((from, source), size, (to, dest))
    }

    /// The same cells, or copies of them, at the lowest place.
    pub(super) fn remap(
        &mut self,
        (source, address): (MapId, u64),
        size: u64,
        target: MapId,
        copy: bool,
        inherit: Inherit,
    ) -> KernResult<u64> {
        let start = trunc(address);
        let range = Range { start, end: start + round(size) };
        let found: Option<Vec<RefPage>> = pages(range).map(|at| self.page(source, at)).collect();
        let found = found.ok_or(KernReturn::INVALID_ADDRESS)?;
        let place = self.first_fit(target, 0, range.size(), 0)?;
        for (at, page) in pages(place).zip(found) {
            let cell = if copy { self.new_cell(self.cells[page.cell].clone()) } else { page.cell };
            self.tasks.get_mut(&target).unwrap().insert(at, RefPage { cell, inherit, ..page });
        }
        Ok(place.start)
    }

    /// Wiring shows nothing; only its refusals do.
    pub(super) fn check_wire(&self, task: MapId, address: u64, size: u64, access: Prot) -> KernResult<()> {
        let mut all = pages(self.covered(address, size));
        if size == 0 {
            return Ok(());
        }
        if all.any(|at| self.page(task, at).is_none()) {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        let mut all = pages(self.covered(address, size));
        if all.all(|at| self.page(task, at).unwrap().prot.contains(access)) {
            Ok(())
        } else {
            Err(KernReturn::PROTECTION_FAILURE)
        }
    }

    /// Whole pages become zero.
    pub(super) fn zero(&mut self, task: MapId, address: u64, size: u64) -> KernResult<()> {
        self.check_wire(task, address, size, Prot::WRITE)?;
        if size > 0 {
            for at in pages(self.covered(address, size)) {
                let cell = self.page(task, at).expect("checked").cell;
                self.cells[cell].fill(0);
            }
        }
        Ok(())
    }
}
