//! The text of a reply as a client builds it, addressed in UTF-16 units.

use serde_json::Value;

use super::Want;

/// A reply that grows.
#[derive(Debug, Clone, Default)]
pub struct Growing {
    /// Its generation.
    pub generation: u64,
    /// The text so far.
    pub text: String,
    /// Its length in UTF-16 units.
    pub length: u64,
    /// Whether the missing part was asked for.
    pub asked: bool,
}

impl Growing {
    /// Takes a piece: appended where it fits, its new tail where it overlaps. `false` if something is missing before.
    pub fn append(&mut self, offset: u64, piece: &str) -> bool {
        let Some(known) = self.length.checked_sub(offset) else { return false };
        let (_, tail) = piece.split_at(byte_at(piece, known));
        self.text.push_str(tail);
        self.length += units(tail);
        true
    }

    /// Takes a text from an offset on, which replaces what was there. Another generation begins anew.
    pub fn splice(&mut self, stream: &Value) -> bool {
        let generation = stream["gen"].as_u64().unwrap_or(0);
        if generation != self.generation {
            *self = Self { generation, ..Self::default() };
        }
        let offset = stream["offset"].as_u64().unwrap_or(0);
        if offset > self.length {
            return false;
        }
        self.text.truncate(byte_at(&self.text, offset));
        self.text.push_str(stream["text"].as_str().unwrap_or_default());
        self.length = units(&self.text);
        true
    }

    /// What to ask for to go on.
    pub fn want(&self, message: &str) -> Want {
        Want::Text { message: message.to_owned(), generation: self.generation, offset: self.length }
    }
}

fn units(text: &str) -> u64 {
    u64::try_from(text.chars().map(char::len_utf16).sum::<usize>()).expect("a length")
}

/// Where the UTF-16 unit of this number begins; the end if there is none.
fn byte_at(text: &str, unit: u64) -> usize {
    let mut passed = 0;
    for (at, char) in text.char_indices() {
        if passed >= unit {
            return at;
        }
        passed += u64::try_from(char.len_utf16()).expect("one or two");
    }
    text.len()
}
