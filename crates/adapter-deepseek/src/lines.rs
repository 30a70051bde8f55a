//! Lines out of bytes, with a bound on their length.

use bytes::{Buf, Bytes, BytesMut};

/// A line is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Collects bytes until a line is whole. Characters that are split over reads come together again here.
pub(crate) struct Lines {
    held: BytesMut,
    /// So many of the held bytes were searched already.
    searched: usize,
    bytes_max: usize,
}

impl Lines {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { held: BytesMut::new(), searched: 0, bytes_max }
    }

    /// Takes what was read.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole line without its end, if there is one.
    pub(crate) fn next_line(&mut self) -> Result<Option<Bytes>, LineTooLong> {
        let fresh = self.held.get(self.searched..).unwrap_or_default();
        let Some(at) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.held.len();
            return if self.searched > self.bytes_max { Err(LineTooLong) } else { Ok(None) };
        };
        let end = self.searched + at;
        let line = self.held.split_to(end).freeze();
        self.held.advance(1);
        self.searched = 0;
        if line.len() > self.bytes_max { Err(LineTooLong) } else { Ok(Some(without_return(line))) }
    }
}

fn without_return(line: Bytes) -> Bytes {
    match line.strip_suffix(b"\r") {
        Some(kept) => line.slice(..kept.len()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_split_over_reads_comes_together() {
        let mut lines = Lines::new(64);
        for byte in "data: 学而\r\n\nrest".as_bytes() {
            lines.push(&[*byte]);
        }
        assert_eq!(lines.next_line().unwrap().unwrap(), "data: 学而".as_bytes());
        assert_eq!(lines.next_line().unwrap().unwrap(), "".as_bytes());
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(b"\n");
        assert_eq!(lines.next_line().unwrap().unwrap(), "rest".as_bytes());
    }

    #[test]
    fn a_line_beyond_the_bound_is_refused_before_it_ends() {
        let mut lines = Lines::new(4);
        lines.push(b"1234");
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(b"5");
        assert_eq!(lines.next_line(), Err(LineTooLong));
    }
}
