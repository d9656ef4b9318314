//! Requests of other tasks: which there are, and at which port.

use mach_protocol::KernReturn;
use mach_protocol::default_pager as proto;
use mach_protocol::wire::{Reader, Wire};

/// The port that a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The default pager's own, which the privileged host port gives.
    Pager,
    /// The one that everybody finds.
    Public,
    /// A backing store's.
    Store,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `default_pager_object_create`.
    ObjectCreate(proto::ObjectCreate),
    /// `default_pager_info`.
    Info,
    /// `default_pager_objects`.
    Objects(proto::Objects),
    /// `default_pager_object_pages`.
    ObjectPages(proto::ObjectPages),
    /// `default_pager_paging_file`.
    PagingFile(proto::PagingFile),
    /// `default_pager_register_fileserver`.
    RegisterFileserver,
    /// The areas.
    Areas(proto::Areas),
    /// `default_pager_backing_store_create`.
    StoreCreate(proto::StoreCreate),
    /// `default_pager_backing_store_delete`.
    StoreDelete,
    /// `default_pager_backing_store_info`.
    StoreInfo(proto::StoreInfo),
    /// `default_pager_add_segment`.
    AddSegment(proto::AddSegment),
    /// `default_pager_triggers`.
    Triggers(proto::Triggers),
}

/// Reads a request.
///
/// # Errors
///
/// | # | check | code |
/// |---|---|---|
/// | 1 | there is a request of this number | `MIG_BAD_ID` |
/// | 2 | it came to a port that serves it | `INVALID_ARGUMENT` |
/// | 3 | its data are its arguments, no more and no less | `INVALID_ARGUMENT` |
pub fn decode(place: Place, id: i32, words: &[u64]) -> Result<Request, KernReturn> {
    let is_served = match id {
        proto::DEFAULT_PAGER_INFO => place != Place::Store,
        proto::DEFAULT_PAGER_OBJECT_CREATE
        | proto::DEFAULT_PAGER_OBJECTS
        | proto::DEFAULT_PAGER_OBJECT_PAGES
        | proto::DEFAULT_PAGER_PAGING_FILE
        | proto::DEFAULT_PAGER_REGISTER_FILESERVER
        | proto::DEFAULT_PAGER_AREAS
        | proto::DEFAULT_PAGER_BACKING_STORE_CREATE
        | proto::DEFAULT_PAGER_TRIGGERS => place == Place::Pager,
        proto::DEFAULT_PAGER_BACKING_STORE_DELETE
        | proto::DEFAULT_PAGER_BACKING_STORE_INFO
        | proto::DEFAULT_PAGER_ADD_SEGMENT => place == Place::Store,
        _ => return Err(KernReturn::MIG_BAD_ID),
    };
    if !is_served {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    Ok(match id {
        proto::DEFAULT_PAGER_OBJECT_CREATE => Request::ObjectCreate(arguments(words)?),
        proto::DEFAULT_PAGER_INFO => nothing(words, Request::Info)?,
        proto::DEFAULT_PAGER_OBJECTS => Request::Objects(arguments(words)?),
        proto::DEFAULT_PAGER_OBJECT_PAGES => Request::ObjectPages(arguments(words)?),
        proto::DEFAULT_PAGER_PAGING_FILE => Request::PagingFile(arguments(words)?),
        // It is accepted, whatever it carries.
        proto::DEFAULT_PAGER_REGISTER_FILESERVER => Request::RegisterFileserver,
        proto::DEFAULT_PAGER_AREAS => Request::Areas(arguments(words)?),
        proto::DEFAULT_PAGER_BACKING_STORE_CREATE => Request::StoreCreate(arguments(words)?),
        proto::DEFAULT_PAGER_BACKING_STORE_DELETE => nothing(words, Request::StoreDelete)?,
        proto::DEFAULT_PAGER_BACKING_STORE_INFO => Request::StoreInfo(arguments(words)?),
        proto::DEFAULT_PAGER_ADD_SEGMENT => Request::AddSegment(arguments(words)?),
        proto::DEFAULT_PAGER_TRIGGERS => Request::Triggers(arguments(words)?),
        _ => return Err(KernReturn::MIG_BAD_ID),
    })
}

fn arguments<T: Wire>(words: &[u64]) -> Result<T, KernReturn> {
    let mut reader = Reader::new(words);
    let arguments = T::unpack(&mut reader).map_err(|_| KernReturn::INVALID_ARGUMENT)?;
    reader.finish().map_err(|_| KernReturn::INVALID_ARGUMENT)?;
    Ok(arguments)
}

fn nothing(words: &[u64], request: Request) -> Result<Request, KernReturn> {
    if words.is_empty() { Ok(request) } else { Err(KernReturn::INVALID_ARGUMENT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [Place; 3] = [Place::Pager, Place::Public, Place::Store];
    /// Each request with the words of its arguments and the places that serve it.
    const ALL: [(i32, usize, &[Place]); 12] = [
        (2275, 1, &[Place::Pager]),
        (2276, 0, &[Place::Pager, Place::Public]),
        (2277, 1, &[Place::Pager]),
        (2278, 2, &[Place::Pager]),
        (2279, 4, &[Place::Pager]),
        (2280, 0, &[Place::Pager]),
        (7172, 1, &[Place::Pager]),
        (7020, 2, &[Place::Pager]),
        (7021, 0, &[Place::Store]),
        (7022, 2, &[Place::Store]),
        (7023, 6, &[Place::Store]),
        (7024, 3, &[Place::Pager]),
    ];

    #[test]
    fn decode_err01_there_is_no_such_request() {
        for (id, place) in [0, -1, 2274, 2281, 2295, 7019, 7025, 7171].iter().flat_map(|id| PLACES.map(|at| (*id, at)))
        {
            assert_eq!(decode(place, id, &[]), Err(KernReturn::MIG_BAD_ID), "{id} at {place:?}");
        }
    }

    #[test]
    fn decode_err02_it_came_to_the_wrong_port() {
        for (id, words, served) in ALL {
            for place in PLACES {
                let decoded = decode(place, id, &[0; 8][..words]);
                let wanted = if served.contains(&place) { Ok(()) } else { Err(KernReturn::INVALID_ARGUMENT) };
                assert_eq!(decoded.map(drop), wanted, "{id} at {place:?}");
            }
        }
    }

    #[test]
    fn decode_err03_the_data_are_not_its_arguments() {
        for (id, words, served) in ALL.into_iter().filter(|(id, ..)| *id != proto::DEFAULT_PAGER_REGISTER_FILESERVER) {
            for wrong in [words.checked_sub(1), Some(words + 1)].into_iter().flatten() {
                let refused = decode(served[0], id, &[0; 8][..wrong]);
                assert_eq!(refused, Err(KernReturn::INVALID_ARGUMENT), "{id} with {wrong} words");
            }
        }
        let too_large = [u64::MAX, 0];
        assert_eq!(decode(Place::Store, 7022, &too_large), Err(KernReturn::INVALID_ARGUMENT));
    }
}
