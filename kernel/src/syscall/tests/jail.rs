//! Prisoners (`prison`) that act at random.

use proptest::prelude::*;

use crate::prison::{self, Jail, Step};

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0u64..64,
        2 => Just(64),
        2 => (0u64..40).prop_map(|page| page << 12),
        1 => prop::sample::select(std::vec![1 << 30, 0x7fff_ffff_f000, 1 << 47, 1 << 63, u64::MAX, u64::MAX - 4095]),
        1 => (0u32..64).prop_map(|bit| 1 << bit),
        1 => any::<u64>(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let words = || proptest::collection::vec(word(), 0..12);
    let call = (-18i64..0, prop::array::uniform9(word()), words(), prop::array::uniform3(word())).prop_map(
        // The halting call would do so.
        |(number, registers, words, caps)| Step::Call {
            number: if number == -14 { -1 } else { number },
            registers,
            words,
            caps,
        },
    );
    let caps = proptest::collection::vec(0u64..64, 0..4);
    let invoke = (0u64..64, 1u64..58, words(), caps).prop_map(|(cptr, label, words, caps)| Step::Invoke {
        cptr,
        label,
        words,
        caps,
    });
    let retype = (0u64..64, 0u64..12, 4u64..14, 0u64..64, 1u64..6)
        .prop_map(|(cptr, object, size_bits, offset, count)| Step::Retype { cptr, object, size_bits, offset, count });
    prop_oneof![
        8 => call,
        16 => invoke,
        6 => retype,
        1 => word().prop_map(Step::Fault),
        2 => (0u16..200).prop_map(Step::Interrupt),
        3 => (1u64..9000).prop_map(Step::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn whatever_is_done_with_memory_all_of_it_comes_back(steps in proptest::collection::vec(step(), 1..120)) {
        let mut jail = Jail::new();
        for step in &steps {
            jail.act(step);
        }
        jail.reclaim();
    }

    #[test]
    fn whatever_a_fuzzer_says_all_memory_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prison::run(&bytes);
    }
}
