//! What operators did to what belongs to others, kept for ever.

use kernel::{Id, Timestamp, UserId};

/// Kind of a line of the operators' log.
pub enum Audit {}

/// Its id.
pub type AuditEntryId = Id<Audit>;

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditEntryId,
    /// Who did it; `None` from the command line.
    pub actor: Option<UserId>,
    /// What, as one word such as `ledger.adjust`; at most 64 characters.
    pub action: String,
    /// To what, such as `user:` and an id; at most 128 characters.
    pub subject: String,
    /// How, as JSON; without secrets, openids or what people wrote.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}
