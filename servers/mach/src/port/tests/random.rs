//! Random operations of two tasks, with every invariant asserted after each.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Allocate(bool, u32),
    AllocateName(bool, u32, u32),
    Destroy(bool, usize),
    Deallocate(bool, usize),
    ModRefs(bool, usize, u32, i32),
    Rename(bool, usize, u32),
    Insert(bool, usize, usize, u8),
    Share(bool, usize, u8),
    Send(bool, usize, u8, usize, u8, usize, u8),
    Receive(bool, usize),
    Move(bool, usize, usize),
    Notify(bool, usize, i32, u32, usize),
    Limit(bool, usize, u32),
}

fn op() -> impl Strategy<Value = Op> {
    let disposition = 15u8..23;
    let index = 0usize..12;
    prop_oneof![
        4 => (any::<bool>(), 0u32..6).prop_map(|(s, k)| Op::Allocate(s, k)),
        1 => (any::<bool>(), 0u32..6, 0u32..20).prop_map(|(s, k, n)| Op::AllocateName(s, k, n)),
        1 => (any::<bool>(), index.clone()).prop_map(|(s, n)| Op::Destroy(s, n)),
        2 => (any::<bool>(), index.clone()).prop_map(|(s, n)| Op::Deallocate(s, n)),
        2 => (any::<bool>(), index.clone(), 0u32..6, -2i32..3).prop_map(|(s, n, k, d)| Op::ModRefs(s, n, k, d)),
        1 => (any::<bool>(), index.clone(), 0u32..30).prop_map(|(s, n, m)| Op::Rename(s, n, m)),
        4 => (any::<bool>(), index.clone(), index.clone(), disposition.clone()).prop_map(|(s, n, m, d)| Op::Insert(s, n, m, d)),
        4 => (any::<bool>(), index.clone(), disposition.clone()).prop_map(|(s, n, d)| Op::Share(s, n, d)),
        8 => (any::<bool>(), index.clone(), disposition.clone(), index.clone(), disposition.clone(), index.clone(), disposition)
            .prop_map(|(s, n, d, m, e, b, f)| Op::Send(s, n, d, m, e, b, f)),
        6 => (any::<bool>(), index.clone()).prop_map(|(s, n)| Op::Receive(s, n)),
        2 => (any::<bool>(), index.clone(), index.clone()).prop_map(|(s, n, m)| Op::Move(s, n, m)),
        4 => (any::<bool>(), index.clone(), 68i32..73, 0u32..2, index.clone()).prop_map(|(s, n, i, y, t)| Op::Notify(s, n, i, y, t)),
        1 => (any::<bool>(), index, 0u32..4).prop_map(|(s, n, l)| Op::Limit(s, n, l)),
    ]
}

fn apply(p: &mut Ports, spaces: [SpaceId; 2], op: Op) {
    let space = |which: bool| spaces[usize::from(which)];
    let name = |p: &mut Ports, which: bool, index: usize| {
        let names = p.names(space(which)).expect("live");
        names.get(index % names.len().max(1)).map_or(Name(index as u32), |n| n.name)
    };
    match op {
        Op::Allocate(s, kind) => {
            let _ = p.allocate(space(s), kind);
        }
        Op::AllocateName(s, kind, n) => {
            let _ = p.allocate_name(space(s), kind, Name(n));
        }
        Op::Destroy(s, n) => {
            let n = name(p, s, n);
            let _ = p.destroy(space(s), n);
        }
        Op::Deallocate(s, n) => {
            let n = name(p, s, n);
            let _ = p.deallocate(space(s), n);
        }
        Op::ModRefs(s, n, kind, delta) => {
            let n = name(p, s, n);
            let _ = p.mod_refs(space(s), n, kind, delta);
        }
        Op::Rename(s, n, new) => {
            let n = name(p, s, n);
            let _ = p.rename(space(s), n, Name(new));
        }
        Op::Insert(s, n, to, d) => {
            let n = name(p, s, n);
            if let Ok(right) = p.extract_right(space(s), n, d) {
                let to = name(p, s, to);
                let _ = p.insert_right(space(s), to, right);
            }
        }
        Op::Share(s, n, d) => {
            let n = name(p, s, n);
            if let Ok(right) = p.extract_right(space(s), n, d) {
                let _ = p.copy_out(space(!s), right);
            }
        }
        Op::Send(s, n, d, m, e, b, f) => {
            let header = Header {
                remote: name(p, s, n),
                remote_disposition: d,
                local: if e == 15 { NULL } else { name(p, s, m) },
                local_disposition: if e == 15 { 0 } else { e },
                id: 1,
            };
            let body = [(name(p, s, b), f)];
            if let Ok(message) = p.copy_in(space(s), header, smallvec![7], &body)
                && let Sent::Full(message) = p.send(message, None)
            {
                p.give_back(space(s), message);
            }
        }
        Op::Receive(s, n) => {
            let n = name(p, s, n);
            if let Ok(Received::Message(message, port)) = p.receive(space(s), n, None) {
                p.deliver(space(s), message, port);
            }
        }
        Op::Move(s, n, set) => {
            let (n, set) = (name(p, s, n), name(p, s, set));
            let _ = p.move_member(space(s), n, set);
        }
        Op::Notify(s, n, id, sync, to) => {
            let to = name(p, s, to);
            if let Some(kind) = RequestKind::from_id(id)
                && let Ok(notify) = p.extract_right(space(s), to, MAKE_ONCE)
            {
                let n = name(p, s, n);
                if let Ok(previous) = p.request_notification(space(s), n, kind, sync, notify) {
                    p.release(previous);
                }
            }
        }
        Op::Limit(s, n, limit) => {
            let n = name(p, s, n);
            let _ = p.set_limit(space(s), n, limit);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    /// Whatever two tasks do, the counts hold after each step, and nothing is left when both are gone.
    #[test]
    fn random_operations_keep_the_invariants(ops in prop::collection::vec(op(), 1..120)) {
        let mut p = Ports::new();
        let spaces = [p.create_space(), p.create_space()];
        for op in ops {
            apply(&mut p, spaces, op);
            p.assert_valid();
        }
        for space in spaces {
            while !p.destroy_space_step(space, 3) {
                p.assert_valid();
            }
        }
        prop_assert_eq!(p.counts(), (0, 0, 0));
    }
}
