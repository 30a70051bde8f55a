//! Bans of rooms in SQL: memberships in the state `banned`.

use async_trait::async_trait;
use chat::conversation::ConversationId;
use chat::ports::BanList;
use chat::room::{Member, MemberState};
use kernel::{Page, PageRequest, PortError, UserId};

use super::{SqlRooms, list};
use crate::append::run;
use crate::detached::detached;

const LIFT: &str = "UPDATE members SET state = 'left' WHERE conversation_id = $1 AND user_id = $2 \
     AND state = 'banned'";

#[async_trait]
impl BanList for SqlRooms {
    async fn banned(&self, id: &ConversationId, page: PageRequest) -> Result<Page<Member>, PortError> {
        list::members(self.store.reader(), id, MemberState::Banned, page).await
    }

    async fn lift(&self, id: &ConversationId, user: UserId) -> Result<bool, PortError> {
        let (store, id) = (self.store.clone(), id.clone());
        detached(async move {
            let lifted = run(store.writer(), LIFT, [id.as_str().into(), user.as_uuid().into()]).await?;
            Ok(lifted > 0)
        })
        .await
    }
}
