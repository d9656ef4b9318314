//! Domains, of which there is one. Kernel ABI 3.

use mach_sys::abi::InvocationLabel as L;

use crate::call::call;
use crate::case::{Done, ILLEGAL, TRUNCATED, cases, range};
use crate::world::{DOMAIN, ROOT, TCB};

/// A domain operation on the schedule.
fn schedule(label: L, words: &[u64]) -> Done {
    call(DOMAIN, label, words, &[]).note();
    Ok(())
}

cases! {
    "domain.set.err00_other_label" => ILLEGAL, |_| {
        call(DOMAIN, L::TcbSuspend, &[], &[]).note();
        Ok(())
    };
    "domain.set.err01_no_word" => TRUNCATED, |_| {
        call(DOMAIN, L::DomainSetSet, &[], &[TCB]).note();
        Ok(())
    };
    "domain.set.err02_domain_out_of_range" => [1, 0], |_| {
        call(DOMAIN, L::DomainSetSet, &[1], &[]).note();
        Ok(())
    };
    "domain.set.err03_no_thread" => TRUNCATED, |_| {
        call(DOMAIN, L::DomainSetSet, &[0], &[]).note();
        Ok(())
    };
    "domain.set.err04_is_no_thread" => [1, 1], |_| {
        call(DOMAIN, L::DomainSetSet, &[0], &[ROOT]).note();
        Ok(())
    };
    "domain.set.of_a_thread" => [0, 0], |w| {
        let tcb = w.tcb()?;
        call(DOMAIN, L::DomainSetSet, &[0], &[tcb]).note();
        call(DOMAIN, L::DomainSetSet, &[0], &[TCB]).note();
        Ok(())
    };
    "domain.schedule_configure.err01_two_words" => TRUNCATED, |_| schedule(L::DomainScheduleConfigure, &[9, 9]);
    "domain.schedule_configure.err02_index_out_of_range" => range(0, 0), |_| {
        schedule(L::DomainScheduleConfigure, &[1, 9, 0])
    };
    "domain.schedule_configure.err03_domain_out_of_range" => range(0, 0), |_| {
        schedule(L::DomainScheduleConfigure, &[0, 1, 0])
    };
    "domain.schedule_configure.err04_duration_too_long" => [1, 2], |_| {
        schedule(L::DomainScheduleConfigure, &[0, 0, 1 << 56])
    };
    "domain.schedule_configure.err06_start_without_duration" => [1, 2], |_| {
        schedule(L::DomainScheduleConfigure, &[0, 0, 0])
    };
    "domain.schedule_configure.of_the_one_entry" => [0], |_| {
        schedule(L::DomainScheduleConfigure, &[0, 0, (1 << 56) - 1])
    };
    "domain.schedule_set_start.err01_no_word" => TRUNCATED, |_| schedule(L::DomainScheduleSetStart, &[]);
    "domain.schedule_set_start.err02_index_out_of_range" => range(0, 1), |_| schedule(L::DomainScheduleSetStart, &[2]);
    "domain.schedule_set_start.err03_end_marker" => [1, 0], |_| schedule(L::DomainScheduleSetStart, &[1]);
    "domain.schedule_set_start.of_the_one_entry" => [0], |_| schedule(L::DomainScheduleSetStart, &[0]);
}
