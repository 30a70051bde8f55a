//! Blocking people: what somebody says whom one has blocked is hidden from oneself, and from nobody else.
//!
//! A block is a matter of what is shown. Seqs, counts and turns are the same for everybody, so nothing of it reaches
//! the log; whoever writes an answer for one person asks here whom they have blocked.

use std::sync::Arc;

use kernel::{Page, PageRequest, UserId};

use super::ChatService;
use crate::error::{ChatError, ContentError, Field, Forbidden};
use crate::ports::{Block, BlockOutcome};

/// People whom one person can block. The whole list is read for each page of a room's history.
const BLOCKS_MAX: u32 = 500;

impl ChatService {
    /// Blocks somebody; again changes nothing.
    pub async fn block(&self, user: UserId, other: UserId) -> Result<(), ChatError> {
        if other == user {
            return Err(ChatError::Invalid { field: Field::User, error: ContentError::Range });
        }
        self.known_person(other).await?;
        let block = Block { user_id: other, created_at: self.inner.now() };
        let outcome = self.inner.ports.blocks.block(user, block, BLOCKS_MAX).await;
        self.inner.block_lists.forget(user);
        match outcome? {
            BlockOutcome::Blocked | BlockOutcome::Already => Ok(()),
            BlockOutcome::Full => Err(ChatError::Forbidden(Forbidden::BlocksFull { limit: BLOCKS_MAX })),
        }
    }

    /// Ends a block, also of somebody who is gone; without one nothing happens.
    pub async fn unblock(&self, user: UserId, other: UserId) -> Result<(), ChatError> {
        let outcome = self.inner.ports.blocks.unblock(user, other).await;
        self.inner.block_lists.forget(user);
        if outcome? { Ok(()) } else { self.known_person(other).await }
    }

    /// Whom the person has blocked, the latest first.
    pub async fn blocks(&self, user: UserId, page: PageRequest) -> Result<Page<Block>, ChatError> {
        Ok(self.inner.ports.blocks.list(user, page).await?)
    }

    /// Everybody whose words are hidden from the person; may be five seconds old.
    pub async fn hidden_from(&self, user: UserId) -> Result<Arc<[UserId]>, ChatError> {
        let now = self.inner.now();
        if let Some(list) = self.inner.block_lists.get(user, now) {
            return Ok(list);
        }
        let list: Arc<[UserId]> = self.inner.ports.blocks.blocked(user).await?.into();
        self.inner.block_lists.remember(user, &list, now);
        Ok(list)
    }

    /// Refuses who is nobody.
    pub(super) async fn known_person(&self, user: UserId) -> Result<(), ChatError> {
        let cards = self.inner.ports.people.cards(&[user]).await?;
        if cards.is_empty() { Err(ChatError::NotFound) } else { Ok(()) }
    }
}
