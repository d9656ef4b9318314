//! The device tree for a Raspberry Pi 4 whose firmware (or QEMU without `-dtb`) gives none.

use std::vec::Vec;

use super::TreeWriter;

/// The interrupt controller's phandle.
const GIC: u32 = 1;
const SPI: u32 = 0;
const PPI: u32 = 1;
const LEVEL_HIGH: u32 = 4;
/// Level, active low, on all four cores.
const TIMER_FLAGS: u32 = 0xf08;

/// What the kernel and the servers need of the board: the first 948 MiB of RAM, which every model has
/// below the VideoCore's part; GIC-400; the generic timer; both serial lines, the log on the mini UART.
pub fn raspberry_pi_4() -> Vec<u8> {
    let mut t = TreeWriter::new();
    // The firmware's stub and the other cores' mailboxes.
    t.reserve(0, 0x1000);
    t.begin("");
    t.texts("compatible", &["raspberrypi,4-model-b", "brcm,bcm2711"]);
    t.texts("model", &["Raspberry Pi 4 Model B (built-in device tree)"]);
    t.cells("#address-cells", &[2]).cells("#size-cells", &[1]).cells("interrupt-parent", &[GIC]);
    t.begin("aliases");
    t.texts("serial0", &["/soc/serial@7e201000"]).texts("serial1", &["/soc/serial@7e215040"]).end();
    t.begin("chosen").texts("stdout-path", &["serial1:115200n8"]).end();
    t.begin("memory@0").texts("device_type", &["memory"]).cells("reg", &[0, 0, 0x3b40_0000]).end();
    cpus(&mut t);
    t.begin("timer").texts("compatible", &["arm,armv8-timer"]);
    let interrupts = [13, 14, 11, 10].map(|number| [PPI, number, TIMER_FLAGS]);
    t.cells("interrupts", interrupts.as_flattened()).end();
    soc(&mut t);
    t.end();
    t.finish()
}

/// Four cores; all but the first wait for an address in page 0.
fn cpus(t: &mut TreeWriter) {
    t.begin("cpus").cells("#address-cells", &[1]).cells("#size-cells", &[0]);
    for (name, number) in [("cpu@0", 0), ("cpu@1", 1), ("cpu@2", 2), ("cpu@3", 3)] {
        t.begin(name).texts("device_type", &["cpu"]).texts("compatible", &["arm,cortex-a72"]).cells("reg", &[number]);
        t.texts("enable-method", &["spin-table"]).cells("cpu-release-addr", &[0, 0xd8 + 8 * number]).end();
    }
    t.end();
}

fn soc(t: &mut TreeWriter) {
    t.begin("soc").texts("compatible", &["simple-bus"]).cells("#address-cells", &[1]).cells("#size-cells", &[1]);
    t.cells("ranges", &[0x7e00_0000, 0, 0xfe00_0000, 0x0180_0000, 0x4000_0000, 0, 0xff80_0000, 0x0080_0000]);
    t.begin("interrupt-controller@40041000").texts("compatible", &["arm,gic-400"]);
    t.bytes("interrupt-controller", &[]).cells("#interrupt-cells", &[3]).cells("phandle", &[GIC]);
    t.cells("reg", &[0x4004_1000, 0x1000, 0x4004_2000, 0x2000]).end();
    t.begin("serial@7e201000").texts("compatible", &["arm,pl011", "arm,primecell"]);
    t.cells("reg", &[0x7e20_1000, 0x200]).cells("interrupts", &[SPI, 121, LEVEL_HIGH]).end();
    t.begin("serial@7e215040").texts("compatible", &["brcm,bcm2835-aux-uart"]);
    t.cells("reg", &[0x7e21_5040, 0x40]).cells("interrupts", &[SPI, 93, LEVEL_HIGH]).end();
    t.end();
}
