//! Memory objects and their managers (`spec/mach-memory-objects.md` B): what a manager asks of the server, and what
//! the server tells a manager.
//!
//! **From the manager** come the calls of [`MemoryObjectRequest`]. Their target is the *control port* that
//! `memory_object_init` brought. They are simpleroutines in Mach; here each is answered at once with what Mach's kernel
//! function returns. `reply_to` is a name of the caller's and what becomes of the right ([`Disposition`]); null with any
//! disposition means that no message is wanted. Data lies at an address of the caller's own map.
//!
//! **To the manager** go messages on the queue of the object port (2206, 2207 and 2209: of the reply port that the
//! manager named), received like any other. They carry [`FROM_SERVER`](crate::message::FROM_SERVER), which no task can
//! set. Their rights, and what [`Upcall`] reads from their data:
//!
//! | id | message | rights of the body | data |
//! |---:|---|---|---|
//! | 2200 | `memory_object_init` | control (send), name (send) | [`Init`] |
//! | 2201 | `memory_object_terminate` | control (receive), name (receive); the header's local port is the server's send right to the object, moved | [`Terminate`] |
//! | 2202 | `memory_object_copy` | old control (send), new object (receive) | [`CopyObject`] |
//! | 2203 | `memory_object_data_request` | control (send) | [`DataRequest`] |
//! | 2204 | `memory_object_data_unlock` | control (send) | [`DataUnlock`] |
//! | 2206 | `memory_object_lock_completed` | control (send) | [`LockCompleted`] |
//! | 2207 | `memory_object_supply_completed` | control (send) | [`SupplyCompleted`] |
//! | 2208 | `memory_object_data_return` | control (send) | [`DataReturn`] |
//! | 2209 | `memory_object_change_completed` | none | [`ChangeCompleted`] |
//! | 2250 | `memory_object_create`, to the default pager's port | new object (receive), control (send), name (send) | [`Create`] |
//! | 2251 | `memory_object_data_initialize` | control (send) | [`DataInitialize`] |
//! | 7010 | `memory_object_synchronize`, to managers that want it (7013) | control (send) | [`Synchronize`] |
//!
//! The pages of 2208 are in the receiver's map by the time it has the message: new memory, to be deallocated. The default
//! pager is told of its objects by 2250; of each it then gets 2208, 2203 and 2201 (`docs/paging.md`).

use crate::message::{MsgReceive, MsgReply};
use crate::port::Disposition;
use crate::table::{LAST_KERNEL_ERROR, REPLY_OFFSET, subsystem, wire_struct};
use crate::wire::{Malformed, Reader, Wire, Words};
use crate::{KernReturn, PortName};

/// What a manager promises about its data, `memory_object_copy_strategy_t`. A transparent number: servers refuse
/// unknown ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CopyStrategy(pub u32);

impl CopyStrategy {
    /// Nothing: copies are made at once, page by page.
    pub const NONE: Self = Self(0);
    /// It wants to be asked: [`CopyObject`], and serves an object for each copy.
    pub const CALL: Self = Self(1);
    /// The data does not change behind the server's back: copies are made when somebody writes.
    pub const DELAY: Self = Self(2);
    /// As [`CopyStrategy::DELAY`], and the manager need not see changes.
    pub const TEMPORARY: Self = Self(3);
}

/// Which pages `memory_object_lock_request` returns, `memory_object_return_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ShouldReturn(pub u32);

impl ShouldReturn {
    /// None.
    pub const NONE: Self = Self(0);
    /// Those that were written to.
    pub const DIRTY: Self = Self(1);
    /// Those that were written to, and the precious ones.
    pub const ALL: Self = Self(2);
    /// All that are resident.
    pub const ANYTHING: Self = Self(3);
}

/// Requests that an object's manager has not answered, in pages, beyond which faults wait in the server.
pub const MAX_OUTSTANDING: u32 = 50;

