//! A task that behaves badly at the console, to see what the shell makes of it: `spin`, `flood`, `suspend`, `read`, `hold`,
//! `hog`, `threads`, `regions`.
//!
//! The suites of the shell in `tests/suites.toml` run it.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::vec::Vec;

#[cfg(target_os = "none")]
libmach::entry!(main);

use libmach::msg::Timeout;
use libmach::task::{mach_task_self, task_suspend};
use libmach::thread::Unparked;
use libmach::vm::{PAGE_SIZE, VmFlags, VmProt, Which, vm_allocate, vm_deallocate, vm_protect, vm_write};
use libmach::{KernReturn, console, println, thread};

fn main() -> Result<(), KernReturn> {
    match libmach::args().nth(1) {
        Some("spin") => {
            println!("spinning");
            spin()
        }
        Some("flood") => flood(),
        Some("suspend") => {
            println!("suspending");
            task_suspend(mach_task_self())?;
            println!("resumed");
        }
        Some("hold") => {
            // A thread always waits for a line.
            let _ = thread::spawn(|| read_for_ever("holds a line"))?;
            println!("holding");
            spin()
        }
        Some("hog") => hog(),
        Some("threads") => threads(),
        Some("regions") => regions(),
        _ => read()?,
    }
    Ok(())
}

fn flood() -> ! {
    let mut count = 0_u64;
    loop {
        println!("flood {count}");
        count += 1;
    }
}

/// Takes all memory that it gets, and keeps it.
fn hog() -> ! {
    let mut taken = 0;
    let me = mach_task_self();
    while let Ok(address) = vm_allocate(me, 0, PIECE, VmFlags::ANYWHERE) {
        // A call answers a code where a touch would end this task.
        let is_full = (address..address + PIECE).step_by(PAGE_SIZE as usize).any(|at| vm_write(me, at, b"x").is_err());
        if is_full {
            // This one is left, so that what follows is not this task's own end.
            let _ = vm_deallocate(me, address, PIECE);
            break;
        }
        taken += PIECE >> 20;
    }
    println!("hogging {}", if taken > 0 { "all" } else { "nothing" });
    spin()
}

const PIECE: u64 = 1 << 20;

/// Starts as many threads as it can. One of many spins; if all did, making the next one would take longer and longer.
fn threads() -> ! {
    const SPINNING: usize = 64;
    let mut threads = Vec::new();
    let start = |number: usize| {
        thread::spawn(move || match number.is_multiple_of(SPINNING) {
            true => spin(),
            false => while thread::park(Timeout::Never) != Unparked::ByThread {},
        })
    };
    let code = loop {
        match start(threads.len()) {
            Ok(handle) => threads.push(handle),
            Err(code) => break code,
        }
    };
    println!("that are all threads: {}: {code}", threads.len());
    spin()
}

/// Has memory in so many pieces that a list of them takes long.
fn regions() -> ! {
    for _ in 0..2000 {
        let Ok(address) = vm_allocate(mach_task_self(), 0, 2 * PAGE_SIZE, VmFlags::ANYWHERE) else { break };
        let _ = vm_protect(mach_task_self(), address, PAGE_SIZE, Which::Current, VmProt::NONE);
    }
    println!("in pieces");
    spin()
}

fn spin() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Asks for a line and shows it.
fn read() -> Result<(), KernReturn> {
    println!("a line, please");
    let mut line = [0; 100];
    match console::read(&mut line)? {
        0 => println!("the input has ended"),
        count => {
            let text = line.get(..count).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("no text");
            println!("got {}", text.trim_end());
        }
    }
    Ok(())
}

fn read_for_ever(what: &str) {
    let mut line = [0; 100];
    while let Ok(count) = console::read(&mut line) {
        println!("{what}: {count}");
    }
}
