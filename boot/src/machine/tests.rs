//! What real and made-up trees say about their machines.

use std::vec::Vec;

use super::*;
use crate::{
    pack::{TreeWriter, raspberry_pi_4},
    tree::tests::fixtures,
};

fn machine(bytes: &[u8]) -> Result<Machine, MachineError> {
    Machine::from_tree(&Tree::parse(bytes).unwrap())
}

fn fixture(name: &str) -> Machine {
    let (_, bytes) = fixtures().into_iter().find(|(n, _)| *n == name).unwrap();
    machine(&bytes).unwrap()
}

fn range(base: u64, size: u64) -> PhysRange {
    PhysRange { base, size }
}

#[test]
fn qemu_virt_with_gicv2() {
    let m = fixture("virt gicv2 128M");
    assert_eq!(m.ram.as_slice(), [range(0x4000_0000, 128 << 20)]);
    assert_eq!(m.reserved.as_slice(), []);
    let gic = Gic {
        version: 2,
        distributor: range(0x800_0000, 0x1_0000),
        cpu_interface: range(0x801_0000, 0x1_0000),
        redistributors: PhysRange::EMPTY,
    };
    assert_eq!(m.gic, gic);
    assert_eq!(m.uart, Uart::new(UartKind::Pl011, 0x900_0000, 33));
    assert_eq!((m.timer_irq, m.max_irq), (27, 159));
}

#[test]
fn qemu_virt_with_gicv3() {
    let m = fixture("virt gicv3 4G");
    assert_eq!(m.ram.as_slice(), [range(0x4000_0000, 4 << 30)]);
    let gic = Gic {
        version: 3,
        distributor: range(0x800_0000, 0x1_0000),
        cpu_interface: PhysRange::EMPTY,
        redistributors: range(0x80a_0000, 0xf6_0000),
    };
    assert_eq!(m.gic, gic);
    assert_eq!((m.timer_irq, m.max_irq, m.uart.base), (27, 159, 0x900_0000));
}

#[test]
fn secure_memory_and_secure_uart_are_not_ours() {
    let m = fixture("virt secure 1G");
    assert_eq!(m.ram.as_slice(), [range(0x4000_0000, 1 << 30)]);
    assert_eq!(m.uart.base, 0x900_0000);
}

#[test]
fn built_in_tree_of_the_raspberry_pi() {
    let m = machine(&raspberry_pi_4()).unwrap();
    assert_eq!(m.ram.as_slice(), [range(0, 0x3b40_0000)]);
    assert_eq!(m.reserved.as_slice(), [range(0, 0x1000)], "spin table and stub");
    assert_eq!(m.gic.distributor, range(0xff84_1000, 0x1000), "translated by the bus's ranges");
    assert_eq!(m.gic.cpu_interface, range(0xff84_2000, 0x2000));
    assert_eq!(m.uart, Uart::new(UartKind::MiniUart, 0xfe21_5040, 125), "stdout-path by an alias");
    assert_eq!((m.timer_irq, m.max_irq), (27, 216));
}

/// A machine to vary: closures add to the root and replace its parts.
#[derive(Default)]
struct Made {
    memory: Vec<[u32; 4]>,
    stdout: Option<&'static str>,
    no_gic: bool,
    no_timer: bool,
    reserved: Vec<[u32; 4]>,
    no_ranges: bool,
}

impl Made {
    fn with_memory(memory: &[[u32; 4]]) -> Self {
        Self { memory: memory.to_vec(), ..Self::default() }
    }

    fn machine(&self) -> Result<Machine, MachineError> {
        let mut t = TreeWriter::new();
        t.begin("").cells("#address-cells", &[2]).cells("#size-cells", &[2]);
        for reg in &self.memory {
            t.begin("memory").texts("device_type", &["memory"]).cells("reg", reg).end();
        }
        if let Some(path) = self.stdout {
            t.begin("chosen").texts("stdout-path", &[path]).end();
        }
        t.begin("reserved-memory").cells("#address-cells", &[2]).cells("#size-cells", &[2]);
        for reg in &self.reserved {
            t.begin("r").cells("reg", reg).end();
        }
        t.end();
        if !self.no_timer {
            let interrupts: Vec<u32> = [13, 14, 11, 10].iter().flat_map(|n| [1, *n, 4]).collect();
            t.begin("timer").texts("compatible", &["arm,armv8-timer"]).cells("interrupts", &interrupts).end();
        }
        t.begin("bus").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        if !self.no_ranges {
            t.cells("ranges", &[0, 0, 0x100_0000, 0x1000, 0x10_0000, 1, 0, 0x10_0000]);
        }
        if !self.no_gic {
            t.begin("gic")
                .texts("compatible", &["arm,cortex-a15-gic"])
                .cells("reg", &[0, 0x1000, 0x10_0000, 0x2000])
                .end();
        }
        t.begin("a@10")
            .texts("compatible", &["arm,pl011"])
            .cells("reg", &[0x10, 0x10])
            .cells("interrupts", &[1, 29])
            .end();
        t.begin("b@20").texts("compatible", &["brcm,bcm2835-aux-uart"]).cells("reg", &[0x20, 0x10]);
        t.cells("interrupts", &[0, 5, 4]).end();
        t.begin("c@102000").texts("compatible", &["arm,pl011"]).cells("reg", &[0x10_2000, 0x10]).end();
        t.end().end();
        machine(&t.finish())
    }
}

