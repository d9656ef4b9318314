//! The default pager, as others see it (`mach_protocol::default_pager`).

pub use mach_protocol::default_pager::{AreaInfo, PagerInfo};

use alloc::vec::Vec;

use mach_protocol::block::{DiskName, body, message};
use mach_protocol::default_pager::{
    DEFAULT_PAGER, DEFAULT_PAGER_AREAS, DEFAULT_PAGER_INFO, DEFAULT_PAGER_PAGING_FILE, PagingFile,
};
use mach_protocol::service::answer_code;

use crate::msg::{self, PortMessage};
use crate::port::mach_port_deallocate;
use crate::task::mach_task_self;
use crate::{KernReturn, PortName, Result, names};

/// How much paging space there is.
///
/// # Errors
///
/// `INVALID_NAME` without a default pager; those of sending.
pub fn info() -> Result<PagerInfo> {
    let port = names::lookup(DEFAULT_PAGER)?;
    let info = default_pager_info(port);
    // The right was asked for this call alone.
    let _ = mach_port_deallocate(mach_task_self(), port);
    info
}

/// The same by the default pager's own port.
///
/// # Errors
///
/// Those of sending.
pub fn default_pager_info(pager: PortName) -> Result<PagerInfo> {
    let answer = msg::rpc(pager, &PortMessage::new(DEFAULT_PAGER_INFO))?;
    answer_code(DEFAULT_PAGER_INFO, &answer)?;
    body(&answer, 1).ok_or(KernReturn::MIG_TYPE_ERROR)
}

/// Adds a disk or a partition to the paging space, or takes it away; then this waits until its pages are elsewhere. `pager`
/// is the default pager's own port.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if there is no such disk, or it is in use already, or is none of the pager's; `FAILURE` if the others have no
/// room; those of sending.
pub fn default_pager_paging_file(pager: PortName, name: &str, add: bool) -> Result<()> {
    let request = message(DEFAULT_PAGER_PAGING_FILE, &PagingFile { add, name: DiskName::new(name) });
    answer_code(DEFAULT_PAGER_PAGING_FILE, &msg::rpc(pager, &request)?)
}

/// The paging areas. `pager` is the default pager's own port.
///
/// # Errors
///
/// Those of sending.
pub fn areas(pager: PortName) -> Result<Vec<AreaInfo>> {
    let mut areas = Vec::new();
    for index in 0.. {
        let answer = msg::rpc(pager, &PortMessage::with_words(DEFAULT_PAGER_AREAS, &[index]))?;
        match answer_code(DEFAULT_PAGER_AREAS, &answer) {
            Ok(()) => areas.push(body(&answer, 1).ok_or(KernReturn::MIG_TYPE_ERROR)?),
            Err(KernReturn::INVALID_ARGUMENT) => break,
            Err(code) => return Err(code),
        }
    }
    areas.retain(|area: &AreaInfo| area.total > 0);
    Ok(areas)
}
