#![no_std]
#![no_main]

use libmach::println;

libmach::entry!(main);

fn main() -> i32 {
    println!("Hello from {name}.");
    0
}
