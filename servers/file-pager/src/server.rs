//! Requests for files: `mach_protocol::file`.

use alloc::string::String;

use file_pager::open::{Open, State};
use file_pager::volume::{Kind, Problem, Volume};
use libmach::memory_object::{Object, Served, Server, memory_object_create_proxy};
use libmach::msg::{CarriedRight, PortMessage, Timeout, destroy_right};
use libmach::port::{Disposition, ReceivePort};
use libmach::task::mach_task_self;
use libmach::vm::{PAGE_SIZE, VmProt};
use libmach::{KernReturn, PortName, names};
use mach_protocol::block::body;
use mach_protocol::file as proto;
use mach_protocol::service;
use mach_protocol::wire::{Wire, Words};

use crate::disk::Session;
use crate::pager::{Pager, answer};

/// Serves for ever.
pub(crate) fn main() -> libmach::Result<()> {
    let port = ReceivePort::new()?;
    let volume = match Session::open() {
        Ok(disk) => Volume::mount(disk),
        Err(code) => {
            libmach::names::note(&alloc::format!("file-pager: the volume's disk cannot be opened: {code}"));
            Err(Problem::Disk)
        }
    };
    match volume {
        Ok(volume) => {
            if let Some(why) = volume.read_only() {
                libmach::names::note(&alloc::format!("file-pager: the volume is read only: {why}"));
            }
            let mut server = Server::new(Pager::new(volume))?;
            server.add_port(port.name())?;
            names::register(proto::FILES, port.name())?;
            loop {
                let patience = if server.manager().is_growing() { Timeout::Millis(0) } else { Timeout::Never };
                match server.next(patience)? {
                    Served::Other(request) => serve(&mut server, &request),
                    Served::Nothing => server.manager().grow(),
                    Served::Manager | Served::Dropped | Served::Done => {}
                }
            }
        }
        // The system goes on without files: whoever wants one is told why there are none.
        Err(problem) => {
            libmach::names::note(&alloc::format!("file-pager: {problem}"));
            names::register(proto::FILES, port.name())?;
            loop {
                let request = libmach::msg::receive_request(port.name())?;
                drop_rights(&request);
                answer(&request, Err(problem));
            }
        }
    }
}

/// Lets go the rights that a request brought. Those to objects are known by their names.
fn drop_rights(request: &PortMessage) {
    request.rights().iter().for_each(destroy_right);
}

/// Serves one request, and answers it, or has it answered later.
fn serve(server: &mut Server<Pager>, request: &PortMessage) {
    let object = request.rights().first().and_then(|right| server.object(right.name));
    drop_rights(request);
    let outcome = match request.header.id {
        proto::FILE_OPEN => open(server, request),
        proto::FILE_SIZE => find(server, object).map(|open| reply(request, &open.file.size())),
        proto::FILE_RESIZE => {
            // No size is not the size 0: nothing is cut off for a request that says none.
            let Some(size) = request.data_words().first().copied() else {
                return answer(request, Ok(service::answer(proto::FILE_RESIZE, KernReturn::INVALID_ARGUMENT)));
            };
            match find(server, object)
                .and_then(|open| open.file.read_only().map_or(Ok(()), |why| Err(Problem::ReadOnly(why))))
            {
                Ok(()) => {
                    let number = object.map(|object| object.tag()).unwrap_or_default();
                    return server.manager().resize(number, size, request.clone());
                }
                Err(problem) => Err(problem),
            }
        }
        proto::FILE_REMOVE => remove(server, request),
        proto::FILE_STAT => stat(server.manager(), request),
        proto::FILE_LIST => list(server.manager(), request),
        proto::FILE_MAKE_DIRECTORY => {
            let made = path(request, 0).and_then(|path| server.manager().volume.create_directory(&path));
            made.map(|()| service::answer(request.header.id, KernReturn::SUCCESS))
        }
        proto::FILE_VOLUME => Ok(about_volume(server.manager(), request)),
        proto::FILE_SYNC => sync(server.manager(), request, object),
        id => Ok(service::answer(id, KernReturn::MIG_BAD_ID)),
    };
    answer(request, outcome);
}

/// An answer with these words.
fn reply(request: &PortMessage, body: &impl Wire) -> PortMessage {
    let mut words = Words::new();
    0_u64.pack(&mut words);
    body.pack(&mut words);
    PortMessage::with_words(service::reply_id(request.header.id), words.as_slice())
}

/// The path behind so many words of a request.
fn path(request: &PortMessage, words: usize) -> Result<String, Problem> {
    String::from_utf8(request.data_bytes_from(words).collect()).map_err(|_| Problem::BadName("it is no UTF-8"))
}

/// The open file that an object stands for.
fn find(server: &mut Server<Pager>, object: Option<Object>) -> Result<&mut Open<Object>, Problem> {
    let tag = object.map(|object| object.tag()).ok_or(Problem::BadName("the right is to no open file"))?;
    server.manager().open.get(tag).filter(|open| open.state == State::Named).ok_or(Problem::NotFound)
}

