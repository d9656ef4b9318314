//! Virtual memory objects: what entries map, and where pages are found.
//!
//! An object holds pages by offset. What it lacks is looked up in its `shadow`, and so on down the chain; at
//! the bottom the answer is zeros for anonymous memory, or the manager's data.
//!
//! OBJ-1: `refs` is the number of entries that map the object, plus the objects whose shadow it is, plus
//! the holds of operations in progress.
//! OBJ-2: shadow chains end: nobody is below itself.
//! OBJ-3: `copy` names an object whose shadow is this one, or nothing.
//! OBJ-4: while `is_unique`, every page is reached from at most one entry and from no other object, so a page
//! outside every entry's part is garbage. Only anonymous objects are.
//! OBJ-5: a page is keyed in its object by the offset that the page itself states.
//! OBJ-6: an object that is queued to be tidied exists until it was.

pub(crate) mod collapse;
pub(crate) mod lifetime;
pub(crate) mod shadow;

use arena::{PageMap, PageSet};

use crate::association::CopyStrategy;
use crate::pageout::Ahead;
use crate::types::{AssocId, ObjectId, PageId};

/// Where pages that are nowhere in the chain come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Anonymous memory: zeros.
    Zero,
    /// A memory manager.
    Manager(AssocId),
    /// The manager is gone: what is not resident is lost, and what is belongs to nobody else. How it let its data be
    /// copied still holds.
    Gone(CopyStrategy),
}

/// The next object down, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shadow {
    pub(crate) object: ObjectId,
    /// Offset in the shadow of this object's first byte.
    pub(crate) offset: u64,
}

/// A virtual memory object.
#[derive(Debug)]
pub struct Object {
    pub(crate) size: u64,
    pub(crate) refs: u32,
    pub(crate) source: Source,
    pub(crate) shadow: Option<Shadow>,
    /// The newest asymmetric copy: pages are pushed there before they change here.
    pub(crate) copy: Option<ObjectId>,
    /// How many asymmetric copies were stacked between this one and the first.
    pub(crate) copy_rank: u16,
    /// Shared on purpose: copies of it are asymmetric.
    pub(crate) is_shared: bool,
    pub(crate) is_unique: bool,
    /// Every entry that maps it needs a copy, so only pushes change it.
    pub(crate) is_frozen: bool,
    /// `vm_region` gave its name to somebody.
    pub(crate) is_named: bool,
    /// It is among the objects to be tidied, in front of this one.
    pub(crate) is_queued: bool,
    pub(crate) next_chore: Option<ObjectId>,
    /// The first of the objects whose shadow this is; they are linked through `siblings`.
    pub(crate) child: Option<ObjectId>,
    /// The previous and the next child of the same shadow.
    pub(crate) siblings: (Option<ObjectId>, Option<ObjectId>),
    pub(crate) pages: PageMap<PageId>,
    /// By whom it is paged out, once it was. He may be gone: then what is in `paged` is lost.
    pub(crate) paging: Option<AssocId>,
    /// PAGING-2: what is not here, but with the default pager.
    pub(crate) paged: PageSet,
    pub(crate) ahead: Ahead,
}

impl Object {
    /// An anonymous object with one reference and nothing in it.
    pub(crate) fn anonymous(size: u64) -> Object {
        Object {
            size,
            refs: 1,
            source: Source::Zero,
            shadow: None,
            copy: None,
            copy_rank: 0,
            is_shared: false,
            is_unique: true,
            is_frozen: false,
            is_named: false,
            is_queued: false,
            next_chore: None,
            child: None,
            siblings: (None, None),
            pages: PageMap::new(),
            paging: None,
            paged: PageSet::new(),
            ahead: Ahead::default(),
        }
    }

    /// Whether it has something of its own at an offset, here or paged out.
    pub(crate) fn knows(&self, offset: u64) -> bool {
        self.pages.contains_key(&offset) || self.paged.contains(offset)
    }

    /// Whether its pages come from nowhere but memory, or the paging space.
    pub(crate) fn is_internal(&self) -> bool {
        self.source == Source::Zero
    }
}
