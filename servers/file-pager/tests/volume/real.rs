//! Volumes of the host's tools, read and changed, and looked at by those tools again.
use crate::common::*;
use file_pager::volume::{Kind, Problem, Volume};

fn mounted(kind: (&[&str], u32)) -> Volume<Ram> {
    Volume::mount(Ram::new(filled(kind))).expect("mounts")
}

/// What the host's checker and the mtools say of what is on the disk.
fn on_the_host(volume: Volume<Ram>) -> Temporary {
    let file = Temporary::new(&volume.into_disk().bytes);
    tool("fsck.fat", &["-n", "IMAGE"], &file.0, &[]).expect("finds nothing wrong");
    file
}

#[test]
fn files_of_every_size_are_read() {
    for (kind, wanted) in [(FAT16, Kind::Fat16), (FAT32, Kind::Fat32), (ONE_TABLE, Kind::Fat16)] {
        let mut volume = mounted(kind);
        assert_eq!(volume.read_only(), None);
        assert_eq!(volume.usage().kind, wanted);
        for (name, bytes) in files() {
            assert!(read(&mut volume, &name).expect("reads") == bytes, "{name}");
        }
    }
}

#[test]
fn directories_are_listed_with_their_long_names() {
    let mut volume = mounted(FAT16);
    let names = |volume: &mut Volume<Ram>, path: &str| -> Vec<String> {
        volume.list(path).expect("lists").into_iter().map(|entry| entry.name).collect()
    };
    let root = names(&mut volume, "/");
    assert!(root.iter().any(|name| name == LONG), "{root:?}");
    assert_eq!(root.len(), SIZES.len() + 2);
    assert_eq!(names(&mut volume, "sub"), ["Another directory"]);
    assert_eq!(names(&mut volume, "/SUB/another directory/"), ["readme.txt"]);
    assert_eq!(volume.list("SIZE1"), Err(Problem::NotDirectory));
    assert_eq!(volume.list("nowhere"), Err(Problem::NotFound));
    assert_eq!(volume.open("sub").map(drop), Err(Problem::IsDirectory));
    assert_eq!(volume.stat("sub/..").map(drop), Err(Problem::NotFound));
}

#[test]
fn what_is_written_is_what_the_host_reads() {
    for kind in [FAT16, FAT32] {
        let mut volume = mounted(kind);
        for len in SIZES {
            let name = format!("Newly written file of {len} bytes.data");
            let mut file = volume.create(&name).expect("is new");
            volume.resize(&mut file, len as u64).expect("there is room");
            assert!(contents(&mut volume, &file).expect("reads").iter().all(|byte| *byte == 0), "{name}");
            let mut bytes = pattern(len);
            bytes.resize(len.next_multiple_of(4096), 0xee);
            for (page, bytes) in bytes.chunks(4096).enumerate() {
                volume.write(&file, page as u64 * 4096, bytes).expect("writes");
            }
        }
        let host = on_the_host(volume);
        for len in SIZES {
            let name = format!("Newly written file of {len} bytes.data");
            assert!(copy_out(&host.0, &name).expect("is there") == pattern(len), "{name}");
        }
        for (name, bytes) in files() {
            assert!(copy_out(&host.0, &name).expect("is there") == bytes, "{name}");
        }
    }
}

#[test]
fn a_page_of_the_end_changes_nothing_behind_it() {
    let mut volume = mounted(FAT16);
    let file = volume.open("SIZE4097").expect("is there");
    let before = volume.disk().bytes.clone();
    volume.write(&file, 4096, &[0x55; 4096]).expect("writes");
    volume.write(&file, 8192, &[0x55; 4096]).expect("there is nothing to write");
    let after = &volume.disk().bytes;
    let changed = before.iter().zip(after).filter(|(before, after)| before != after).count();
    assert_eq!(changed, 1);
}

#[test]
fn sizes_change_and_removed_files_give_their_room_back() {
    for kind in [FAT16, FAT32] {
        let mut volume = mounted(kind);
        let free = volume.usage().free;
        let mut file = volume.open("SIZE4097").expect("is there");
        for size in [100_000, 4096, 4095, 0, 1, 5000] {
            volume.resize(&mut file, size).expect("can be");
            assert_eq!(volume.open("SIZE4097").expect("is there"), file);
            let kept = contents(&mut volume, &file).expect("reads");
            assert!(kept.iter().skip(4097).all(|byte| *byte == 0));
        }
        volume.remove("SIZE4097").expect("can be");
        assert_eq!(volume.open("SIZE4097").map(drop), Err(Problem::NotFound));
        assert_eq!(volume.remove("sub"), Err(Problem::NotEmpty));
        assert_eq!(volume.remove("/"), Err(Problem::BadName("the root directory stays")));
        assert_eq!(volume.usage().free, free + 4097_u64.next_multiple_of(volume.usage().cluster));
        volume.create_directory("sub/One more").expect("can be");
        assert_eq!(volume.create_directory("sub/one MORE"), Err(Problem::Exists));
        volume.create("sub/One more/file").expect("can be");
        on_the_host(volume);
    }
}

