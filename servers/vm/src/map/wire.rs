//! Wired pages: resident until unwired.

use crate::types::ObjectId;
use crate::vm::Vm;

impl Vm {
    /// Takes one wiring from the pages of an object in `[offset, end)`.
    pub(crate) fn unwire_pages(&mut self, object: ObjectId, offset: u64, end: u64) {
        let Some(object) = self.objects.get(object) else {
            return;
        };
        for page in object.pages.range(offset..end).map(|(_, page)| *page) {
            if let Some(page) = self.pages.get_mut(page)
                && page.wired > 0
            {
                page.wired -= 1;
                if page.wired == 0 {
                    self.counters.wired -= 1;
                }
            }
        }
    }
}
