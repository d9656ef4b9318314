//! A virtio disk behind registers in memory (virtio 1.2, 4.2 and 5.2; the legacy layout too), by the queue and the transport of
//! the `virtio-drivers` crate.
//!
//! The crate's own disk is not used: it takes one buffer a request, which must be contiguous in physical memory, and a
//! request here has a buffer a page.
//!
//! Invariant **VIO-1**: a place of the page `own`, and the data pages of its job, belong to the device while the place is in
//! `flights`; [`Traffic`](block::traffic::Traffic) keeps the data pages mapped (TRAFFIC-1).

use alloc::string::String;
use core::fmt;
use core::ptr::NonNull;

use block::traffic::{Device, Job};
use libmach::vm::PAGE_SIZE;
use mach_protocol::block::MAX_REQUEST;
use mach_protocol::block::ring::{Op, Status};
use mach_protocol::private::DEVICE_BASE;
use mach_sys::Cap;
use mach_sys::cap::{IrqHandler, Notification};
use virtio_drivers::Error;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, InterruptStatus, Transport};

use super::dma::{Piece, Shared, Wired};

/// Bytes of a device's registers.
const REGISTERS: usize = 0x200;
/// Descriptors of the queue.
const QUEUE: usize = 128;
/// The most pieces of one request's data: its pages need not begin at a page's start.
const PIECES: usize = MAX_REQUEST.div_ceil(PAGE_SIZE) as usize + 1;
/// The most buffers of one request: its head, its data, its status.
const BUFFERS: usize = 1 + PIECES + 1;
/// Requests under way at a time.
const FLIGHTS: usize = 32;
/// Bytes of a place: the head (16), the status (1), the serial number that is asked for (20).
const PLACE: usize = 64;
const STATUS: usize = 16;
const SERIAL: (usize, usize) = (24, 20);
/// Where the first sector of the disk is read to, behind the places.
const SECTOR: (usize, usize) = (FLIGHTS * PLACE, 512);
const _: () = assert!(SECTOR.0 + SECTOR.1 <= PAGE_SIZE as usize, "one page has room for all of it");
/// How often the device is looked at for an answer while the server starts.
const PATIENCE: u32 = 100_000_000;

bitflags::bitflags! {
    #[derive(Clone, Copy, Debug)]
    struct Features: u64 {
        /// It refuses to be written.
        const READ_ONLY = 1 << 5;
        /// It knows flushes.
        const FLUSH = 1 << 9;
        /// It follows version 1.
        const VERSION_1 = 1 << 32;
    }
}

/// What a request is, on the wire.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Read = 0,
    Write = 1,
    Flush = 4,
    Serial = 8,
}

/// Why a device cannot be used.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Its registers are not where root maps devices, or are no virtio disk's.
    Registers,
    /// The queue could not be made.
    Queue(Error),
    /// It does not answer.
    Silent,
    /// The interrupt could not be had.
    Interrupt,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registers => f.write_str("there are no registers of a virtio disk"),
            Self::Queue(error) => write!(f, "its queue cannot be made: {error}"),
            Self::Silent => f.write_str("it does not answer"),
            Self::Interrupt => f.write_str("its interrupt cannot be had"),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Queue(error)
    }
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    id: u32,
    /// The crate's name for it.
    token: u16,
    kind: Kind,
    buffers: Buffers,
}

/// The memory of a request.
#[derive(Clone, Copy, Debug)]
struct Buffers {
    head: Piece,
    data: [Option<Piece>; PIECES],
    status: Piece,
}

impl Buffers {
    /// The memory of the request in the place at `place`, with this data. `None`: some of it is no memory for devices.
    fn new(place: u64, (address, length): (u64, usize)) -> Option<Self> {
        let (head, status) = (Piece::new(place, STATUS)?, Piece::new(place + STATUS as u64, 1)?);
        let (mut at, end) = (address, address.checked_add(length as u64)?);
        let mut data = [None; PIECES];
        for piece in &mut data {
            let next = ((at / PAGE_SIZE + 1) * PAGE_SIZE).min(end);
            if at < end {
                *piece = Some(Piece::new(at, (next - at) as usize)?);
            }
            at = next;
        }
        (at == end).then_some(Self { head, data, status })
    }
}

