//! A.18: `vm_cache_statistics`, and where pages are.

use super::bench::*;
use super::managed::*;
use crate::*;

fn counts(t: &mut Bench) -> CacheCounts {
    let me = Some(t.me);
    t.world.run(CacheStatistics::new(me)).expect("counts")
}

#[test]
fn a18_4200_anonymous_pages_are_temporary_and_dirty() {
    // More records than one step looks at.
    let (mut b, a) = Bench::with_pages(1200);
    b.number(a, 1200);
    let now = counts(&mut b);
    assert_eq!(now.active_temporary + now.inactive_temporary, 1200);
    assert_eq!(now, CacheCounts { dirty: 1200, ..now });
    assert_eq!((now.active_permanent, now.inactive_permanent, now.cached_objects, now.laundry), (0, 0, 0, 0));
    b.deallocate(a, 1000 * P);
    b.world.settle();
    assert_eq!(counts(&mut b).dirty, 200);
    assert_eq!(code(b.world.run(CacheStatistics::new(None))), 4);
}

#[test]
fn a18_4200_pages_of_managers_are_permanent_and_dirty_when_written() {
    let mut t = Managed::new();
    let a = t.map(0, 3 * P);
    let assoc = t.init();
    t.make_ready(assoc, true, COPY_NONE);
    t.fill(assoc, a, &[1, 2, 3]);
    let before = counts(&mut t.b);
    assert_eq!(before.active_permanent + before.inactive_permanent, 3);
    t.b.store(a + P, 9);
    assert_eq!(counts(&mut t.b).dirty, before.dirty + 1);
    assert_eq!((before.cached_objects, before.cached_pages), (0, 0));
    t.unmap(a, 3 * P);
    let cached = counts(&mut t.b);
    assert_eq!((cached.cached_objects, cached.cached_pages), (1, 3));
    t.b.world.machine.returns_taken.insert(assoc, 9);
    t.make_ready(assoc, false, COPY_NONE);
    t.b.world.settle();
    t.heard();
}

#[test]
fn a18_4212_a_page_is_where_a_read_would_find_it() {
    let (mut b, a) = Bench::with_pages(3);
    let (me, at) = (b.me, |b: &Bench, map, page| b.world.vm.resident_frame(map, a + page * P));
    assert_eq!([0, 1, 2].map(|page| at(&b, me, page)), [None; 3], "nothing was touched");
    b.number(a, 2);
    let [first, second, none] = [0, 1, 2].map(|page| at(&b, me, page));
    assert!(first.is_some() && second.is_some() && first != second && none.is_none());
    assert_eq!(b.world.vm.resident_frame(me, a + 17), first, "any byte of the page");
    let child = b.fork();
    assert_eq!(at(&b, child, 0), first, "found below a copy");
    b.world.store(child, a, 7).expect("a writable byte");
    assert_ne!(at(&b, child, 0), at(&b, me, 0));
    assert_eq!(at(&b, child, 1), second);
    assert_eq!(b.world.vm.resident_frame(me, a + 3 * P), None, "a hole");
}
