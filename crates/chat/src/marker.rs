//! Citation markers `[n]` in a growing answer.
//!
//! A marker that points at no passage is removed before anybody sees it. The filter sits between the model and
//! the flush and holds back at most an unfinished marker, so that text still flows.

use std::collections::BTreeSet;

/// The longest marker that is recognised is `[` and so many digits and `]`.
const DIGITS_MAX: usize = 3;

/// Filters markers out of a stream of text.
#[derive(Debug, Default)]
pub struct MarkerFilter {
    passages: u32,
    held: String,
    used: BTreeSet<u32>,
    removed: u32,
}

impl MarkerFilter {
    /// A filter for an answer with so many numbered passages.
    pub fn new(passages: u32) -> Self {
        Self { passages, ..Self::default() }
    }

    /// Takes new text and returns what may be shown now.
    pub fn push(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len() + self.held.len());
        for c in text.chars() {
            self.step(c, &mut shown);
        }
        shown
    }

    /// The end of the text: returns what was held back.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Numbers of the passages that the answer pointed at, ascending.
    pub fn used(&self) -> impl Iterator<Item = u32> + '_ {
        self.used.iter().copied()
    }

    /// How many markers pointed at nothing.
    pub const fn removed(&self) -> u32 {
        self.removed
    }

    fn step(&mut self, c: char, shown: &mut String) {
        match c {
            '[' | '［' | '【' => {
                shown.push_str(&self.held);
                self.held.clear();
                self.held.push(c);
            }
            ']' | '］' | '】' if !self.held.is_empty() => self.close(c, shown),
            _ if self.held.is_empty() => shown.push(c),
            _ if c.is_ascii_digit() && self.held.chars().count() <= DIGITS_MAX => self.held.push(c),
            _ => {
                shown.push_str(&self.held);
                self.held.clear();
                shown.push(c);
            }
        }
    }

    fn close(&mut self, c: char, shown: &mut String) {
        let held = std::mem::take(&mut self.held);
        let digits = held.chars().skip(1).collect::<String>();
        match digits.parse::<u32>() {
            Ok(n) if n >= 1 && n <= self.passages => {
                self.used.insert(n);
                shown.push('[');
                shown.push_str(&n.to_string());
                shown.push(']');
            }
            // Full-width brackets around a number are a marker too; those of a year or a list are not ours to
            // touch, unless they look exactly like a marker.
            Ok(_) => self.removed = self.removed.saturating_add(1),
            Err(_) => {
                shown.push_str(&held);
                shown.push(c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(passages: u32, pieces: &[&str]) -> (String, Vec<u32>, u32) {
        let mut filter = MarkerFilter::new(passages);
        let mut shown = String::new();
        for piece in pieces {
            shown.push_str(&filter.push(piece));
        }
        shown.push_str(&filter.finish());
        (shown, filter.used().collect(), filter.removed())
    }

    #[test]
    fn a_marker_that_points_at_nothing_is_removed() {
        assert_eq!(filter(2, &["学而[1]，为政[3]。"]), ("学而[1]，为政。".into(), vec![1], 1));
    }

    #[test]
    fn a_marker_split_over_pieces_is_found() {
        assert_eq!(filter(2, &["学而[", "2", "]。"]), ("学而[2]。".into(), vec![2], 0));
    }

    #[test]
    fn brackets_that_are_no_marker_stay() {
        let text = "[注] 见 [12345] 与 [[1]，[";
        assert_eq!(filter(1, &[text]).0, text);
    }

    #[test]
    fn full_width_markers_become_plain_ones() {
        assert_eq!(filter(1, &["学而［1］【1】"]), ("学而[1][1]".into(), vec![1], 0));
    }

    #[test]
    fn only_an_unfinished_marker_is_held_back() {
        let mut filter = MarkerFilter::new(3);
        assert_eq!(filter.push("学而[1"), "学而");
        assert_eq!(filter.push("] 时习"), "[1] 时习");
    }
}
