//! What other tasks ask the pager (`mach_protocol::default_pager`): messages in, answers out. What a request means is in the
//! library.

use default_pager::request::{Place, Request, decode};
use default_pager::triggers::Triggers;
use libmach::memory_object::Server;
use libmach::msg::{CarriedRight, PortMessage, Timeout, destroy_right, mach_msg_destroy, reply_or_destroy, send};
use libmach::port::{Disposition, Right, mach_port_allocate, mach_port_destroy};
use libmach::task::mach_task_self;
use libmach::vm::PAGE_SIZE;
use libmach::{KernReturn, PortName};
use mach_protocol::default_pager::{
    ALERTS, AreaInfo, DEFAULT_PAGER_SPACE_ALERT, LIST, OBJECTS, ObjectPages, PagerInfo, PagingFile, Triggers as Wanted,
};
use mach_protocol::service::answer;
use mach_protocol::wire::{Wire, Words};

use super::server::{Pager, Ports};

/// What is answered: the words after the code, and rights; or the code.
type Outs = Result<PortMessage, KernReturn>;

/// Serves a message that is no manager's: one of the block server's, which says only that there is something to look at, or a
/// request at one of the pager's ports.
pub(crate) fn serve(server: &mut Server<Pager>, ports: Ports, message: &PortMessage) {
    let port = message.header.local.name;
    let store = server.manager().ports.iter().find(|(_, at)| **at == port).map(|(id, _)| *id);
    let place = match store {
        Some(_) => Place::Store,
        None if port == ports.own => Place::Pager,
        None if port == ports.public => Place::Public,
        None => return mach_msg_destroy(message),
    };
    let request = match decode(place, message.header.id, message.data_words()) {
        Ok(request) => request,
        Err(code) => return finish(message, Err(code)),
    };
    let store = store.unwrap_or_default();
    let Pager { core, stores, disks, .. } = server.manager();
    let code = |done: Result<(), KernReturn>| done.map(|()| outs(message));
    let answered = match request {
        Request::ObjectCreate(create) => object_create(server, message, create.size),
        Request::Info => Ok(with(message, &info(server.manager()))),
        Request::Objects(request) => Ok(objects(server.manager(), message, request.first)),
        Request::ObjectPages(request) => object_pages(server.manager(), message, request),
        Request::PagingFile(PagingFile { add: true, name }) => code(stores.add_file(core, disks, &name)),
        Request::PagingFile(PagingFile { add: false, name }) => match stores.remove_file(core, disks, &name) {
            Ok(removal) => return server.manager().removals.push((removal, message.clone())),
            Err(code) => Err(code),
        },
        Request::RegisterFileserver => Ok(outs(message)),
        Request::Areas(request) => area(server.manager(), message, request.index),
        Request::StoreCreate(create) => store_create(server, message, create.priority, create.cluster_size),
        Request::StoreDelete => match stores.delete(core, disks, store) {
            Ok(removal) => return server.manager().removals.push((removal, message.clone())),
            Err(code) => Err(code),
        },
        Request::StoreInfo(request) => {
            stores.info(core, store, request.flavor, request.count).map(|info| with(message, &info))
        }
        Request::AddSegment(segment) => code(stores.add_segment(core, disks, store, &segment)),
        Request::Triggers(wanted) => match triggers(server.manager(), message, &wanted) {
            // Its right is kept.
            Ok(kept) => return finish(&kept, Ok(outs(message))),
            Err(code) => Err(code),
        },
    };
    finish(message, answered);
}

/// Answers a request, and lets go of what came with it.
fn finish(request: &PortMessage, outs: Outs) {
    let message = outs.unwrap_or_else(|code| answer(request.header.id, code));
    // Who cannot be answered is gone, and what the answer would have given goes as well.
    reply_or_destroy(request, &message);
    let mut rest = request.clone();
    rest.header.remote.name = PortName::NULL;
    mach_msg_destroy(&rest);
}

/// A success without outs, yet.
fn outs(request: &PortMessage) -> PortMessage {
    answer(request.header.id, KernReturn::SUCCESS)
}

/// A success with outs.
fn with(request: &PortMessage, outs_of: &impl Wire) -> PortMessage {
    let mut words = Words::new();
    outs_of.pack(&mut words);
    let mut message = outs(request);
    words.as_slice().iter().for_each(|word| push(&mut message, *word));
    message
}

fn push(message: &mut PortMessage, word: u64) {
    // All outs fit, and so does a piece of a list.
    let _ = message.push_word(word);
}

/// Gives a right with an answer.
fn give(mut message: PortMessage, name: PortName, disposition: Disposition) -> PortMessage {
    // An answer with a right has room for it.
    let _ = message.push_right(CarriedRight { name, disposition });
    message
}

fn object_create(server: &mut Server<Pager>, request: &PortMessage, size: u64) -> Outs {
    let pager = server.manager();
    let tag = pager.core.create_external(size.div_ceil(PAGE_SIZE));
    pager.external.insert(tag);
    match server.add_shared(tag) {
        Ok(object) => Ok(give(outs(request), object.port(), Disposition::MAKE_SEND)),
        Err(code) => {
            server.manager().forget(tag);
            Err(code)
        }
    }
}

fn info(pager: &Pager) -> PagerInfo {
    let (total, free) = pager.core.space();
    PagerInfo { total_space: total * PAGE_SIZE, free_space: free * PAGE_SIZE, page_size: PAGE_SIZE }
}

