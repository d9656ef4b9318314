//! Maps files and prints their SHA-256, as `sha256sum` does: `mapfile FILE...`.
#![no_std]
#![no_main]

extern crate alloc;

use core::sync::atomic::Ordering::Relaxed;

use libmach::fs::{self, File};
use libmach::println;
use sha2::{Digest, Sha256};

libmach::entry!(main);

fn main() -> fs::Result<()> {
    for path in libmach::args().skip(1) {
        let digest = digest(path)?;
        let digits: alloc::string::String = digest.iter().map(|byte| alloc::format!("{byte:02x}")).collect();
        println!("{digits}  {path}");
    }
    Ok(())
}

/// The digest of a file's bytes, straight out of its pages.
fn digest(path: &str) -> fs::Result<[u8; 32]> {
    let file = File::open(path)?;
    let size = file.size()?;
    let mut sha = Sha256::new();
    if size > 0 {
        let pages = file.map(0, size)?;
        for piece in pages.bytes().get(..size as usize).unwrap_or_default().chunks(64) {
            // The memory can change under us: the file may be mapped by others.
            let mut block = [0; 64];
            block.iter_mut().zip(piece).for_each(|(to, from)| *to = from.load(Relaxed));
            sha.update(block.get(..piece.len()).unwrap_or_default());
        }
    }
    Ok(sha.finalize().into())
}
