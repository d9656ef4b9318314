//! The table that a routine is written in, once, for client and server.
//!
//! A row gives documentation, name, ids (the first is the one that libmach uses), request and reply. Out of
//! it come the two structures with their packing, the [`Routine`] that a client calls, and a variant of the
//! subsystem's request enum, over which a server's `match` must be exhaustive. Neither side can drift.

use crate::wire::{Malformed, Reader, Wire, Words};
use crate::{KernReturn, PortName};

/// A request that the Mach server answers.
pub trait Routine: Wire {
    /// The message id.
    const ID: u32;
    /// The routine's name, as in its table.
    const NAME: &'static str;
    /// What a successful call answers.
    type Reply: Wire;
}

/// The highest label by which the kernel answers that it refused a call: the call never left.
pub const LAST_KERNEL_ERROR: u64 = 10;

/// What is added to a request's id to make its reply's.
pub const REPLY_OFFSET: u32 = 100;

/// Whether `id` belongs to the GNU family, where the families answer differently to calls of one shape.
#[must_use]
pub const fn is_gnu_id(id: u32) -> bool {
    matches!(id, 2000..3000 | 4200..4300)
}

/// Why a request could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// No routine of this table has the id.
    UnknownId,
    /// The routine exists, but the words are not its request.
    BadArguments,
}

impl From<Malformed> for DecodeError {
    fn from(_: Malformed) -> Self {
        Self::BadArguments
    }
}

impl From<DecodeError> for KernReturn {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::UnknownId => Self::MIG_BAD_ID,
            DecodeError::BadArguments => Self::MIG_BAD_ARGUMENTS,
        }
    }
}

/// The words of a request to `target`.
#[must_use]
pub fn pack_request<R: Routine>(target: PortName, request: &R) -> Words {
    let mut words = Words::new();
    target.pack(&mut words);
    request.pack(&mut words);
    words
}

/// The words of a reply: the outs of a success, or a failure's code alone.
#[must_use]
pub fn pack_reply<T: Wire>(outcome: &Result<T, KernReturn>) -> Words {
    let mut words = Words::new();
    match outcome {
        Ok(reply) => {
            KernReturn::SUCCESS.0.pack(&mut words);
            reply.pack(&mut words);
        }
        Err(code) => code.0.pack(&mut words),
    }
    words
}

/// Reads the reply with this label to a request of `R`.
///
/// # Errors
///
/// The server's return code; `SEND_INVALID_DEST` if the kernel refused the call, so that it never left;
/// `MIG_REPLY_MISMATCH` for the reply to another request; `MIG_TYPE_ERROR` for a malformed one.
pub fn unpack_reply<R: Routine>(label: u64, words: &[u64]) -> Result<R::Reply, KernReturn> {
    unpack_reply_to::<R>(R::ID, label, words)
}

/// The same for a request that was sent under `id`, one of the routine's other ids.
///
/// # Errors
///
/// As [`unpack_reply`].
pub fn unpack_reply_to<R: Routine>(id: u32, label: u64, words: &[u64]) -> Result<R::Reply, KernReturn> {
    if label <= LAST_KERNEL_ERROR {
        return Err(KernReturn::SEND_INVALID_DEST);
    }
    if label != u64::from(id + REPLY_OFFSET) {
        return Err(KernReturn::MIG_REPLY_MISMATCH);
    }
    let mut reader = Reader::new(words);
    let code = i32::unpack(&mut reader).map_err(|_| KernReturn::MIG_TYPE_ERROR)?;
    KernReturn(code).ok()?;
    let reply = R::Reply::unpack(&mut reader).map_err(|_| KernReturn::MIG_TYPE_ERROR)?;
    reader.finish().map_err(|_| KernReturn::MIG_TYPE_ERROR)?;
    Ok(reply)
}

/// Declares a structure whose fields travel in their order.
macro_rules! wire_struct {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $ty,)*
        }

        impl $crate::wire::Wire for $name {
            fn pack(&self, words: &mut $crate::wire::Words) {
                $($crate::wire::Wire::pack(&self.$field, words);)*
                let _ = words;
            }

            fn unpack(reader: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::Malformed> {
                $(let $field = <$ty as $crate::wire::Wire>::unpack(reader)?;)*
                let _ = reader;
                Ok(Self { $($field),* })
            }
        }
    };
}