#[test]
fn a_change_without_room_leaves_no_trace() {
    for kind in [FAT16, FAT32] {
        let mut volume = mounted(kind);
        let before = volume.disk().bytes.clone();
        let free = volume.usage().free;
        let mut file = volume.open("SIZE1").expect("is there");
        assert_eq!(volume.resize(&mut file, free + 100_000), Err(Problem::Full));
        assert_eq!(volume.resize(&mut file, 1 << 32), Err(Problem::TooLarge));
        for bad in ["", "/", "a:b", "what?", "..", "sub/.", "end.", "\u{fc}ber", &"x".repeat(256)] {
            assert!(matches!(volume.create(bad), Err(Problem::BadName(_))), "{bad:?}");
        }
        assert_eq!(volume.create("nowhere/file").map(drop), Err(Problem::NotFound));
        assert_eq!(volume.create("SIZE1/file").map(drop), Err(Problem::NotDirectory));
        assert_eq!(volume.create("size1").map(drop), Err(Problem::Exists));
        assert!(volume.disk().bytes == before);
        let cluster = volume.usage().cluster;
        volume.resize(&mut file, free + cluster).expect("just fits, since the file has a cluster already");
        assert_eq!(volume.create_directory("x"), Err(Problem::Full));
        on_the_host(volume);
    }
}

#[test]
fn a_root_directory_of_fixed_size_gets_full() {
    let mut volume = mounted(FAT16);
    let problem = (0..1000).find_map(|number| volume.create(&format!("file number {number}")).err());
    assert_eq!(problem, Some(Problem::Full));
    on_the_host(volume);
}

#[test]
fn the_disk_fails_and_only_that_is_lost() {
    let image = filled(FAT16);
    let clean = Volume::mount(Ram::new(image.clone())).expect("mounts");
    let data = clean.usage().total;
    // The largest file, somewhere in its middle.
    let bad = (image.len() as u64 - data) / 512 + 4000;
    let mut volume = clean;
    volume.disk_mut().bad = bad..bad + 1;
    let lost: Vec<_> = files().into_iter().filter(|(name, _)| read(&mut volume, name) == Err(Problem::Disk)).collect();
    assert_eq!(lost.len(), 1);
    // A change that is cut off: what is on the disk is looked at again.
    volume.disk_mut().bad = 0..0;
    let mut refused = 0;
    for count in 0..6 {
        volume.disk_mut().writes_left = count;
        refused += usize::from(volume.create(&format!("cut off after {count}")).is_err());
        volume.disk_mut().writes_left = u64::MAX;
        for (name, bytes) in files() {
            assert!(read(&mut volume, &name).expect("reads") == bytes, "{name}");
        }
    }
    assert!(refused > 0);
}

#[test]
fn nothing_is_written_to_a_disk_that_says_so() {
    let mut disk = Ram::new(filled(FAT16));
    disk.is_read_only = true;
    let mut volume = Volume::mount(disk).expect("mounts");
    let file = volume.open("SIZE4096").expect("is there");
    for refused in [volume.create("x").map(drop), volume.remove("SIZE1"), volume.write(&file, 0, &[0; 4096])] {
        assert!(matches!(refused, Err(Problem::ReadOnly(_))), "{refused:?}");
    }
}

#[test]
fn what_is_no_volume_is_refused_with_the_reason() {
    let small = formatted((&["-F", "12"], 1440));
    let mut no_signature = formatted(FAT16);
    no_signature[510] = 0;
    let mut cut = formatted(FAT16);
    cut.truncate(1 << 20);
    for (bytes, why) in [(small, "FAT12"), (no_signature, "signature"), (cut, "size"), (vec![0; 512], "signature")] {
        let problem = Volume::mount(Ram::new(bytes)).map(drop).expect_err("is none");
        assert!(matches!(problem, Problem::NoVolume(text) if text.contains(why)), "{problem}");
    }
}

#[test]
fn what_is_made_has_a_date_that_is_one() {
    // The first of January 1980: year 0, month 1, day 1.
    const FIRST_DAY: [u8; 2] = 0x0021_u16.to_le_bytes();
    let mut volume = mounted(FAT16);
    volume.create("DATES.TXT").expect("can be");
    let bytes = &volume.disk().bytes;
    let name = bytes.windows(11).position(|name| name == b"DATES   TXT").expect("its entry");
    for (what, at) in [("made", 16), ("read", 18), ("written", 24)] {
        assert_eq!(bytes[name + at..][..2], FIRST_DAY, "{what}");
    }
}
