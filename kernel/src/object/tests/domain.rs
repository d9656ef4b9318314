//! The domain capability: a test per row of the error tables.

use super::{Bench, ROOT, UNTYPED};
use crate::cap::{Cap, cdt};
use crate::error::SyscallError;
use sel4_abi::InvocationLabel::{CNodeDelete, DomainScheduleConfigure, DomainScheduleSetStart, DomainSetSet};
use sel4_abi::ObjectType;

const DOMAIN: usize = 2;
const THREAD: usize = 4;

fn bench() -> Bench {
    let mut b = Bench::new(14);
    cdt::insert_root(&b.m.kernel, b.slot(DOMAIN), Cap::Domain);
    b.retype(ObjectType::Tcb, 0, THREAD as u64, 1);
    b
}

#[test]
fn domain_other_label() {
    assert_eq!(bench().refused(DOMAIN, CNodeDelete, &[], &[]), SyscallError::IllegalOperation);
}

#[test]
fn domain_set_err01_truncated() {
    assert_eq!(bench().refused(DOMAIN, DomainSetSet, &[], &[THREAD]), SyscallError::TruncatedMessage);
}

#[test]
fn domain_set_err02_no_such_domain() {
    for domain in [1, 256, u64::MAX] {
        assert_eq!(bench().refused(DOMAIN, DomainSetSet, &[domain], &[]), SyscallError::InvalidArgument { index: 0 });
    }
}

#[test]
fn domain_set_err03_no_cap() {
    assert_eq!(bench().refused(DOMAIN, DomainSetSet, &[0], &[]), SyscallError::TruncatedMessage);
}

#[test]
fn domain_set_err04_no_thread() {
    for cap in [ROOT, UNTYPED, 12] {
        assert_eq!(bench().refused(DOMAIN, DomainSetSet, &[0], &[cap]), SyscallError::InvalidArgument { index: 1 });
    }
    bench().done(DOMAIN, DomainSetSet, &[0], &[THREAD]);
}

#[test]
fn domain_schedule_configure_errors() {
    let mut b = bench();
    let mut refused = |words: &[u64]| b.refused(DOMAIN, DomainScheduleConfigure, words, &[]);
    assert_eq!(refused(&[0, 0]), SyscallError::TruncatedMessage);
    assert_eq!(refused(&[1, 0, 1]), SyscallError::RangeError { min: 0, max: 0 });
    assert_eq!(refused(&[0, 1, 1]), SyscallError::RangeError { min: 0, max: 0 });
    assert_eq!(refused(&[0, 0, 1 << 56]), SyscallError::InvalidArgument { index: 2 });
    assert_eq!(refused(&[0, 0, 0]), SyscallError::InvalidArgument { index: 2 });
    b.done(DOMAIN, DomainScheduleConfigure, &[0, 0, 12_345], &[]);
}

#[test]
fn domain_schedule_set_start_errors() {
    let mut b = bench();
    let mut refused = |words: &[u64]| b.refused(DOMAIN, DomainScheduleSetStart, words, &[]);
    assert_eq!(refused(&[]), SyscallError::TruncatedMessage);
    assert_eq!(refused(&[2]), SyscallError::RangeError { min: 0, max: 1 });
    assert_eq!(refused(&[1]), SyscallError::InvalidArgument { index: 0 });
    b.done(DOMAIN, DomainScheduleSetStart, &[0], &[]);
}
