//! Names that somebody may have meant.

use alloc::vec::Vec;

/// The name that is nearest to what was typed, if one is near: at most a third of it is another, or it is its beginning.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = typed.chars().count().div_ceil(3);
    let rank = |name: &str| if name.starts_with(typed) { 0 } else { distance(typed, name) };
    let near = names.map(|name| (rank(name), name)).filter(|(rank, _)| *rank <= most);
    near.min_by_key(|(rank, _)| *rank).map(|(_, name)| name).filter(|_| !typed.is_empty())
}

/// How many characters have to be put in, taken away, or replaced to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    // The distances of what was seen of `one` to each beginning of `other`.
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (seen, of_one) in one.chars().enumerate() {
        let (mut diagonal, mut left) = (seen, seen + 1);
        let mut next = Vec::from([left]);
        for (of_other, above) in other.chars().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(of_one != of_other);
            left = replaced.min(above + 1).min(left + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (one, other, wanted) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(one, other), wanted, "{one} {other}");
        }
    }

    #[test]
    fn near_names_are_found_and_others_are_not() {
        let names = ["hello", "help", "ps", "vmstat", "mapfile"];
        let nearest = |typed| nearest(typed, names.into_iter());
        for (typed, wanted) in [
            ("helo", "hello"),
            ("vmstt", "vmstat"),
            ("hlep", "help"),
            ("map", "mapfile"),
            ("mapfiel", "mapfile"),
            ("p", "ps"),
        ] {
            assert_eq!(nearest(typed), Some(wanted), "{typed}");
        }
        for typed in ["", "nonsense", "x", "overcommit"] {
            assert_eq!(nearest(typed), None, "{typed}");
        }
    }
}