subsystem! {
    /// A request of a memory manager, on a control port.
    MemoryObjectRequest {
        /// `memory_object_ready`: the object can be used. Waiting faults go on. A second one changes attributes.
        ///
        /// INVALID_ARGUMENT for an unknown strategy: the object is as ready as it was.
        MemoryObjectReady = 2094 {
            /// Whether pages stay cached without a mapping.
            may_cache: bool,
            /// [`CopyStrategy`].
            copy_strategy: u32,
        } -> MemoryObjectReadyReply {}

        /// `memory_object_change_attributes`; [`ChangeCompleted`] follows, after a [`Terminate`] that it caused.
        ///
        /// Checks as [`MemoryObjectReady`]; the completion comes anyway.
        MemoryObjectChangeAttributes = 2095 {
            /// Whether pages stay cached without a mapping.
            may_cache: bool,
            /// [`CopyStrategy`]. Only the first one counts.
            copy_strategy: u32,
            /// Where the completion goes, or null.
            reply_to: PortName,
            /// [`Disposition`] of `reply_to`.
            reply_disposition: u32,
        } -> MemoryObjectChangeAttributesReply {}

        /// `memory_object_set_attributes`, historic: [`MemoryObjectReady`] if `object_ready`.
        MemoryObjectSetAttributes = 2091 {
            /// Whether the object can be used.
            object_ready: bool,
            /// Whether pages stay cached without a mapping.
            may_cache: bool,
            /// [`CopyStrategy`].
            copy_strategy: u32,
        } -> MemoryObjectSetAttributesReply {}

        /// `memory_object_get_attributes`.
        MemoryObjectGetAttributes = 2040 {} -> MemoryObjectGetAttributesReply {
            /// Whether the manager said that it is ready.
            object_ready: bool,
            /// Whether pages stay cached without a mapping.
            may_cache: bool,
            /// [`CopyStrategy`].
            copy_strategy: u32,
            /// Whether pages are thrown away at the end. Not in Mach's reply.
            temporary: bool,
        }

        /// `memory_object_data_supply`: gives pages. [`SupplyCompleted`] follows if it is asked for.
        ///
        /// Memory that is to be deallocated goes with the message, whatever becomes of it, unless the code is one of
        /// sending.
        ///
        /// INVALID_ARGUMENT for lock bits outside ALL, an offset or a size that is no multiple of a page: nothing is
        /// accepted. SEND_INVALID_MEMORY if the data cannot be read. MEMORY_PRESENT at the first page that is there
        /// already, RESOURCE_SHORTAGE at the first that nobody asked for beyond the quota or that there is no memory
        /// for, a fault's code at the first that cannot be read after all: the pages before it are taken, it and those
        /// behind it are not.
        MemoryObjectDataSupply = 2093 {
            /// Where in the object.
            offset: u64,
            /// Where the data is, in the caller.
            data: u64,
            /// Its bytes.
            size: u64,
            /// Whether the caller's memory goes with the call.
            deallocate: bool,
            /// [`crate::vm::VmProt`]: accesses that are not allowed.
            lock_value: u32,
            /// Whether the data must come back even if nobody writes to it.
            precious: bool,
            /// Where the completion goes, or null.
            reply_to: PortName,
            /// [`Disposition`] of `reply_to`.
            reply_disposition: u32,
        } -> MemoryObjectDataSupplyReply {}

        /// `memory_object_data_provided`, historic: [`MemoryObjectDataSupply`], not precious, without completion.
        MemoryObjectDataProvided = 2038 {
            /// Where in the object.
            offset: u64,
            /// Where the data is, in the caller.
            data: u64,
            /// Its bytes.
            size: u64,
            /// [`crate::vm::VmProt`]: accesses that are not allowed.
            lock_value: u32,
        } -> MemoryObjectDataProvidedReply {}

        /// `memory_object_data_unavailable`: requested pages of the range hold what is below the object, or zeros.
        ///
        /// INVALID_ARGUMENT if a bound is no multiple of a page.
        MemoryObjectDataUnavailable = 2039 {
            /// Where in the object.
            offset: u64,
            /// Bytes.
            size: u64,
        } -> MemoryObjectDataUnavailableReply {}

        /// `memory_object_data_error`: requested pages of the range cannot be had. Who waits for them gets
        /// MEMORY_ERROR; the next access asks again.
        ///
        /// INVALID_ARGUMENT if a bound is no multiple of a page.
        MemoryObjectDataError = 2090 {
            /// Where in the object.
            offset: u64,
            /// Bytes.
            size: u64,
            /// Why, for logs.
            error_value: i32,
        } -> MemoryObjectDataErrorReply {}

        /// `memory_object_lock_request`: returns, locks, unlocks and flushes the resident pages of a range;
        /// [`LockCompleted`] follows.
        ///
        /// INVALID_ARGUMENT for lock bits outside ALL that are not `NO_CHANGE`, for an unknown `should_return`, or if
        /// the offset is no multiple of a page. RESOURCE_SHORTAGE while too many of the caller's run on.
        MemoryObjectLockRequest = 2044 {
            /// Where in the object.
            offset: u64,
            /// Bytes, rounded up to pages; cut at the end of what is resident.
            size: u64,
            /// [`ShouldReturn`].
            should_return: u32,
            /// Bit 0: whether the pages go away. Other bits are XNU's, and ignored.
            should_flush: u32,
            /// [`crate::vm::VmProt`]: accesses that are not allowed from now on, or `NO_CHANGE`.
            lock_value: u32,
            /// Where the completion goes, or null.
            reply_to: PortName,
            /// [`Disposition`] of `reply_to`.
            reply_disposition: u32,
        } -> MemoryObjectLockRequestReply {}

        /// `memory_object_destroy`: gives the object up, with what is cached of it. [`Terminate`] follows.
        MemoryObjectDestroy = 2092 {
            /// Ignored.
            reason: i32,
        } -> MemoryObjectDestroyReply {}

        /// `memory_object_synchronize_completed`: answers [`Synchronize`]: what was returned of the range is safe.
        ///
        /// INVALID_ARGUMENT if no request for exactly this range is pending.
        MemoryObjectSynchronizeCompleted = 7011 {
            /// Where in the object.
            offset: u64,
            /// Bytes.
            length: u64,
        } -> MemoryObjectSynchronizeCompletedReply {}

        /// Answers [`Synchronize`] as well: not all that was returned of the object could be stored. Who waits gets
        /// MEMORY_ERROR. Not Mach's.
        ///
        /// INVALID_ARGUMENT if no request for exactly this range is pending.
        MemoryObjectSynchronizeFailed = 7012 {
            /// Where in the object.
            offset: u64,
            /// Bytes.
            length: u64,
            /// Why, for logs.
            error_value: i32,
        } -> MemoryObjectSynchronizeFailedReply {}

        /// Whether the manager wants [`Synchronize`], which must be answered, from now on. Not Mach's, where every manager
        /// gets it; to begin with none does.
        MemoryObjectWantSynchronize = 7013 {
            /// Whether it does.
            wanted: bool,
        } -> MemoryObjectWantSynchronizeReply {}

        /// `vm_object_sync`, `spec/mach-vm.md` A.13: gives pages of an object back to its manager, or discards them. The
        /// target is the object's name port, as GNU's `vm_region` delivers it. Nothing is done to anonymous memory.
        ///
        /// Checks: a name port, else INVALID_ARGUMENT; an offset that is a multiple of a page, else INVALID_ARGUMENT; the
        /// manager takes what is returned, else MEMORY_ERROR.
        VmObjectSync = 4208 {
            /// The first byte.
            offset: u64,
            /// Bytes; whole pages are treated.
            size: u64,
            /// Discard the pages.
            should_flush: bool,
            /// Return dirty and precious pages first.
            should_return: bool,
            /// Answer when the manager has them, as [`VmMsync`](crate::vm::VmMsync) does with SYNCHRONOUS.
            should_iosync: bool,
        } -> VmObjectSyncReply {}

        /// `memory_object_create_proxy`, B.11: a port that `vm_map` accepts in place of an object, for a part of it
        /// and with less protection. The target is a task. Mach takes arrays; the server accepts a length of 1 only.
        ///
        /// Checks: the task, else INVALID_TASK; all counts 1, else INVALID_ARGUMENT; the object is a send right to a
        /// live port, else INVALID_NAME; that of a memory object or a proxy, offset 0, known protection bits, a range
        /// that does not wrap or leave an inner proxy, else INVALID_ARGUMENT; room for the name, else NO_SPACE.
        MemoryObjectCreateProxy = 4010 {
            /// [`crate::vm::VmProt`].
            max_protection: u32,
            /// The counts of the arrays: objects, offsets, starts, lengths.
            counts: [u64; 4],
            /// The first object: the caller's send right.
            object: PortName,
            /// The first offset.
            offset: u64,
            /// The first byte in the object.
            start: u64,
            /// Bytes.
            len: u64,
        } -> MemoryObjectCreateProxyReply {
            /// A send right to the proxy.
            proxy: PortName,
        }

        /// `vm_region_create_proxy`, B.11: a proxy for memory that a task has mapped. The target is that task.
        ///
        /// Anonymous memory is shared with whoever maps the proxy, and lives as long as it.
        ///
        /// Checks: the task, known protection bits, a page-aligned address, a length, else INVALID_ARGUMENT; something
        /// mapped there, else NO_SPACE; the length within the region, else INVALID_ARGUMENT; room for the name, else
        /// NO_SPACE.
        VmRegionCreateProxy = 4011 {
            /// The first byte.
            address: u64,
            /// [`crate::vm::VmProt`], cut at what the region allows.
            max_protection: u32,
            /// Bytes.
            len: u64,
        } -> VmRegionCreateProxyReply {
            /// A send right to the proxy.
            proxy: PortName,
        }
    }
}

