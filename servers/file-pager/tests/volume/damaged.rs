//! One kind of damage each, and what it must come to.

use std::time::Instant;

use crate::common::*;
use file_pager::volume::{Entry, Problem, Volume};

/// A sound volume that is to be damaged. It has one table of 16-bit entries.
struct Image(Vec<u8>);

impl Image {
    fn new() -> Self {
        Self(filled(ONE_TABLE))
    }

    fn entry(&self, path: &str) -> Entry {
        let mut volume = Volume::mount(Ram::new(self.0.clone())).expect("mounts");
        volume.stat(path).expect("is there").expect("is not the root directory")
    }

    /// Where the entry of a file lies.
    fn place(&self, path: &str) -> usize {
        let place = self.entry(path).place();
        place.sector as usize * 512 + usize::from(place.index) * 32
    }

    fn half(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.0[at], self.0[at + 1]]))
    }

    fn set(&mut self, at: usize, value: usize) {
        self.0[at..at + 2].copy_from_slice(&(value as u16).to_le_bytes());
    }

    /// The first cluster of a file, and where the table says which follows it.
    fn first(&self, path: &str) -> (usize, usize) {
        let cluster = self.half(self.place(path) + 26);
        (cluster, self.half(14) * 512 + 2 * cluster)
    }

    /// Mounts it, read-only for that reason; these files must be refused, and all others right.
    fn must_be_damaged(self, why: &str, refused: &[&str]) {
        let mut volume = Volume::mount(Ram::new(self.0)).expect("mounts");
        let told = volume.read_only().expect("is not sound");
        assert!(told.contains(why), "{told}");
        assert!(matches!(volume.remove("SIZE1"), Err(Problem::ReadOnly(_))));
        for (name, bytes) in files() {
            match read(&mut volume, &name) {
                Ok(is) => assert!(is == bytes && !refused.contains(&name.as_str()), "{name}"),
                Err(problem) => assert!(refused.contains(&name.as_str()), "{name}: {problem}"),
            }
        }
    }
}

#[test]
fn two_files_with_the_same_clusters() {
    let mut image = Image::new();
    let (first, _) = image.first("SIZE4095");
    let place = image.place("SIZE4096");
    image.set(place + 26, first);
    image.must_be_damaged("share", &["SIZE4095", "SIZE4096"]);
}

#[test]
fn a_file_that_goes_over_into_another() {
    let mut image = Image::new();
    let ((_, next), (_, other)) = (image.first("SIZE4095"), image.first("SIZE4096"));
    let second = image.half(other);
    image.set(next, second);
    image.must_be_damaged("share", &["SIZE4095", "SIZE4096"]);
}

#[test]
fn a_circle() {
    let mut image = Image::new();
    let (first, next) = image.first("SIZE8388608");
    image.set(next, first);
    image.must_be_damaged("too long", &["SIZE8388608"]);
}

#[test]
fn a_chain_that_ends_too_early_or_leads_nowhere() {
    for (value, why) in [(0xffff, "too short"), (0, "free"), (1, "table"), (0xfff0, "table"), (0xfff7, "bad")] {
        let mut image = Image::new();
        let (_, next) = image.first(LONG);
        image.set(next, value);
        image.must_be_damaged(why, &[LONG]);
    }
}

#[test]
fn a_directory_in_a_circle_of_directories() {
    let mut image = Image::new();
    let (first, _) = image.first("sub");
    let place = image.place("sub/Another directory");
    image.set(place + 26, first);
    image.must_be_damaged("share", &["sub/Another directory/readme.txt"]);
}

#[test]
fn entries_behind_the_end_of_a_directory() {
    let mut image = Image::new();
    // The label of the volume comes first: nothing but it is left.
    let last = image.place("sub");
    image.0[last] = 0;
    let behind = last + 5 * 32;
    image.0[behind] = b'X';
    let mut volume = Volume::mount(Ram::new(image.0)).expect("mounts");
    assert!(volume.read_only().is_some_and(|why| why.contains("behind its end")));
    assert_eq!(volume.open("sub/Another directory/readme.txt").map(drop), Err(Problem::NotFound));
}

