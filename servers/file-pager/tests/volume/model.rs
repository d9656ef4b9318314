//! Random changes, compared with a map from names to bytes, and at the end by the host's tools.
use std::collections::BTreeMap;

use crate::common::*;
use file_pager::volume::{Problem, Volume};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Change {
    Create(usize),
    Remove(usize),
    Resize(usize, u32),
    /// Writes whole pages from a page on.
    Write(usize, u64, usize, u8),
}

const NAMES: [&str; 8] = [
    "a",
    "B.TXT",
    "a name that needs several entries of the directory.dat",
    "folder/inner",
    "folder/Inner with a longer name",
    "second.folder/x.y.z",
    "a name that needs several entries, too",
    "c~1",
];

fn change() -> impl Strategy<Value = Change> {
    let name = 0..NAMES.len();
    let size = prop_oneof![0_u32..20_000, Just(0), Just(4096), Just(8192), 100_000_u32..3_000_000];
    prop_oneof![
        2 => name.clone().prop_map(Change::Create),
        1 => name.clone().prop_map(Change::Remove),
        2 => (name.clone(), size).prop_map(|(name, size)| Change::Resize(name, size)),
        3 => (name, 0_u64..8, 1_usize..4, any::<u8>()).prop_map(|(name, page, count, byte)| Change::Write(name, page, count, byte)),
    ]
}

fn apply(volume: &mut Volume<Ram>, model: &mut BTreeMap<&'static str, Vec<u8>>, change: &Change) {
    match *change {
        Change::Create(name) => {
            let made = volume.create(NAMES[name]).map(drop);
            let wanted = if model.contains_key(NAMES[name]) { Err(Problem::Exists) } else { Ok(()) };
            assert_eq!(made, wanted);
            model.entry(NAMES[name]).or_default();
        }
        Change::Remove(name) => {
            let wanted = model.remove(NAMES[name]).map(drop).ok_or(Problem::NotFound);
            assert_eq!(volume.remove(NAMES[name]), wanted);
        }
        Change::Resize(name, size) => {
            let Some(bytes) = model.get_mut(NAMES[name]) else { return };
            let mut file = volume.open(NAMES[name]).expect("is there");
            match volume.resize(&mut file, u64::from(size)) {
                Ok(()) => bytes.resize(size as usize, 0),
                Err(problem) => assert_eq!(problem, Problem::Full),
            }
        }
        Change::Write(name, page, count, byte) => {
            let Some(bytes) = model.get_mut(NAMES[name]) else { return };
            let file = volume.open(NAMES[name]).expect("is there");
            let start = page as usize * 4096;
            volume.write(&file, start as u64, &vec![byte; count * 4096]).expect("writes");
            bytes.iter_mut().skip(start).take(count * 4096).for_each(|to| *to = byte);
        }
    }
}

fn run(image: Vec<u8>, changes: &[Change]) {
    let mut volume = Volume::mount(Ram::new(image)).expect("mounts");
    volume.create_directory("folder").expect("is new");
    volume.create_directory("second.folder").expect("is new");
    let mut model = BTreeMap::new();
    for change in changes {
        apply(&mut volume, &mut model, change);
    }
    for (name, bytes) in &model {
        assert!(read(&mut volume, name).expect("reads") == *bytes, "{name}");
    }
    let usage = volume.usage();
    let host = Temporary::new(&volume.into_disk().bytes);
    tool("fsck.fat", &["-n", "IMAGE"], &host.0, &[]).expect("finds nothing wrong");
    for (name, bytes) in &model {
        assert!(copy_out(&host.0, name).expect("is there") == *bytes, "{name}");
    }
    let again = Volume::mount(Ram::new(std::fs::read(&host.0).expect("is there"))).expect("mounts");
    assert_eq!(again.usage(), usage);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_volume_is_a_map_from_names_to_bytes(changes in prop::collection::vec(change(), 1..40), is_wide: bool) {
        use std::sync::LazyLock;
        static EMPTY: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| [formatted(FAT16), formatted(FAT32)]);
        run(EMPTY[usize::from(is_wide)].clone(), &changes);
    }
}