/// Declares the routines of a subsystem.
macro_rules! subsystem {
    (
        $(#[$edoc:meta])*
        $Requests:ident {
            $(
                $(#[$doc:meta])*
                $Name:ident = $id:literal $(| $alias:literal)*
                { $($(#[$fdoc:meta])* $field:ident: $ty:ty),* $(,)? }
                -> $Reply:ident { $($(#[$rdoc:meta])* $rfield:ident: $rty:ty),* $(,)? }
            )*
        }
    ) => {
        $(
            $crate::table::wire_struct! {
                $(#[$doc])*
                $Name { $($(#[$fdoc])* $field: $ty),* }
            }

            $crate::table::wire_struct! {
                #[doc = concat!("What [`", stringify!($Name), "`] answers.")]
                $Reply { $($(#[$rdoc])* $rfield: $rty),* }
            }

            impl $crate::table::Routine for $Name {
                const ID: u32 = $id;
                const NAME: &'static str = stringify!($Name);
                type Reply = $Reply;
            }
        )*

        $(#[$edoc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Requests {
            $(
                $(#[$doc])*
                $Name($Name),
            )*
        }

        impl $Requests {
            /// Every id of the table, with the routine's name.
            pub const IDS: &'static [(u32, &'static str)] =
                &[$(($id, stringify!($Name)), $(($alias, stringify!($Name)),)*)*];

            /// Whether the table has the id.
            #[must_use]
            pub const fn has(id: u32) -> bool {
                matches!(id, $($id $(| $alias)*)|*)
            }

            /// Reads the request with this id from the words behind the target's name.
            ///
            /// # Errors
            ///
            /// [`DecodeError`](crate::table::DecodeError).
            pub fn decode(id: u32, words: &[u64]) -> Result<Self, $crate::table::DecodeError> {
                let mut reader = $crate::wire::Reader::new(words);
                let request = match id {
                    $($id $(| $alias)* => Self::$Name($crate::wire::Wire::unpack(&mut reader)?),)*
                    _ => return Err($crate::table::DecodeError::UnknownId),
                };
                reader.finish()?;
                Ok(request)
            }
        }

        #[cfg(test)]
        mod table_tests {
            use super::*;

            #[test]
            fn every_request_and_reply_comes_back_as_it_was_packed() {
                $($crate::table::tests::check_routine::<$Name>(&[$id $(, $alias)*], |id, words| {
                    match $Requests::decode(id, words) {
                        Ok($Requests::$Name(request)) => Some(request),
                        _ => None,
                    }
                });)*
            }
        }
    };
}

pub(crate) use {subsystem, wire_struct};

#[cfg(test)]
pub(crate) mod tests {
    use core::fmt::Debug;

    use super::*;
    use crate::wire::MAX_WORDS;

    /// Words that are, each, a valid value of every scalar type, and all different.
    fn sample(len: usize) -> Vec<u64> {
        (0..len as u64).map(|index| index + 1).collect()
    }

    /// How many words the default value of a type packs to.
    fn packed_len<T: Wire + Default>() -> usize {
        let mut words = Words::new();
        T::default().pack(&mut words);
        words.as_slice().len()
    }

    /// A value unpacked from sample words, unless the type counts its words itself.
    fn sample_value<T: Wire + Default>() -> T {
        let words = sample(packed_len::<T>());
        let mut reader = Reader::new(&words);
        match T::unpack(&mut reader) {
            Ok(value) if reader.finish().is_ok() => value,
            _ => T::default(),
        }
    }

    /// Packs and unpacks a routine's request and reply, whole, cut short and too long.
    pub(crate) fn check_routine<R>(ids: &[u32], decode: impl Fn(u32, &[u64]) -> Option<R>)
    where
        R: Routine + Default + PartialEq + Debug,
        R::Reply: Default + PartialEq + Debug,
    {
        let request: R = sample_value();
        let packed = pack_request(PortName(9), &request);
        let words = packed.as_slice();
        assert!(words.len() < MAX_WORDS, "{} fits", R::NAME);
        assert_eq!(words.first(), Some(&9), "{}: the target comes first", R::NAME);
        let body = words.get(1..).unwrap();
        for id in ids {
            assert_eq!(decode(*id, body).as_ref(), Some(&request), "{} by {id}", R::NAME);
        }
        let id = *ids.first().unwrap();
        if let Some(shorter) = body.len().checked_sub(1).and_then(|len| body.get(..len)) {
            assert_eq!(decode(id, shorter), None, "{}: a word too few", R::NAME);
        }
        let longer: Vec<u64> = body.iter().copied().chain([0]).collect();
        assert_eq!(decode(id, &longer), None, "{}: a word too many", R::NAME);
        check_reply::<R>();
    }

    fn check_reply<R>()
    where
        R: Routine,
        R::Reply: Default + PartialEq + Debug,
    {
        let label = u64::from(R::ID + REPLY_OFFSET);
        let reply: R::Reply = sample_value();
        let packed = pack_reply(&Ok(sample_value::<R::Reply>()));
        assert_eq!(unpack_reply::<R>(label, packed.as_slice()), Ok(reply), "{}", R::NAME);
        let refused = pack_reply::<R::Reply>(&Err(KernReturn::NO_SPACE));
        assert_eq!(unpack_reply::<R>(label, refused.as_slice()), Err(KernReturn::NO_SPACE));
        assert_eq!(unpack_reply::<R>(label + 1, packed.as_slice()), Err(KernReturn::MIG_REPLY_MISMATCH));
        assert_eq!(unpack_reply::<R>(2, &[0]), Err(KernReturn::SEND_INVALID_DEST));
        assert_eq!(unpack_reply::<R>(label, &[]), Err(KernReturn::MIG_TYPE_ERROR));
        let longer: Vec<u64> = packed.as_slice().iter().copied().chain([0]).collect();
        assert_eq!(unpack_reply::<R>(label, &longer), Err(KernReturn::MIG_TYPE_ERROR), "{}", R::NAME);
    }
}
