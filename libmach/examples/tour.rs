//! A tour of a task's memory: allocate, write, protect, copy, deallocate, and what happens after that.
#![no_std]
#![no_main]

use core::sync::atomic::Ordering::Relaxed;

use libmach::exception::{Caught, ExceptionRaise, catch};
use libmach::region::touch;
use libmach::vm::{PAGE_SIZE, VmProt};
use libmach::{KernReturn, Region, println};

libmach::entry!(main);

const SIZE: u64 = 64 << 20;
const WORDS_A_PAGE: usize = PAGE_SIZE as usize / 8;

fn main() -> Result<(), KernReturn> {
    let region = Region::allocate(SIZE)?;
    println!("allocated {} MiB", region.size() >> 20);

    let zero = region.words().iter().all(|word| word.load(Relaxed) == 0);
    println!("every word of it is zero: {zero}");

    fill(&region);
    println!("wrote a number into each page; they are there: {}", is_filled(&region));

    region.protect(VmProt::READ)?;
    let last = region.words().len() - 1;
    println!("protected it; it can still be read: {}", is_filled(&region));
    let caught = catch(|| region.words()[last].store(1, Relaxed))?;
    report("writing to its last word", &caught, region.address() + SIZE - 8);
    region.protect(VmProt::DEFAULT)?;

    let copy = Region::allocate(SIZE)?;
    copy.copy_from(&region)?;
    println!("copied it; the copy is equal: {}", is_filled(&copy));
    copy.words()[0].store(u64::MAX, Relaxed);
    println!("wrote to the copy; the original is as it was: {}", is_filled(&region));

    let address = region.address() + SIZE / 2;
    drop(copy);
    drop(region);
    println!("deallocated both");
    report("touching the middle again", &catch(|| touch(address))?, address);

    let region = Region::allocate(SIZE)?;
    fill(&region);
    println!("the system lives on: allocated and filled {} MiB again: {}", SIZE >> 20, is_filled(&region));
    Ok(())
}

/// Writes its number into the first word of each page.
fn fill(region: &Region) {
    for (number, page) in region.words().chunks(WORDS_A_PAGE).enumerate() {
        page[0].store(number as u64 + 1, Relaxed);
    }
}

/// Whether each page holds its number in the first word, and zeros behind it.
fn is_filled(region: &Region) -> bool {
    region.words().chunks(WORDS_A_PAGE).enumerate().all(|(number, page)| {
        page[0].load(Relaxed) == number as u64 + 1 && page[1..].iter().all(|word| word.load(Relaxed) == 0)
    })
}

/// Prints the exception that an access raised at `address`.
fn report<T>(what: &str, caught: &Caught<T>, address: u64) {
    match caught {
        Ok(_) => println!("{what}: no exception"),
        Err(ExceptionRaise { exception, code, subcode, .. }) => {
            let place = if *subcode == address { "at that address" } else { "at another address" };
            println!("{what}: {exception:?}, {:?}, {place}", KernReturn(*code));
        }
    }
}
