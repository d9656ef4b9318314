//! Messages between threads, and faults as messages.
