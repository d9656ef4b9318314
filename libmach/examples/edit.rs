//! Changes a file in its mapped memory: `edit FILE OFFSET TEXT` puts the text at the offset, over what is there. When it ends,
//! the change is on the disk.
#![no_std]
#![no_main]

use core::sync::atomic::Ordering::Relaxed;

use libmach::fs::{self, File};
use libmach::vm::PAGE_SIZE;
use libmach::{KernReturn, println};

libmach::entry!(main);

fn main() -> fs::Result<()> {
    let mut arguments = libmach::args().skip(1);
    let (path, offset, text) = (arguments.next(), arguments.next(), arguments.next());
    let offset = offset.and_then(|offset| offset.parse::<u64>().ok());
    let (Some(path), Some(offset), Some(text)) = (path, offset, text) else {
        println!("usage: edit FILE OFFSET TEXT");
        return Err(KernReturn::INVALID_ARGUMENT.into());
    };
    let file = File::open(path)?;
    let end = offset.saturating_add(text.len() as u64);
    if end > file.size()? {
        println!("{path} has {} bytes only", file.size()?);
        return Err(KernReturn::INVALID_VALUE.into());
    }
    // Only the pages with the change.
    let start = offset / PAGE_SIZE * PAGE_SIZE;
    let pages = file.map(start, (end - start).max(1))?;
    let places = pages.bytes().get((offset - start) as usize..).unwrap_or_default();
    places.iter().zip(text.bytes()).for_each(|(place, byte)| place.store(byte, Relaxed));
    file.sync_mapped(&pages)?;
    println!("{path}: {} bytes changed at {offset}", text.len());
    Ok(())
}
