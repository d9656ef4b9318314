//! Virtual memory as pure logic: maps, entries, objects, pages, faults.
#![no_std]
