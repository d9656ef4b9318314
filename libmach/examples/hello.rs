//! Says hello: the smallest task.
#![no_std]
#![no_main]

libmach::entry!(main);

fn main() {
    libmach::println!("Hello from a Mach task on Tessera.");
}