#[test]
fn tables_that_differ() {
    let mut image = filled(FAT16);
    let half = |image: &[u8], at: usize| usize::from(u16::from_le_bytes([image[at], image[at + 1]]));
    let (reserved, sectors) = (half(&image, 14), half(&image, 22));
    let cluster = {
        let mut volume = Volume::mount(Ram::new(image.clone())).expect("mounts");
        let place = volume.stat(LONG).expect("is there").expect("is a file").place();
        half(&image, place.sector as usize * 512 + usize::from(place.index) * 32 + 26)
    };
    image[(reserved + sectors) * 512 + 2 * cluster] ^= 1;
    Image(image).must_be_damaged("table", &[LONG]);
}

#[test]
fn a_directory_that_contains_itself() {
    let mut image = Image::new();
    let (first, _) = image.first("sub/Another directory");
    let place = image.place("sub/Another directory/readme.txt");
    image.set(place + 26, first);
    image.0[place + 11] = 0x10;
    let mut volume = Volume::mount(Ram::new(image.0)).expect("mounts");
    assert!(volume.read_only().is_some_and(|why| why.contains("share")));
    assert_eq!(volume.list("sub").map(|entries| entries.len()), Ok(1));
    for path in ["", "/readme.txt", "/readme.txt/readme.txt"] {
        let listed = volume.list(&format!("sub/Another directory{path}"));
        assert!(matches!(listed, Err(Problem::Damaged(_))), "{path}: {listed:?}");
    }
}

/// A FAT32 volume whose root directory takes 4096 clusters, and all others are one chain; 65,000 files have this chain and size.
fn crowded(has_chain: bool) -> Vec<u8> {
    const DIRECTORY: usize = 4096;
    let mut image = formatted(FAT32);
    let half = |image: &[u8], at: usize| usize::from(u16::from_le_bytes([image[at], image[at + 1]]));
    let word = |image: &[u8], at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| image[at + byte])) as usize;
    let (reserved, tables, length) = (half(&image, 14), usize::from(image[16]), word(&image, 36));
    let data = reserved + tables * length;
    let clusters = image.len() / 512 - data;
    for cluster in 2..2 + clusters {
        let is_last = cluster == 1 + DIRECTORY || cluster == 1 + clusters;
        let next = if is_last { 0x0fff_ffff } else { cluster as u32 + 1 };
        for table in 0..tables {
            let at = (reserved + table * length) * 512 + cluster * 4;
            image[at..at + 4].copy_from_slice(&next.to_le_bytes());
        }
    }
    let (first, size) = if has_chain { (2 + DIRECTORY as u32, (clusters - DIRECTORY) as u32 * 512) } else { (0, 0) };
    for (number, entry) in image[data * 512..][..DIRECTORY * 512].chunks_exact_mut(32).enumerate() {
        entry.fill(0);
        entry[..11].copy_from_slice(format!("{number:<11}").as_bytes());
        entry[11] = 0x20;
        entry[20..22].copy_from_slice(&((first >> 16) as u16).to_le_bytes());
        entry[26..28].copy_from_slice(&(first as u16).to_le_bytes());
        entry[28..].copy_from_slice(&size.to_le_bytes());
    }
    image
}

/// What is shared is walked once: files that all claim one long chain take about as long as files without any.
#[test]
fn many_files_with_one_long_chain() {
    let mount = |image: Vec<u8>| {
        let started = Instant::now();
        let volume = Volume::mount(Ram::new(image)).expect("mounts");
        (volume, started.elapsed())
    };
    let (sound, least) = mount(crowded(false));
    assert_eq!(sound.read_only(), None);
    let (mut volume, is) = mount(crowded(true));
    assert!(is < least * 20, "{is:?}, and {least:?} without a chain");
    assert!(volume.read_only().is_some_and(|why| why.contains("share")));
    for name in ["0", "17", "60000"] {
        assert!(matches!(volume.open(name), Err(Problem::Damaged(_))), "{name}");
    }
}