/// A disk.
pub(crate) struct Virtio {
    transport: MmioTransport<'static>,
    queue: VirtQueue<Wired, QUEUE>,
    /// A page of the driver's own: places for heads and statuses, and the first sector.
    own: Shared,
    flights: [Option<Flight>; FLIGHTS],
    handler: Cap<IrqHandler>,
    features: Features,
    /// Its size.
    pub(crate) sectors: u64,
    /// Its serial number.
    pub(crate) serial: String,
}

impl Virtio {
    /// Starts the device whose registers root mapped at `address`, with `bell` signalled by its interrupt.
    pub(crate) fn start(address: u64, handler: Cap<IrqHandler>, bell: Cap<Notification>) -> Result<Self, Problem> {
        let mut transport = transport(address).ok_or(Problem::Registers)?;
        let features = transport.begin_init(Features::all());
        let sectors = transport.read_consistent(|| {
            let halves: [u32; 2] = [transport.read_config_space(0)?, transport.read_config_space(4)?];
            Ok(u64::from(halves[0]) | u64::from(halves[1]) << 32)
        })?;
        let queue = VirtQueue::new(&mut transport, 0, false, false)?;
        let own = Shared::new(1).map_err(|_| Problem::Queue(Error::DmaError))?;
        transport.finish_init();
        let flights = [None; FLIGHTS];
        let mut disk = Self { transport, queue, own, flights, handler, features, sectors, serial: String::new() };
        if disk.now(Kind::Serial, SERIAL)? == Status::Ok {
            let text = disk.own_bytes::<{ SERIAL.1 }>(SERIAL.0);
            disk.serial =
                text.iter().take_while(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).collect();
        }
        handler.set_notification(bell).and_then(|()| handler.ack()).map_err(|_| Problem::Interrupt)?;
        Ok(disk)
    }

    /// Whether it refuses to be written.
    pub(crate) fn is_read_only(&self) -> bool {
        self.features.contains(Features::READ_ONLY)
    }

    /// The first sector. `None`: it cannot be read.
    pub(crate) fn first_sector(&mut self) -> Option<[u8; 512]> {
        let status = self.now(Kind::Read, SECTOR).ok()?;
        (status == Status::Ok && self.sectors > 0).then(|| self.own_bytes(SECTOR.0))
    }

    /// Takes its interrupt, if it has one.
    pub(crate) fn take_interrupt(&mut self) {
        if self.transport.ack_interrupt() != InterruptStatus::empty() {
            // Refused only if root granted no handler, and then there was no start.
            let _ = self.handler.ack();
        }
    }

    /// Asks for something of sector 0, into a part of the own page, and waits for it: for the start alone.
    fn now(&mut self, kind: Kind, (at, length): (usize, usize)) -> Result<Status, Problem> {
        self.add(0, kind, 0, (self.own_address(at), length)).ok_or(Problem::Silent)?;
        for _ in 0..PATIENCE {
            if let Some((_, status)) = self.finished() {
                self.take_interrupt();
                return Ok(status);
            }
        }
        Err(Problem::Silent)
    }

    /// Puts a request into the queue. `None`: it has no room, or the memory is none that a device may have.
    fn add(&mut self, id: u32, kind: Kind, sector: u64, data: (u64, usize)) -> Option<()> {
        let place = self.flights.iter().position(Option::is_none)?;
        let buffers = Buffers::new(self.own_address(place * PLACE), data)?;
        let words = core::ptr::with_exposed_provenance_mut::<[u64; 2]>(buffers.head.address() as usize);
        // SAFETY: VIO-1, the place is free, so the device does not have it; the page is the driver's own, mapped for good
        // and aligned. (Head: the kind in 32 bits, 32 bits of zeros, the sector.)
        unsafe { words.write_volatile([kind as u64, sector]) };
        let byte = core::ptr::with_exposed_provenance_mut::<u8>(buffers.status.address() as usize);
        // SAFETY: as above.
        unsafe { byte.write_volatile(u8::MAX) };
        let token = slices(kind, &buffers, |inputs, outputs| {
            // SAFETY: VIO-1: nothing here touches the buffers until `pop_used`. The crate takes only their addresses and
            // lengths, so that a client which writes to its pages meanwhile changes what the device sees and nothing else.
            unsafe { self.queue.add(inputs, outputs) }
        })
        .ok()?;
        *self.flights.get_mut(place)? = Some(Flight { id, token, kind, buffers });
        if self.queue.should_notify() {
            self.transport.notify(0);
        }
        Some(())
    }

