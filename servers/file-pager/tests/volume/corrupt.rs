//! A thousand volumes that are corrupted at random places: every request ends soon, with an error or with right data.
use std::time::{Duration, Instant};

use crate::common::*;
use file_pager::volume::{Problem, Volume};

/// Where a volume is corrupted.
#[derive(Clone, Copy, Debug)]
enum Where {
    Boot,
    /// The tables and the root directory.
    Front,
    /// A sector that some directory or file has.
    Used,
    Anywhere,
}

/// Corrupts a few bytes, or a whole sector. Answers the sectors that were changed.
fn corrupt(image: &mut [u8], at: Where, random: &mut Random) -> Vec<u64> {
    let sectors = (image.len() / 512) as u64;
    let mut changed = Vec::new();
    for _ in 0..1 + random.below(4) {
        let sector = match at {
            Where::Boot => random.below(2),
            Where::Front => random.below(400),
            Where::Used => random.below(sectors / 3),
            Where::Anywhere => random.below(sectors),
        };
        let start = sector as usize * 512;
        changed.push(sector);
        match random.below(4) {
            0 => image[start..start + 512].iter_mut().for_each(|byte| *byte = random.below(256) as u8),
            1 => image[start..start + 512].fill(if random.below(2) == 0 { 0 } else { 0xff }),
            2 => image[start + random.below(512) as usize] ^= 1 << random.below(8),
            _ => {
                // A number that is small, and so more often one that means something.
                let place = start + random.below(256) as usize * 2;
                image[place..place + 2].copy_from_slice(&(random.below(9000) as u16).to_le_bytes());
            }
        }
    }
    changed
}

/// A file of the sound volume: what it holds, and the sectors that say so.
struct Known {
    name: String,
    bytes: Vec<u8>,
    sectors: Vec<std::ops::Range<u64>>,
}

fn known(image: &[u8]) -> Vec<Known> {
    let mut volume = Volume::mount(Ram::new(image.to_vec())).expect("mounts");
    let all = files();
    all.into_iter()
        .map(|(name, bytes)| {
            let file = volume.open(&name).expect("is there");
            let mut sectors: Vec<_> = file.extents().iter().map(|(first, count)| *first..first + count).collect();
            // The sectors of its entries, and of those of the directories above.
            let mut path = name.as_str();
            loop {
                let place = volume.stat(path).expect("is there").map(|entry| entry.place());
                sectors.extend(place.map(|place| place.sector.saturating_sub(1)..place.sector + 1));
                let Some((above, _)) = path.rsplit_once('/') else { break };
                path = above;
            }
            Known { name, bytes, sectors }
        })
        .collect()
}

/// Asks for everything. Answers how many files were right, and how many refused.
fn ask(image: Vec<u8>, changed: &[u64], known: &[Known]) -> (usize, usize) {
    let started = Instant::now();
    let sectors = (image.len() / 512) as u64;
    let (mut right, mut refused) = (0, 0);
    let mut volume = match Volume::mount(Ram::new(image)) {
        Ok(volume) => volume,
        Err(problem) => {
            assert!(matches!(problem, Problem::NoVolume(_)), "{problem}");
            return (0, known.len());
        }
    };
    for file in known {
        match read(&mut volume, &file.name) {
            Ok(bytes) => {
                let is_touched = file.sectors.iter().any(|range| changed.iter().any(|sector| range.contains(sector)));
                assert!(is_touched || changed.contains(&0) || bytes == file.bytes, "{} has wrong data", file.name);
                right += 1;
            }
            Err(_) => refused += 1,
        }
    }
    for directory in ["", "sub", "sub/Another directory", LONG] {
        let _ = volume.list(directory).map(|entries| assert!(entries.len() <= 65536));
    }
    // Changes are made or refused.
    let _ = volume.create("A new file.txt").and_then(|mut file| {
        volume.resize(&mut file, 10_000)?;
        volume.write(&file, 4096, &[1; 4096])
    });
    for (name, size) in [("SIZE1", 50_000), (LONG, 0), ("SIZE8388608", 4096)] {
        let _ = volume.open(name).and_then(|mut file| volume.resize(&mut file, size));
    }
    for name in ["SIZE4096", "SIZE4097", "sub/Another directory/readme.txt", "sub/Another directory"] {
        let _ = volume.remove(name);
    }
    let is_sound = volume.read_only().is_none();
    let disk = volume.into_disk();
    assert!(disk.reads < 16 * sectors, "{} sectors were read of {sectors}", disk.reads);
    // What was sound before a change is sound after it.
    let again = Volume::mount(disk).expect("mounts again");
    assert!(!is_sound || again.read_only().is_none(), "{:?}", again.read_only());
    assert!(started.elapsed() < Duration::from_secs(20), "it takes too long");
    (right, refused)
}

fn run(kind: (&[&str], u32), variants: u64, seed: u64) {
    let image = filled(kind);
    let known = known(&image);
    let (mut right, mut refused) = (0, 0);
    for variant in 0..variants {
        let mut random = Random(seed + variant * 0x1_0001);
        let at = match variant % 8 {
            0..5 => Where::Front,
            5 => Where::Boot,
            6 => Where::Used,
            _ => Where::Anywhere,
        };
        let mut image = image.clone();
        let changed = corrupt(&mut image, at, &mut random);
        let outcome = std::panic::catch_unwind(|| ask(image, &changed, &known));
        let (ok, error) = outcome.unwrap_or_else(|_| panic!("variant {variant} with seed {seed}: sectors {changed:?}"));
        right += ok;
        refused += error;
    }
    eprintln!("counted: {variants} corrupted volumes: {right} files read, {refused} refused");
    assert!(right > 0 && refused > 0);
}

#[test]
fn corrupted_fat16_volumes_harm_nobody() {
    run(FAT16, 500, 0x5eed);
}

#[test]
fn corrupted_volumes_with_one_table_harm_nobody() {
    run(ONE_TABLE, 300, 0xfee1);
}

#[test]
fn corrupted_fat32_volumes_harm_nobody() {
    run(FAT32, 200, 0xbead);
}
