//! A task that behaves badly at the console, to see what the shell makes of it: `spin`, `flood`, `suspend`, `read`, `hold`.
//!
//! The suite `shell.session` of `tests/suites.toml` runs it.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
libmach::entry!(main);

use libmach::task::{mach_task_self, task_suspend};
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