fn open(server: &mut Server<Pager>, request: &PortMessage) -> Result<PortMessage, Problem> {
    let flags = body::<proto::OpenRequest>(request, 0).map_or(0, |request| request.flags);
    let path = path(request, 1)?;
    let pager = server.manager();
    let file = match pager.volume.open(&path) {
        Ok(_) if flags & proto::OPEN_NEW != 0 => return Err(Problem::Exists),
        Err(Problem::NotFound) if flags & proto::OPEN_CREATE != 0 => pager.volume.create(&path)?,
        found => found?,
    };
    let why = pager.volume.read_only().or(file.read_only());
    let (number, size) = match pager.open.at(file.place()) {
        Some(number) => (number, file.size()),
        None => {
            if let Some(surplus) = pager.open.surplus()
                && let Some(closed) = pager.open.forget(surplus)
            {
                server.close(closed.object.port());
            }
            if !server.manager().open.has_room() {
                return Ok(service::answer(request.header.id, KernReturn::RESOURCE_SHORTAGE));
            }
            let number = server.manager().open.next();
            let object = match server.add(number) {
                Ok(object) => object,
                Err(code) => return Ok(service::answer(request.header.id, code)),
            };
            let size = file.size();
            (server.manager().open.insert(file, object), size)
        }
    };
    let port = server.manager().open.get(number).map(|open| open.object.port()).ok_or(Problem::NotFound)?;
    let mut answer = reply(request, &proto::OpenReply { size, is_read_only: why.is_some() });
    let right = match why {
        None => CarriedRight { name: port, disposition: Disposition::COPY_SEND },
        Some(_) => match for_reading(port) {
            Ok(proxy) => CarriedRight { name: proxy, disposition: Disposition::MOVE_SEND },
            Err(code) => return Ok(service::answer(request.header.id, code)),
        },
    };
    Ok(match answer.push_right(right) {
        Ok(()) => answer,
        Err(_) => service::answer(request.header.id, KernReturn::RESOURCE_SHORTAGE),
    })
}

/// A right by which an object can be mapped for reading.
fn for_reading(port: PortName) -> libmach::Result<PortName> {
    const ALL: u64 = u64::MAX / PAGE_SIZE * PAGE_SIZE;
    memory_object_create_proxy(mach_task_self(), VmProt::READ | VmProt::EXECUTE, port, 0, 0, ALL)
}

fn remove(server: &mut Server<Pager>, request: &PortMessage) -> Result<PortMessage, Problem> {
    let path = path(request, 0)?;
    let pager = server.manager();
    let place = pager.volume.stat(&path)?.map(|entry| entry.place());
    pager.volume.remove(&path)?;
    let open = place.and_then(|place| pager.open.at(place));
    if let Some(port) = open.and_then(|number| pager.removed(number)) {
        server.close(port);
    }
    Ok(service::answer(request.header.id, KernReturn::SUCCESS))
}

fn stat(pager: &mut Pager, request: &PortMessage) -> Result<PortMessage, Problem> {
    let is_read_only = pager.volume.read_only().is_some();
    let info = match pager.volume.stat(&path(request, 0)?)? {
        Some(entry) if !entry.is_directory => proto::FileInfo {
            kind: proto::KIND_FILE,
            size: u64::from(entry.size),
            is_read_only: is_read_only || entry.is_read_only,
        },
        _ => proto::FileInfo { kind: proto::KIND_DIRECTORY, size: 0, is_read_only },
    };
    Ok(reply(request, &info))
}

fn list(pager: &mut Pager, request: &PortMessage) -> Result<PortMessage, Problem> {
    let first = body::<proto::ListRequest>(request, 0).map_or(0, |request| request.first);
    let entries = pager.volume.list(&path(request, 1)?)?;
    let rest = entries.get(usize::try_from(first).unwrap_or(usize::MAX)..).unwrap_or_default();
    let list = |count: usize| {
        let mut answer = reply(request, &proto::ListReply { count: count as u64 });
        let fitting = rest.iter().take(count).take_while(|entry| {
            let kind = if entry.is_directory { proto::KIND_DIRECTORY } else { proto::KIND_FILE };
            proto::push_entry(&mut answer, kind, entry.size, &entry.name)
        });
        (fitting.count(), answer)
    };
    // Once to see how many fit, and once with that number in front.
    let (count, _) = list(rest.len());
    Ok(list(count).1)
}

fn about_volume(pager: &Pager, request: &PortMessage) -> PortMessage {
    let usage = pager.volume.usage();
    let fat_bits = match usage.kind {
        Kind::Fat16 => 16,
        Kind::Fat32 => 32,
    };
    let is_read_only = usage.read_only.is_some();
    let (total, free, cluster) = (usage.total, usage.free, usage.cluster);
    let mut answer = reply(request, &proto::VolumeInfo { fat_bits, total, free, cluster, is_read_only });
    answer.push_bytes(usage.read_only.unwrap_or_default().as_bytes());
    answer
}

/// Waits for the disk. What could not be written since the last time is told now: of this file, or of any.
fn sync(pager: &mut Pager, request: &PortMessage, object: Option<Object>) -> Result<PortMessage, Problem> {
    let number = object.map(|object| object.tag());
    let mut has_failed = false;
    for (_, open) in pager.open.iter_mut().filter(|(at, _)| number.is_none_or(|number| number == *at)) {
        has_failed |= core::mem::take(&mut open.has_failed);
    }
    pager.volume.flush()?;
    if has_failed { Err(Problem::Disk) } else { Ok(service::answer(request.header.id, KernReturn::SUCCESS)) }
}
