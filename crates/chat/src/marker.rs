//! Citation markers `[n]` in a growing answer.
//!
//! A marker that points at no passage is removed before anybody sees it. The filter sits between the model and
//! the flush and holds back at most an unfinished marker, so that text still flows.

use std::collections::BTreeSet;

/// What stands between the brackets of a marker is no longer than this, as in `[1、2、10]`.
const INSIDE_CHARS_MAX: usize = 16;

/// What becomes of the markers.
#[derive(Debug)]
enum Rule {
    /// There are no passages, so brackets are only brackets.
    LeaveAll,
    /// Numbers up to this point at a passage.
    Keep(u32),
    /// None is wanted.
    RemoveAll,
}

/// Filters markers out of a stream of text.
#[derive(Debug)]
pub struct MarkerFilter {
    rule: Rule,
    held: String,
    last: Option<char>,
    used: BTreeSet<u32>,
    removed: u32,
}

impl MarkerFilter {
    /// A filter for an answer with so many numbered passages; with none, brackets are left alone.
    pub fn new(passages: u32) -> Self {
        Self::by(if passages == 0 { Rule::LeaveAll } else { Rule::Keep(passages) })
    }

    /// A filter that leaves no marker.
    pub fn removing_all() -> Self {
        Self::by(Rule::RemoveAll)
    }

    fn by(rule: Rule) -> Self {
        Self { rule, held: String::new(), last: None, used: BTreeSet::new(), removed: 0 }
    }

    /// Takes new text and returns what may be shown now.
    pub fn push(&mut self, text: &str) -> String {
        if matches!(self.rule, Rule::LeaveAll) {
            return text.to_owned();
        }
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
            '[' | '［' | '【' if !self.is_index() => {
                shown.push_str(&self.held);
                self.held.clear();
                self.held.push(c);
            }
            ']' | '］' | '】' if !self.held.is_empty() => self.close(c, shown),
            _ if self.held.is_empty() => shown.push(c),
            _ if is_inside(c) && self.held.chars().count() <= INSIDE_CHARS_MAX => self.held.push(c),
            _ => {
                shown.push_str(&self.held);
                self.held.clear();
                shown.push(c);
            }
        }
        self.last = Some(c);
    }

    /// Whether a bracket here is an index in code, as in `names[0]`.
    fn is_index(&self) -> bool {
        self.held.is_empty()
            && self.last.is_some_and(|last| last.is_ascii_alphanumeric() || matches!(last, '_' | ')'))
    }

    fn close(&mut self, c: char, shown: &mut String) {
        let held = std::mem::take(&mut self.held);
        let Some(numbers) = numbers_in(&held) else {
            shown.push_str(&held);
            shown.push(c);
            return;
        };
        for n in numbers {
            if self.points_at_a_passage(n) {
                self.used.insert(n);
                shown.push('[');
                shown.push_str(&n.to_string());
                shown.push(']');
            } else {
                self.removed = self.removed.saturating_add(1);
            }
        }
    }

    fn points_at_a_passage(&self, n: u32) -> bool {
        match self.rule {
            Rule::Keep(passages) => (1..=passages).contains(&n),
            Rule::LeaveAll | Rule::RemoveAll => false,
        }
    }
}

const SEPARATORS: [char; 5] = [',', '，', '、', ' ', ';'];

fn is_inside(c: char) -> bool {
    digit(c).is_some() || SEPARATORS.contains(&c)
}

/// The value of an ASCII or full-width digit.
fn digit(c: char) -> Option<u32> {
    c.to_digit(10).or_else(|| u32::from(c).checked_sub(u32::from('０')).filter(|value| *value <= 9))
}

/// The numbers between brackets, or `None` where it is no marker. The text begins with its opening bracket.
fn numbers_in(held: &str) -> Option<Vec<u32>> {
    let inside: String = held
        .chars()
        .skip(1)
        .map(|c| digit(c).and_then(|value| char::from_digit(value, 10)).unwrap_or(c))
        .collect();
    let parts = inside.split(SEPARATORS).filter(|part| !part.is_empty());
    let numbers: Vec<u32> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    (!numbers.is_empty() && numbers.iter().all(|n| *n < 1_000)).then_some(numbers)
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
    fn a_marker_may_name_several_passages() {
        assert_eq!(
            filter(3, &["学而[1、2]，为政[３，9]。"]),
            ("学而[1][2]，为政[3]。".into(), vec![1, 2, 3], 1)
        );
    }

    #[test]
    fn code_is_no_marker_and_without_passages_nothing_is() {
        assert_eq!(filter(3, &["names[0] 与 f(x)[1]"]).0, "names[0] 与 f(x)[1]");
        assert_eq!(filter(0, &["见[1]"]), ("见[1]".into(), Vec::new(), 0));
    }

    #[test]
    fn only_an_unfinished_marker_is_held_back() {
        let mut filter = MarkerFilter::new(3);
        assert_eq!(filter.push("学而[1"), "学而");
        assert_eq!(filter.push("] 时习"), "[1] 时习");
    }
}
