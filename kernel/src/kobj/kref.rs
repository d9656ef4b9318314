//! `KRef<T>`: a reference to a kernel object that can be stored.

use core::fmt;
use core::ptr::NonNull;

use crate::kernel::Kernel;
use crate::mem::KernelVa;

/// A reference to a kernel object.
///
/// It can be copied and stored in other objects; to follow it one needs a `&Kernel`, and what one
/// gets lives no longer than that. Placing a new object needs `&mut Kernel`, so a reference into
/// memory that is being retyped does not compile:
///
/// ```compile_fail,E0502
/// use kernel::{Kernel, kobj::{KRef, MemRegion}, object::Endpoint};
/// fn stale(k: &mut Kernel, ep: KRef<Endpoint>, region: MemRegion) -> bool {
///     let old = ep.get(k);
///     let _new: Option<KRef<Endpoint>> = region.place(k);
///     old.is_idle()
/// }
/// ```
#[repr(transparent)]
pub struct KRef<T>(NonNull<T>);

impl<T> KRef<T> {
    /// Follows the reference.
    #[inline]
    pub fn get(self, _: &Kernel) -> &T {
        // SAFETY: KOBJ-1 (the target is live and aligned), KOBJ-2 (it stays so while the kernel is
        // borrowed), KOBJ-4 (shared access is all that anybody has).
        unsafe { self.0.as_ref() }
    }

    /// Refers to a part of the object.
    #[inline]
    pub fn project<U>(self, k: &Kernel, part: impl for<'a> FnOnce(&'a T) -> &'a U) -> KRef<U> {
        KRef(NonNull::from(part(self.get(k))))
    }

    /// The address of the object.
    #[inline]
    #[must_use]
    pub fn addr(self) -> KernelVa {
        KernelVa(self.0.as_ptr().addr())
    }

    /// The address of the object, for [`KRef::from_exposed`].
    #[inline]
    #[must_use]
    pub fn expose(self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    /// Takes back what [`KRef::expose`] gave; `None` for 0.
    ///
    /// # Safety
    ///
    /// `addr` is 0, or came from `expose` of a `KRef` of the same type whose target is live (KOBJ-1).
    #[inline]
    #[must_use]
    pub unsafe fn from_exposed(addr: usize) -> Option<Self> {
        NonNull::new(core::ptr::with_exposed_provenance_mut(addr)).map(KRef)
    }

    /// Takes back what [`KRef::expose`] gave, where that cannot be 0.
    ///
    /// # Safety
    ///
    /// As [`KRef::from_exposed`], and `addr` is not 0.
    #[inline]
    #[must_use]
    pub unsafe fn recover(addr: usize) -> Self {
        // SAFETY: the caller says that the address is not 0.
        KRef(unsafe { NonNull::new_unchecked(core::ptr::with_exposed_provenance_mut(addr)) })
    }

    /// The address as a pointer.
    #[inline]
    pub(super) const fn pointer(self) -> NonNull<T> {
        self.0
    }

    /// Mints a reference.
    ///
    /// # Safety
    ///
    /// The pointer satisfies KOBJ-1: aligned, initialised, live for as long as the reference may be
    /// followed, and accessed through shared references only.
    #[inline]
    pub(super) const unsafe fn mint(ptr: NonNull<T>) -> Self {
        KRef(ptr)
    }
}

impl<T> Clone for KRef<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for KRef<T> {}

impl<T> PartialEq for KRef<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for KRef<T> {}

impl<T> fmt::Debug for KRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KRef({:p})", self.0)
    }
}
