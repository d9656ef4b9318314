//! Prints its arguments, one a line, and exits with the first number among them as its status.
#![no_std]
#![no_main]

libmach::entry!(main);

fn main() -> i32 {
    for (index, arg) in libmach::args().enumerate() {
        libmach::println!("{index}: {arg}");
    }
    libmach::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(0)
}
