//! A mutex: an atomic flag while nobody waits, parking when somebody must.

use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use spin::mutex::{SpinMutex, SpinMutexGuard};

use crate::msg::Timeout;
use crate::thread::{self, Thread};

/// A value that one thread at a time can use.
///
/// Not fair: a thread that is awake may be faster than one that was just woken.
pub struct Mutex<T> {
    value: SpinMutex<T>,
    waiters: SpinMutex<Vec<Thread>>,
}

impl<T> Mutex<T> {
    /// A free mutex.
    pub const fn new(value: T) -> Self {
        Self { value: SpinMutex::new(value), waiters: SpinMutex::new(Vec::new()) }
    }

    /// The value, if nobody uses it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let value = self.value.try_lock()?;
        Some(MutexGuard { value: Some(value), waiters: &self.waiters })
    }

    /// Waits until nobody uses the value.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            let Ok(current) = thread::current() else {
                // Without a name to be woken by there is only trying again.
                thread::yield_now();
                continue;
            };
            self.waiters.lock().push(current);
            // The holder may have left before it could see this thread wait.
            if let Some(guard) = self.try_lock() {
                self.waiters.lock().retain(|waiter| *waiter != current);
                return guard;
            }
            thread::park(Timeout::Never);
            self.waiters.lock().retain(|waiter| *waiter != current);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(guard) => f.debug_tuple("Mutex").field(&*guard).finish(),
            None => f.write_str("Mutex(in use)"),
        }
    }
}

/// The right to use a mutex's value. Dropping it lets the next thread on.
pub struct MutexGuard<'a, T> {
    /// `None` only while the guard is dropped.
    value: Option<SpinMutexGuard<'a, T>>,
    waiters: &'a SpinMutex<Vec<Thread>>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.value {
            Some(value) => value,
            None => unreachable!("the value is taken when the guard is dropped, and not before"),
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.value {
            Some(value) => value,
            None => unreachable!("the value is taken when the guard is dropped, and not before"),
        }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        drop(self.value.take());
        let next = self.waiters.lock().pop();
        if let Some(next) = next {
            // A waiter that has ended needs no waking.
            let _ = next.unpark();
        }
    }
}
