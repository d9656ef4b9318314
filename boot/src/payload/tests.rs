//! Each row of the table, and every bit of a payload.

use std::vec::Vec;

use proptest::{collection, prelude::*};

use super::*;
use crate::pack::payload;

fn sample() -> Vec<u8> {
    payload(&[b"kernel", &[7; 5000], b""])
}

/// Repairs the header's checksum after a change to it.
fn resealed(mut bytes: Vec<u8>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    change(&mut bytes);
    let sum = checksum(&bytes[16..HEADER_BYTES]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn parts_come_back() {
    let bytes = sample();
    let parsed = Payload::parse(&bytes).unwrap();
    assert_eq!((parsed.kernel, parsed.root, parsed.device_tree), (&b"kernel"[..], &[7; 5000][..], &[][..]));
    assert_eq!(checksum(b"123456789"), 0xcbf4_3926, "the check value of CRC-32/ISO-HDLC");
}

#[test]
fn err01_missing() {
    assert_eq!(Payload::parse(&[]), Err(PayloadError::Missing));
    assert_eq!(Payload::parse(&[0; 4096]), Err(PayloadError::Missing));
}

#[test]
fn err02_version() {
    let bytes = resealed(sample(), |b| b[8] = 2);
    assert_eq!(Payload::parse(&bytes), Err(PayloadError::Version(2)));
}

#[test]
fn err03_header() {
    let mut bytes = sample();
    bytes[24] ^= 1;
    assert_eq!(Payload::parse(&bytes), Err(PayloadError::Header));
}

#[test]
fn err04_cut() {
    let bytes = sample();
    let cut = &bytes[..bytes.len() - 1];
    let error = PayloadError::Cut { wanted: bytes.len() as u64, found: cut.len() as u64 };
    assert_eq!(Payload::parse(cut), Err(error));
}

#[test]
fn err05_parts() {
    let mut bytes = sample();
    bytes[4096] ^= 0x80;
    assert_eq!(Payload::parse(&bytes), Err(PayloadError::Part("kernel")));
    let outside = resealed(sample(), |b| b[24 + 24 + 7] = 0xff);
    assert_eq!(Payload::parse(&outside), Err(PayloadError::Part("root task")));
    let endless = resealed(sample(), |b| b[24 + 48 + 8..24 + 48 + 16].fill(0xff));
    assert_eq!(Payload::parse(&endless), Err(PayloadError::Part("device tree")));
}

#[test]
fn every_flipped_bit_that_matters_is_seen() {
    let good = sample();
    let parsed = Payload::parse(&good).unwrap();
    let matters = |at: usize| at < HEADER_BYTES || (4096..4102).contains(&at) || (8192..13192).contains(&at);
    for at in (0..good.len()).filter(|at| at % 7 == 0 || *at < 200) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        assert_eq!(Payload::parse(&bytes) == Ok(parsed), !matters(at), "byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A header that says anything, with the right checksum: parts lie inside, or there is a reason.
    #[test]
    fn any_sealed_header_is_read_or_refused(
        changes in collection::vec((16..HEADER_BYTES, any::<u8>()), 1..12),
        cut in 0..9000_usize,
    ) {
        let mut bytes = resealed(sample(), |b| changes.iter().for_each(|(at, value)| b[*at] = *value));
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        if let Ok(parsed) = Payload::parse(&bytes) {
            let all = parsed.kernel.len() + parsed.root.len() + parsed.device_tree.len();
            prop_assert!(all <= bytes.len());
        }
    }
}