const MEMORY: [u32; 4] = [0, 0x4000_0000, 0, 0x800_0000];

#[test]
fn a_board_that_nobody_knows_sets_no_limit_to_interrupts() {
    assert_eq!(Made::with_memory(&[MEMORY]).machine().map(|m| m.max_irq), Ok(ANY_IRQ));
}

#[test]
fn err01_no_memory() {
    assert_eq!(Made::default().machine().err(), Some(MachineError::NoMemory));
    assert_eq!(Made::with_memory(&[[0; 4]]).machine().err(), Some(MachineError::NoMemory), "size not filled in");
    assert_eq!(
        Made::with_memory(&[[0, 0x800, 0, 0x1000]]).machine().err(),
        Some(MachineError::NoMemory),
        "no whole page"
    );
}

#[test]
fn err02_too_many_ranges() {
    let many: Vec<[u32; 4]> = (0..17).map(|i| [0, i * 0x2000, 0, 0x1000]).collect();
    assert_eq!(Made::with_memory(&many).machine().err(), Some(MachineError::TooManyRanges("memory")));
    let reserved = Made { reserved: many, ..Made::with_memory(&[MEMORY]) };
    assert_eq!(reserved.machine().err(), Some(MachineError::TooManyRanges("reserved memory")));
}

#[test]
fn err03_no_gic() {
    assert_eq!(Made { no_gic: true, ..Made::with_memory(&[MEMORY]) }.machine().err(), Some(MachineError::NoGic));
    let unreachable = Made { no_ranges: true, ..Made::with_memory(&[MEMORY]) };
    assert_eq!(unreachable.machine().err(), Some(MachineError::NoGic), "its bus has no ranges");
}

#[test]
fn err04_no_timer() {
    assert_eq!(Made { no_timer: true, ..Made::with_memory(&[MEMORY]) }.machine().err(), Some(MachineError::NoTimer));
}

#[test]
fn an_eight_gigabyte_board_has_three_ranges() {
    let m =
        Made::with_memory(&[[0, 0, 0, 0x3b40_0000], [0, 0x4000_0000, 0, 0xbc00_0000], [1, 0, 1, 0]]).machine().unwrap();
    let expected = [range(0, 0x3b40_0000), range(0x4000_0000, 0xbc00_0000), range(1 << 32, 1 << 32)];
    assert_eq!(m.ram.as_slice(), expected);
}

#[test]
fn reservations_grow_to_pages_and_merge() {
    let reserved = [[0, 0x4000_0fff, 0, 2], [0, 0x4000_2000, 0, 0x1000], [0, 0x5000_0000, 0, 0]].to_vec();
    let m = Made { reserved, ..Made::with_memory(&[MEMORY]) }.machine().unwrap();
    assert_eq!(m.reserved.as_slice(), [range(0x4000_0000, 0x3000)]);
}

#[test]
fn the_log_goes_where_the_tree_says() {
    let uart = |stdout| Made { stdout, ..Made::with_memory(&[MEMORY]) }.machine().unwrap().uart;
    let mini = Uart::new(UartKind::MiniUart, 0x100_0020, 37);
    assert_eq!(uart(None), mini, "a mini UART before a PL011");
    assert_eq!(uart(Some("/none")), mini);
    assert_eq!(uart(Some("/bus/a@10:115200n8")), Uart::new(UartKind::Pl011, 0x100_0010, 0), "no interrupt of a GIC");
    assert_eq!(uart(Some("/bus/c")), Uart::new(UartKind::Pl011, 0x1_0000_2000, 0), "second entry of ranges");
}