fn objects(pager: &Pager, request: &PortMessage, first: u64) -> PortMessage {
    let found = pager.core.objects().skip_while(|(id, _)| *id < first).take(OBJECTS);
    let (mut message, mut names) = (outs(request), [None; OBJECTS]);
    for ((id, pages), name) in found.zip(&mut names) {
        push(&mut message, id);
        push(&mut message, pages * PAGE_SIZE);
        *name = Some(pager.disks.objects.get(&id).map_or(PortName::NULL, |object| object.name()));
    }
    names.into_iter().flatten().fold(message, |message, name| give(message, name, Disposition::COPY_SEND))
}

fn object_pages(pager: &Pager, request: &PortMessage, wanted: ObjectPages) -> Outs {
    let object = match request.rights().first() {
        None => Some(wanted.object),
        Some(right) => {
            let mut objects = pager.disks.objects.iter();
            objects.find(|(_, object)| right.name.is_valid() && object.name() == right.name).map(|(id, _)| *id)
        }
    };
    let pages = object.and_then(|object| pager.core.pages(object)).ok_or(KernReturn::INVALID_ARGUMENT)?;
    let offsets = pages.map(|page| page * PAGE_SIZE).skip_while(|offset| *offset < wanted.first);
    let mut message = outs(request);
    offsets.take(LIST).for_each(|offset| push(&mut message, offset));
    Ok(message)
}

fn area(pager: &Pager, request: &PortMessage, index: u64) -> Outs {
    let index = usize::try_from(index).map_err(|_| KernReturn::INVALID_ARGUMENT)?;
    if index >= pager.disks.areas.len() {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    let known = pager.stores.place(index).zip(pager.core.area_info(index));
    let about = known.map_or_else(AreaInfo::default, |((name, start), info)| AreaInfo {
        name,
        start,
        total: info.total,
        free: info.free,
        pages_in: info.counts.pages_in,
        pages_in_failed: info.counts.pages_in_failed,
        pages_out: info.counts.pages_out,
        pages_out_failed: info.counts.pages_out_failed,
    });
    Ok(with(request, &about))
}

fn store_create(server: &mut Server<Pager>, request: &PortMessage, priority: i32, cluster_size: u64) -> Outs {
    let port = mach_port_allocate(mach_task_self(), Right::RECEIVE)?;
    let made = server.add_port(port).and_then(|()| server.manager().stores.create(priority, cluster_size));
    let id = made.inspect_err(|_| destroy(port))?;
    server.manager().ports.insert(id, port);
    Ok(give(outs(request), port, Disposition::MAKE_SEND))
}

/// Sets who is told of what. Answers the request without the right that is kept.
///
/// | # | check | code |
/// |---|---|---|
/// | 1 | the flags are known | `INVALID_ARGUMENT` |
/// | 2 | a flag comes with a send right | `INVALID_ARGUMENT` |
fn triggers(pager: &mut Pager, request: &PortMessage, wanted: &Wanted) -> Result<PortMessage, KernReturn> {
    let right = request.rights().first().copied();
    let port = right.filter(|right| right.disposition == Disposition::PORT_SEND && right.name.is_valid());
    let is_wanted = wanted.flags != 0;
    if wanted.flags & !ALERTS != 0 || (is_wanted && (port.is_none() || request.rights().len() != 1)) {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    let free = info(pager).free_space;
    pager.triggers = Triggers::new(wanted.hi_wat, wanted.lo_wat, wanted.flags, free);
    let kept = port.filter(|_| is_wanted);
    if let Some(old) = core::mem::replace(&mut pager.alerts, kept) {
        destroy_right(&old);
    }
    if kept.is_none() {
        return Ok(request.clone());
    }
    let mut rest = PortMessage::with_words(request.header.id, request.data_words());
    rest.header = request.header;
    Ok(rest)
}

/// Tells of space that has crossed a bound.
pub(crate) fn send_alerts(pager: &mut Pager) {
    let free = info(pager).free_space;
    let flags = pager.triggers.look(free);
    if let Some(to) = pager.alerts.filter(|_| flags != 0) {
        let mut alert = PortMessage::with_words(DEFAULT_PAGER_SPACE_ALERT, &[u64::from(flags)]);
        alert.header.remote = CarriedRight { name: to.name, disposition: Disposition::COPY_SEND };
        // Who does not empty its queue, or is gone, is told no more of this one.
        let _ = send(&alert, Timeout::Millis(0));
    }
}

/// Answers those who had areas removed that are now gone, or stay.
pub(crate) fn answer_removals(server: &mut Server<Pager>) {
    let pager = server.manager();
    for (removal, outcome) in core::mem::take(&mut pager.disks.drained) {
        let gone = pager.stores.removed(&mut pager.disks, removal, outcome);
        if let Some(index) = pager.removals.iter().position(|(removed, _)| *removed == removal) {
            let (_, request) = pager.removals.swap_remove(index);
            let answered = outcome.map(|()| outs(&request)).map_err(|_| KernReturn::FAILURE);
            finish(&request, answered);
        }
        // A store that `paging_file` made has no port.
        if let Some(port) = gone.and_then(|id| pager.ports.remove(&id)) {
            destroy(port);
        }
    }
}

/// Destroys a port of the pager's own.
fn destroy(port: PortName) {
    // Nothing can be wrong with it.
    let _ = mach_port_destroy(mach_task_self(), port);
}
