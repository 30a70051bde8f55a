//! Ports of keeping order among people: bans of a room, blocks between two people, reports to the operators.

use async_trait::async_trait;
use kernel::{Page, PageRequest, PortError, Timestamp, UserId};

use crate::conversation::ConversationId;
use crate::report::{Report, ReportCase, ReportId, ReportState, ReportSubject, Verdict};
use crate::room::Member;

/// Who may not come back into a room. Bans are made by [`super::RoomStore::end_membership`].
#[async_trait]
pub trait BanList: Send + Sync {
    /// People who are banned from a room now, by id.
    async fn banned(&self, id: &ConversationId, page: PageRequest) -> Result<Page<Member>, PortError>;

    /// Ends a ban: the person is as one who has left. `false` if they were not banned; MUST NOT end a membership.
    async fn lift(&self, id: &ConversationId, user: UserId) -> Result<bool, PortError>;
}

/// Somebody whom a person has blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Whom.
    pub user_id: UserId,
    /// Since when.
    pub created_at: Timestamp,
}

/// What became of a new block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockOutcome {
    /// It holds from now on.
    Blocked,
    /// It was so already; nothing was written.
    Already,
    /// The person has blocked so many that no more are taken.
    Full,
}

/// Whom people have blocked: a list for each person, which nobody else sees.
#[async_trait]
pub trait BlockStore: Send + Sync {
    /// Blocks somebody. MUST answer `Full` and write nothing where the person has blocked `limit` others already
    /// (those that come at the same moment may pass it).
    async fn block(&self, user: UserId, block: Block, limit: u32) -> Result<BlockOutcome, PortError>;

    /// Ends a block. `false` if there was none.
    async fn unblock(&self, user: UserId, other: UserId) -> Result<bool, PortError>;

    /// Everybody whom the person has blocked; order is free.
    async fn blocked(&self, user: UserId) -> Result<Vec<UserId>, PortError>;

    /// Whom the person has blocked, the latest first.
    async fn list(&self, user: UserId, page: PageRequest) -> Result<Page<Block>, PortError>;
}

/// What became of a new report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOutcome {
    /// It is stored.
    Filed,
    /// An earlier one by the same person about the same [bars it](Report::bars_another); nothing was written.
    Already(Box<Report>),
}

/// Reports to the operators.
#[async_trait]
pub trait ReportStore: Send + Sync {
    /// Stores a report that is open. MUST answer `Already` where an earlier one bars it; of two concurrent calls by
    /// one person about the same, one MUST be `Already`.
    async fn file(&self, report: &Report) -> Result<FileOutcome, PortError>;

    /// The report that bars another one by this person about this, if any.
    async fn barring(&self, reporter: UserId, subject: &ReportSubject) -> Result<Option<Report>, PortError>;

    /// One report, with its message in its present state.
    async fn get(&self, id: ReportId) -> Result<Option<ReportCase>, PortError>;

    /// Reports in this state (`None`: all), the newest first, each with its message in its present state. One read.
    async fn list(
        &self,
        state: Option<ReportState>,
        page: PageRequest,
    ) -> Result<Page<ReportCase>, PortError>;

    /// Stores what an operator decided; a later verdict replaces an earlier one. `false` if there is no such report.
    async fn conclude(&self, id: ReportId, verdict: &Verdict) -> Result<bool, PortError>;
}

/// How far people have come. Whoever has no level yet has the first.
#[async_trait]
pub trait Levels: Send + Sync {
    /// A person's level, from 1.
    async fn level(&self, user: UserId) -> Result<u32, PortError>;
}
