//! What other tasks ask the pager (`mach_protocol::default_pager`).

use alloc::string::String;

use libmach::block::DiskName;
use libmach::memory_object::Server;
use libmach::msg::{PortMessage, mach_msg_destroy, reply};
use libmach::vm::PAGE_SIZE;
use libmach::{KernReturn, PortName};
use mach_protocol::block::body;
use mach_protocol::default_pager::{
    AreaInfo, DEFAULT_PAGER_AREAS, DEFAULT_PAGER_INFO, DEFAULT_PAGER_OBJECT_PAGES, DEFAULT_PAGER_OBJECTS,
    DEFAULT_PAGER_PAGING_FILE, DEFAULT_PAGER_REGISTER_FILESERVER, LIST, PagerInfo, PagingFile,
};
use mach_protocol::service::answer;
use mach_protocol::wire::{Wire, Words};

use super::server::{Pager, add_area};

/// Words of an answer after its code, or the code.
type Outs = Result<Words, KernReturn>;

/// Serves a message that is no manager's: one of the block server's, which says only that there is something to look at, or a
/// request at the default pager's own port, `privileged`, or at the other one.
pub(crate) fn serve(server: &mut Server<Pager>, privileged: PortName, message: &PortMessage) {
    let id = message.header.id;
    let is_privileged = message.header.local.name == privileged;
    let outs = match id {
        DEFAULT_PAGER_INFO => Ok(info(server.manager())),
        _ if !is_privileged => Err(KernReturn::MIG_BAD_ID),
        DEFAULT_PAGER_OBJECTS => objects(server.manager(), message),
        DEFAULT_PAGER_OBJECT_PAGES => object_pages(server.manager(), message),
        DEFAULT_PAGER_AREAS => area(server.manager(), message),
        DEFAULT_PAGER_REGISTER_FILESERVER => Ok(Words::new()),
        DEFAULT_PAGER_PAGING_FILE => match body::<PagingFile>(message, 0) {
            None => Err(KernReturn::INVALID_ARGUMENT),
            Some(PagingFile { add: true, name }) => add(server, &text(&name)),
            Some(PagingFile { add: false, name }) => match remove(server.manager(), &text(&name), message) {
                Ok(()) => return,
                Err(code) => Err(code),
            },
        },
        _ => Err(KernReturn::MIG_BAD_ID),
    };
    finish(message, outs);
}

/// Answers a request, and lets go of what came with it.
fn finish(request: &PortMessage, outs: Outs) {
    let mut message = answer(request.header.id, outs.as_ref().err().copied().unwrap_or(KernReturn::SUCCESS));
    if let Ok(words) = outs {
        // A piece of a list fits, as all other outs do.
        let _ = words.as_slice().iter().try_for_each(|word| message.push_word(*word));
    }
    let can_be_answered = request.header.remote.name.is_valid();
    if can_be_answered && reply(request, &message).is_ok() {
        // The reply right is used up; the rest is let go.
        let mut rest = request.clone();
        rest.header.remote.name = PortName::NULL;
        return mach_msg_destroy(&rest);
    }
    mach_msg_destroy(request);
}

/// Answers those who had an area removed that is now empty, or stays.
pub(crate) fn answer_removals(server: &mut Server<Pager>) {
    let pager = server.manager();
    for (area, outcome) in core::mem::take(&mut pager.disks.drained) {
        if outcome.is_ok()
            && let Some(area) = pager.disks.areas.get_mut(area)
        {
            *area = None;
        }
        if let Some(index) = pager.removals.iter().position(|(removed, _)| *removed == area) {
            let (_, request) = pager.removals.swap_remove(index);
            finish(&request, outcome.map(|()| Words::new()).map_err(|_| KernReturn::FAILURE));
        }
    }
}

fn text(name: &DiskName) -> String {
    name.bytes().map(char::from).collect()
}

fn packed(outs: &impl Wire) -> Words {
    let mut words = Words::new();
    outs.pack(&mut words);
    words
}

fn info(pager: &Pager) -> Words {
    let (total, free) = pager.core.space();
    packed(&PagerInfo { total_space: total * PAGE_SIZE, free_space: free * PAGE_SIZE, page_size: PAGE_SIZE })
}

fn argument(message: &PortMessage, index: usize) -> Result<u64, KernReturn> {
    message.data_words().get(index).copied().ok_or(KernReturn::INVALID_ARGUMENT)
}

fn objects(pager: &Pager, message: &PortMessage) -> Outs {
    let first = argument(message, 0)?;
    let mut words = Words::new();
    for (id, pages) in pager.core.objects().skip_while(|(id, _)| *id < first).take(LIST) {
        words.push(id);
        words.push(pages * PAGE_SIZE);
    }
    Ok(words)
}

fn object_pages(pager: &Pager, message: &PortMessage) -> Outs {
    let (object, first) = (argument(message, 0)?, argument(message, 1)?);
    let pages = pager.core.pages(object).ok_or(KernReturn::INVALID_ARGUMENT)?;
    let mut words = Words::new();
    let offsets = pages.map(|page| page * PAGE_SIZE).skip_while(|offset| *offset < first);
    offsets.take(LIST).for_each(|offset| words.push(offset));
    Ok(words)
}

fn area(pager: &Pager, message: &PortMessage) -> Outs {
    let index = usize::try_from(argument(message, 0)?).map_err(|_| KernReturn::INVALID_ARGUMENT)?;
    let known = pager.disks.areas.get(index).ok_or(KernReturn::INVALID_ARGUMENT)?;
    let about = known.as_ref().and_then(|area| Some((area, pager.core.area_info(index)?)));
    Ok(packed(&about.map_or_else(AreaInfo::default, |(area, info)| AreaInfo {
        name: DiskName::new(&area.name),
        total: info.total,
        free: info.free,
        pages_in: info.counts.pages_in,
        pages_in_failed: info.counts.pages_in_failed,
        pages_out: info.counts.pages_out,
        pages_out_failed: info.counts.pages_out_failed,
    })))
}

fn add(server: &mut Server<Pager>, name: &str) -> Outs {
    match add_area(server, name) {
        Ok(()) => Ok(Words::new()),
        Err(KernReturn::INVALID_NAME | KernReturn::NO_ACCESS) => Err(KernReturn::INVALID_ARGUMENT),
        Err(_) => Err(KernReturn::FAILURE),
    }
}

/// Begins to remove an area; the answer follows when it is empty.
fn remove(pager: &mut Pager, name: &str, request: &PortMessage) -> Result<(), KernReturn> {
    let is_it = |area: &Option<super::disks::Area>| area.as_ref().is_some_and(|area| area.name == name);
    let index = pager.disks.areas.iter().position(is_it).ok_or(KernReturn::INVALID_ARGUMENT)?;
    pager.core.remove_area(&mut pager.disks, index).map_err(|_| KernReturn::FAILURE)?;
    pager.removals.push((index, request.clone()));
    Ok(())
}
