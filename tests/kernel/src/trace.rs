//! What a case saw, in the order in which its threads saw it.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// Words that a case can note; more are lost.
const ROOM: usize = 160;

static WORDS: [AtomicU64; ROOM] = [const { AtomicU64::new(0) }; ROOM];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Notes a word.
pub(crate) fn note(word: u64) {
    let place = COUNT.fetch_add(1, SeqCst);
    if let Some(cell) = WORDS.get(place) {
        cell.store(word, SeqCst);
    }
}

/// Notes words.
pub(crate) fn note_all(words: &[u64]) {
    words.iter().copied().for_each(note);
}

/// Forgets everything.
pub(crate) fn clear() {
    COUNT.store(0, SeqCst);
}

/// What was noted so far.
pub(crate) fn words() -> Noted {
    let count = COUNT.load(SeqCst).min(ROOM);
    let mut words = [0; ROOM];
    words.iter_mut().zip(&WORDS).take(count).for_each(|(word, cell)| *word = cell.load(SeqCst));
    Noted { words, count }
}

/// A copy of the trace.
pub(crate) struct Noted {
    words: [u64; ROOM],
    count: usize,
}

impl Noted {
    pub(crate) fn as_slice(&self) -> &[u64] {
        self.words.get(..self.count).unwrap_or_default()
    }
}
