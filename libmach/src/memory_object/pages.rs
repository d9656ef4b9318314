//! Managers that think in single pages: [`Pages`] reads and writes one, [`ByPage`] makes a manager of that.

use alloc::boxed::Box;
use core::sync::atomic::Ordering::Relaxed;

use super::{Answer, Attributes, Init, MemoryManager, Object, Returned, Supply};
use crate::Result;
use crate::vm::{PAGE_SIZE, VmProt};

/// The bytes of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C, align(4096))]
pub struct Page(pub [u8; PAGE_SIZE as usize]);

impl Page {
    /// A page of zeros.
    #[must_use]
    pub fn zeroed() -> Box<Self> {
        Box::new(Self([0; PAGE_SIZE as usize]))
    }
}

/// A source of pages, and a place for those that were written to.
pub trait Pages {
    /// What is said of an object when it is mapped.
    fn attributes(&mut self, object: &Object) -> Attributes {
        let _ = object;
        Attributes::default()
    }

    /// Fills `page`, zeros as it is, with what the object has at `offset`.
    ///
    /// # Errors
    ///
    /// Any: the clients that wait get `MEMORY_ERROR`.
    fn read(&mut self, object: &Object, offset: u64, page: &mut Page) -> Result<()>;

    /// Stores what a client wrote. What is not stored is lost; by default nothing is.
    fn write(&mut self, object: &Object, offset: u64, page: &Page) {
        let _ = (object, offset, page);
    }
}

/// The manager of a source of pages. Its loop ends with the last object.
#[derive(Debug)]
pub struct ByPage<P> {
    pages: P,
    buffer: Box<Page>,
}

impl<P: Pages> ByPage<P> {
    /// A manager that reads from and writes to `pages`.
    #[must_use]
    pub fn new(pages: P) -> Self {
        Self { pages, buffer: Page::zeroed() }
    }

    /// The source of pages.
    pub fn pages(&mut self) -> &mut P {
        &mut self.pages
    }
}

impl<P: Pages> MemoryManager for ByPage<P> {
    fn init(&mut self, object: &Object) -> Init {
        Init::Ready(self.pages.attributes(object))
    }

    fn data_request(&mut self, object: &Object, offset: u64, length: u64, _desired_access: VmProt) -> Answer {
        let last = offset.saturating_add(length.saturating_sub(PAGE_SIZE));
        for offset in (offset..last).step_by(PAGE_SIZE as usize) {
            let answer = self.page(object, offset);
            // An object that was destroyed meanwhile has nobody who waits.
            let _ = object.answer(offset, PAGE_SIZE, answer);
        }
        self.page(object, last)
    }

    fn data_return(&mut self, object: &Object, returned: Returned) {
        let pages = returned.data.bytes().chunks_exact(PAGE_SIZE as usize);
        for (offset, bytes) in (returned.offset..).step_by(PAGE_SIZE as usize).zip(pages) {
            self.buffer.0.iter_mut().zip(bytes).for_each(|(to, from)| *to = from.load(Relaxed));
            self.pages.write(object, offset, &self.buffer);
        }
    }
}

impl<P: Pages> ByPage<P> {
    /// The page at `offset`, in the buffer: it is given before the buffer is used again.
    fn page(&mut self, object: &Object, offset: u64) -> Answer {
        self.buffer.0.fill(0);
        match self.pages.read(object, offset, &mut self.buffer) {
            Ok(()) => {
                let address = core::ptr::from_ref(&*self.buffer).expose_provenance() as u64;
                Answer::Supply(Supply::copy_at(address, PAGE_SIZE).at(offset))
            }
            Err(code) => Answer::Error(code),
        }
    }
}
