//! A message as it comes over the wire, which a test may change before it arrives.

use billing::payment::{RawNotice, SignedNotice};
use kernel::Timestamp;

/// Headers, parameters of the query, and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// With names in small letters.
    pub headers: Vec<(String, String)>,
    /// Of the address.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Sent {
    /// The message as it arrives at that moment.
    pub fn at(&self, at: Timestamp) -> RawNotice<'_> {
        RawNotice { headers: &self.headers, query: &self.query, body: &self.body, at }
    }
}

impl From<SignedNotice> for Sent {
    fn from(notice: SignedNotice) -> Self {
        Self { headers: notice.headers, query: Vec::new(), body: notice.body }
    }
}

/// Pairs of texts.
pub fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Vec<(String, String)> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