    fn own_address(&self, at: usize) -> u64 {
        self.own.address() + at as u64
    }

    /// Bytes of the own page that the device does not have.
    fn own_bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        core::array::from_fn(|index| self.own.byte(at + index))
    }
}

impl Device for Virtio {
    fn has_room(&self) -> bool {
        self.queue.available_desc() >= BUFFERS && self.flights.iter().any(Option::is_none)
    }

    fn start(&mut self, job: &Job) -> Result<(), Status> {
        let kind = match job.op {
            Op::Read => Kind::Read,
            Op::Write => Kind::Write,
            // A device that knows no flush has nothing to flush.
            Op::Flush if !self.features.contains(Features::FLUSH) => return Err(Status::Ok),
            Op::Flush => Kind::Flush,
        };
        self.add(job.id, kind, job.sector, (job.address, job.length as usize)).ok_or(Status::Io)
    }

    fn finished(&mut self) -> Option<(u32, Status)> {
        let token = self.queue.peek_used()?;
        let is_it = |flight: &Option<Flight>| flight.is_some_and(|flight| flight.token == token);
        let place = self.flights.iter().position(is_it)?;
        let Flight { id, kind, buffers, .. } = self.flights.get_mut(place)?.take()?;
        let popped = slices(kind, &buffers, |inputs, outputs| {
            // SAFETY: these are the buffers with which `add` got this token.
            unsafe { self.queue.pop_used(token, inputs, outputs) }
        });
        let byte = core::ptr::with_exposed_provenance::<u8>(buffers.status.address() as usize);
        // SAFETY: the place is the driver's again, in its own page.
        let status = match (popped, unsafe { byte.read_volatile() }) {
            (Ok(_), 0) => Status::Ok,
            (Ok(_), 2) => Status::Unsupported,
            _ => Status::Io,
        };
        Some((id, status))
    }
}

/// The transport over registers in a device page of this task.
fn transport(address: u64) -> Option<MmioTransport<'static>> {
    let offset = address.checked_sub(DEVICE_BASE)?;
    if offset % PAGE_SIZE + REGISTERS as u64 > PAGE_SIZE || !address.is_multiple_of(REGISTERS as u64) {
        return None;
    }
    let header = NonNull::new(core::ptr::with_exposed_provenance_mut::<VirtIOHeader>(address as usize))?;
    // SAFETY: the range is aligned and lies in one of the device pages that root maps from `DEVICE_BASE` on, for good and
    // before the task runs, as its arguments say; root found the registers of a virtio disk there.
    let transport = unsafe { MmioTransport::new(header, REGISTERS) }.ok()?;
    (transport.device_type() == DeviceType::Block).then_some(transport)
}

/// Hands the buffers of a request to `then`: what the device reads, and what it writes.
fn slices<T>(
    kind: Kind,
    buffers: &Buffers,
    then: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> T,
) -> T {
    let mut inputs: [&[u8]; BUFFERS] = [&[]; BUFFERS];
    let mut outputs: [&mut [u8]; BUFFERS] = core::array::from_fn(|_| &mut [][..]);
    let (mut reads, mut writes) = (0, 0);
    let mut read = |piece: Piece| {
        if let Some(input) = inputs.get_mut(reads) {
            // SAFETY: DMA-2 and VIO-1: mapped memory that the device has, which this thread does not touch.
            *input = unsafe { core::slice::from_raw_parts(pointer(piece.address()), piece.length()) };
            reads += 1;
        }
    };
    let mut write = |piece: Piece| {
        if let Some(output) = outputs.get_mut(writes) {
            // SAFETY: as above.
            *output = unsafe { core::slice::from_raw_parts_mut(pointer(piece.address()), piece.length()) };
            writes += 1;
        }
    };
    read(buffers.head);
    for piece in buffers.data.iter().flatten() {
        match kind {
            Kind::Write => read(*piece),
            Kind::Read | Kind::Serial => write(*piece),
            Kind::Flush => {}
        }
    }
    write(buffers.status);
    then(inputs.get(..reads).unwrap_or_default(), outputs.get_mut(..writes).unwrap_or_default())
}

fn pointer(address: u64) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(address as usize)
}