/// What the server tells managers, each a message id and its data.
macro_rules! upcalls {
    ($(
        $(#[$doc:meta])*
        $Name:ident = $id:literal, $rights:literal rights { $($(#[$fdoc:meta])* $field:ident: $ty:ty),* $(,)? }
    )*) => {
        $(
            wire_struct! {
                $(#[$doc])*
                $Name { $($(#[$fdoc])* $field: $ty),* }
            }

            impl $Name {
                /// The message's id.
                pub const ID: i32 = $id;
                /// The rights of the message's body.
                pub const RIGHTS: usize = $rights;

                /// The message's data.
                #[must_use]
                pub fn words(&self) -> Words {
                    let mut words = Words::new();
                    self.pack(&mut words);
                    words
                }
            }
        )*

        /// A message to a manager: its data.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Upcall {
            $(
                $(#[$doc])*
                $Name($Name),
            )*
        }

        impl Upcall {
            /// Reads the message with this id from its data; `None` if it is none of these, or malformed.
            #[must_use]
            pub fn from_words(id: i32, words: &[u64]) -> Option<Self> {
                let mut reader = Reader::new(words);
                let upcall = match id {
                    $($id => Self::$Name(Wire::unpack(&mut reader).ok()?),)*
                    _ => return None,
                };
                reader.finish().ok()?;
                Some(upcall)
            }

            /// The message's id.
            #[must_use]
            pub const fn id(&self) -> i32 {
                match self {
                    $(Self::$Name(_) => $id,)*
                }
            }

            /// The rights of the message's body.
            #[must_use]
            pub const fn rights(&self) -> usize {
                match self {
                    $(Self::$Name(_) => $rights,)*
                }
            }

            /// The message's data.
            #[must_use]
            pub fn words(&self) -> Words {
                match self {
                    $(Self::$Name(upcall) => upcall.words(),)*
                }
            }
        }
    };
}

upcalls! {
    /// The object was mapped for the first time, or again after [`Terminate`]. The manager answers with
    /// [`MemoryObjectReady`], or [`MemoryObjectDestroy`] to refuse.
    Init = 2200, 2 rights {
        /// Bytes of a page: offsets, lengths and data are multiples of it.
        page_size: u64,
    }

    /// The server has forgotten the object. The control and name ports are the manager's now.
    Terminate = 2201, 2 rights {}

    /// A range is copied (strategy CALL): a new object, whose init follows on its own port, shall be a snapshot of it.
    /// Resident pages of the range are locked against writing now; for what the manager says that it has no data of in
    /// the new object, that is what the old one is.
    CopyObject = 2202, 2 rights {
        /// Where in the old object.
        offset: u64,
        /// Bytes.
        length: u64,
    }

    /// Data is needed. Each page is to be answered by data_supply, data_unavailable or data_error.
    DataRequest = 2203, 1 rights {
        /// Where in the object.
        offset: u64,
        /// Bytes.
        length: u64,
        /// [`crate::vm::VmProt`]: what must be allowed at least.
        desired_access: u32,
    }

    /// A thread needs an access that the manager has locked. The answer is a lock_request.
    DataUnlock = 2204, 1 rights {
        /// Where in the object.
        offset: u64,
        /// Bytes.
        length: u64,
        /// [`crate::vm::VmProt`]: the access.
        desired_access: u32,
    }

    /// A lock_request is done.
    LockCompleted = 2206, 1 rights {
        /// As in the request.
        offset: u64,
        /// As in the request.
        length: u64,
    }

    /// A data_supply is done.
    SupplyCompleted = 2207, 1 rights {
        /// As in the call.
        offset: u64,
        /// As in the call.
        length: u64,
        /// [`KernReturn`]: SUCCESS, MEMORY_PRESENT, RESOURCE_SHORTAGE, or why the data could not be read.
        result: i32,
        /// The first byte that was not taken; 0 if all was.
        error_offset: u64,
    }

    /// Pages come back.
    DataReturn = 2208, 1 rights {
        /// Where in the object.
        offset: u64,
        /// Where the data is in the receiver, whose memory it is.
        data: u64,
        /// Its bytes.
        size: u64,
        /// Whether somebody wrote to it; if not, it is precious.
        dirty: bool,
        /// Whether the server still has the pages.
        kernel_copy: bool,
    }

    /// A change_attributes is done.
    ChangeCompleted = 2209, 0 rights {
        /// Whether pages stay cached without a mapping.
        may_cache: bool,
        /// [`CopyStrategy`].
        copy_strategy: u32,
    }

    /// Anonymous memory is paged out for the first time: the receiver, the default pager, keeps its pages from now on. It
    /// gets the right to receive from the new object, which is ready as it is.
    Create = 2250, 3 rights {
        /// Bytes; no more than a hint.
        size: u64,
        /// Bytes of a page.
        page_size: u64,
    }

    /// As [`DataReturn`], but only if the default pager has no data there yet. This server never sends it.
    DataInitialize = 2251, 1 rights {
        /// Where in the object.
        offset: u64,
        /// Where the data is in the receiver, whose memory it is.
        data: u64,
        /// Its bytes.
        size: u64,
    }

    /// Somebody waits until all that was returned of this range, before this message, is safe: `vm_msync`. The answer is
    /// [`MemoryObjectSynchronizeCompleted`] or [`MemoryObjectSynchronizeFailed`].
    Synchronize = 7010, 1 rights {
        /// Where in the object.
        offset: u64,
        /// Bytes.
        length: u64,
        /// [`crate::vm::VmSync`]: what `vm_msync` was called with.
        sync_flags: u32,
    }
}

/// The id of [`SupplyAndReceive`].
pub const SUPPLY_AND_RECEIVE: u32 = 7161;

/// A data_supply that is followed by a receive, in one call: the answer to one request, and the wait for the next.
///
/// Request, by message register: 0 the control port; 1 … 8 the arguments of [`MemoryObjectDataSupply`]; 9 the port or
/// port set to receive from; 10 options (low half) and time limit; 11 bytes of data accepted; 12 and 13 a
/// [`Landing`](crate::message::Landing), if there is one. Reply: 0 the
/// return code of the supply, 1 … the reply of a receive. The receive takes place whatever became of the supply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SupplyAndReceive {
    /// The control port.
    pub control: PortName,
    /// The supply.
    pub supply: MemoryObjectDataSupply,
    /// The receive.
    pub receive: MsgReceive,
}

impl SupplyAndReceive {
    /// The words of the request, the target's name first.
    #[must_use]
    pub fn pack(&self) -> Words {
        let mut words = Words::new();
        self.control.pack(&mut words);
        self.supply.pack(&mut words);
        self.receive.pack(&mut words);
        words
    }

    /// Reads the request from all its words.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if they are none.
    pub fn unpack(words: &[u64]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(words);
        let control = Wire::unpack(&mut reader)?;
        let supply = Wire::unpack(&mut reader)?;
        let receive = MsgReceive::unpack(PortName::unpack(&mut reader)?, &mut reader)?;
        reader.finish()?;
        Ok(Self { control, supply, receive })
    }
}

/// What [`SupplyAndReceive`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplyAndReceiveReply {
    /// The return code of the supply.
    pub supplied: KernReturn,
    /// What the receive answers.
    pub received: MsgReply,
}

impl SupplyAndReceiveReply {
    /// The words of the reply.
    #[must_use]
    pub fn pack(&self) -> Words {
        let mut words = Words::new();
        self.supplied.0.pack(&mut words);
        self.received.pack_into(&mut words);
        words
    }

    /// Reads the reply with this label.
    ///
    /// # Errors
    ///
    /// `SEND_INVALID_DEST` if the kernel refused the call, so that it never left; `MIG_REPLY_MISMATCH` for the
    /// reply to another request; `MIG_TYPE_ERROR` for a malformed one. A request that could not be decoded is answered
    /// by its code alone, which is the error.
    pub fn unpack(label: u64, words: &[u64]) -> Result<Self, KernReturn> {
        if label <= LAST_KERNEL_ERROR {
            return Err(KernReturn::SEND_INVALID_DEST);
        }
        if label != u64::from(SUPPLY_AND_RECEIVE + REPLY_OFFSET) {
            return Err(KernReturn::MIG_REPLY_MISMATCH);
        }
        let (code, received) = words.split_first().ok_or(KernReturn::MIG_TYPE_ERROR)?;
        let code = KernReturn(i32::try_from(*code as i64).map_err(|_| KernReturn::MIG_TYPE_ERROR)?);
        if received.is_empty() {
            return Err(code);
        }
        let received = MsgReply::unpack_words(received).map_err(|_| KernReturn::MIG_TYPE_ERROR)?;
        Ok(Self { supplied: code, received })
    }
}

/// A right that is named together with what becomes of it, for `reply_to`.
#[must_use]
pub const fn reply_words(right: Option<(PortName, Disposition)>) -> (PortName, u32) {
    match right {
        Some((name, disposition)) => (name, disposition.0),
        None => (PortName::NULL, 0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Landing, MsgOption, PortMessage};
    use crate::wire::MAX_WORDS;

    #[test]
    fn what_a_manager_is_told_comes_back() {
        let upcalls = [
            Upcall::Init(Init { page_size: 4096 }),
            Upcall::Terminate(Terminate {}),
            Upcall::CopyObject(CopyObject { offset: 1, length: 2 }),
            Upcall::DataRequest(DataRequest { offset: u64::MAX, length: 2, desired_access: 3 }),
            Upcall::DataUnlock(DataUnlock { offset: 1, length: 2, desired_access: 3 }),
            Upcall::LockCompleted(LockCompleted { offset: 1, length: 2 }),
            Upcall::SupplyCompleted(SupplyCompleted { offset: 1, length: 2, result: -3, error_offset: 4 }),
            Upcall::DataReturn(DataReturn { offset: 1, data: 2, size: 3, dirty: true, kernel_copy: false }),
            Upcall::ChangeCompleted(ChangeCompleted { may_cache: true, copy_strategy: 2 }),
            Upcall::Create(Create { size: 1, page_size: 2 }),
            Upcall::DataInitialize(DataInitialize { offset: 1, data: 2, size: 3 }),
            Upcall::Synchronize(Synchronize { offset: 1, length: 2, sync_flags: 3 }),
        ];
        for upcall in upcalls {
            let words = upcall.words();
            let words = words.as_slice();
            assert_eq!(Upcall::from_words(upcall.id(), words), Some(upcall));
            let longer: Vec<u64> = words.iter().copied().chain([0]).collect();
            assert_eq!(Upcall::from_words(upcall.id(), &longer), None, "{upcall:?}: a word too many");
            if let Some((_, shorter)) = words.split_last() {
                assert_eq!(Upcall::from_words(upcall.id(), shorter), None, "{upcall:?}: a word too few");
            }
        }
        assert_eq!(Upcall::from_words(2205, &[1, 2]), None);
        assert_eq!(Upcall::from_words(LockCompleted::ID, &[1, 2]), Some(upcalls[5]));
    }

    proptest! {
        #[test]
        fn supplies_with_a_receive_come_back(words in any::<[u64; 5]>(), names in any::<[u32; 8]>(), flags in any::<[bool; 2]>()) {
            let supply = MemoryObjectDataSupply {
                offset: words[0],
                data: words[1],
                size: words[2],
                deallocate: flags[0],
                lock_value: names[0],
                precious: flags[1],
                reply_to: PortName(names[1]),
                reply_disposition: names[2],
            };
            let receive = MsgReceive {
                name: PortName(names[3]),
                option: MsgOption::from_bits_retain(names[4]),
                timeout_ms: names[5],
                size: names[6],
                landing: if flags[0] { Landing { address: words[3], size: words[4].max(1) } } else { Landing::default() },
            };
            let request = SupplyAndReceive { control: PortName(names[7]), supply, receive };
            prop_assert_eq!(SupplyAndReceive::unpack(request.pack().as_slice()), Ok(request));
            prop_assert!(SupplyAndReceive::unpack(&words).is_err());
        }

        #[test]
        fn their_answers_come_back(supplied in any::<i32>(), code in any::<i32>(), data in proptest::collection::vec(any::<u64>(), 0..=114)) {
            for message in [None, Some(PortMessage::with_words(DataRequest::ID, &data))] {
                let received = MsgReply { code: KernReturn(code), message };
                let reply = SupplyAndReceiveReply { supplied: KernReturn(supplied), received };
                let words = reply.pack();
                prop_assert!(words.as_slice().len() <= MAX_WORDS);
                prop_assert_eq!(SupplyAndReceiveReply::unpack(7261, words.as_slice()), Ok(reply));
            }
        }
    }

    #[test]
    fn a_refused_supply_with_a_receive_is_its_code() {
        let code = i64::from(KernReturn::MIG_BAD_ARGUMENTS.0) as u64;
        assert_eq!(SupplyAndReceiveReply::unpack(7261, &[code]), Err(KernReturn::MIG_BAD_ARGUMENTS));
        assert_eq!(SupplyAndReceiveReply::unpack(7261, &[]), Err(KernReturn::MIG_TYPE_ERROR));
        assert_eq!(SupplyAndReceiveReply::unpack(3, &[code]), Err(KernReturn::SEND_INVALID_DEST));
        assert_eq!(SupplyAndReceiveReply::unpack(7221, &[0, 0]), Err(KernReturn::MIG_REPLY_MISMATCH));
    }
}
