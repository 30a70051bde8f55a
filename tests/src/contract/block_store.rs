//! What every [`chat::ports::BlockStore`] must do.

use chat::ports::{Block, BlockOutcome};
use futures::future::join_all;
use kernel::{PageRequest, UserId};

use super::stored_chat::{START, StoredChat};

const LIMIT: u32 = 3;

/// A block holds from the first call to its end; nobody else's list is touched.
pub async fn a_block_holds_until_it_ends(chat: &StoredChat) {
    let (user, other): (UserId, UserId) = (chat.id(), chat.id());
    assert_eq!(block(chat, user, other, 0).await, BlockOutcome::Blocked);
    assert_eq!(block(chat, user, other, 9).await, BlockOutcome::Already);
    assert_eq!(chat.blocks.blocked(user).await.unwrap(), [other]);
    assert!(chat.blocks.blocked(other).await.unwrap().is_empty());
    assert!(!chat.blocks.unblock(other, user).await.unwrap());
    assert!(chat.blocks.unblock(user, other).await.unwrap());
    assert!(!chat.blocks.unblock(user, other).await.unwrap());
    assert!(chat.blocks.blocked(user).await.unwrap().is_empty());
}

/// One block comes of calls that come together.
pub async fn one_block_comes_of_many_calls(chat: &StoredChat) {
    let (user, other): (UserId, UserId) = (chat.id(), chat.id());
    let outcomes = join_all((0..8).map(|_| block(chat, user, other, 0))).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == BlockOutcome::Blocked).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == BlockOutcome::Already).count(), 7);
    assert_eq!(chat.blocks.blocked(user).await.unwrap().len(), 1);
}

/// A full list takes no more; who is on it stays, and a free place is given again.
pub async fn a_full_list_takes_no_more(chat: &StoredChat) {
    let user: UserId = chat.id();
    let others: [UserId; 3] = [chat.id(), chat.id(), chat.id()];
    for other in others {
        assert_eq!(block(chat, user, other, 0).await, BlockOutcome::Blocked);
    }
    let one_more = chat.id();
    assert_eq!(block(chat, user, one_more, 0).await, BlockOutcome::Full);
    assert_eq!(block(chat, user, others[0], 0).await, BlockOutcome::Already);
    assert!(!chat.blocks.blocked(user).await.unwrap().contains(&one_more));
    assert!(chat.blocks.unblock(user, others[0]).await.unwrap());
    assert_eq!(block(chat, user, one_more, 0).await, BlockOutcome::Blocked);
}

/// The latest block comes first, and a page is a part of the list.
pub async fn blocks_are_listed_the_latest_first(chat: &StoredChat) {
    let user: UserId = chat.id();
    let (early, late): (UserId, UserId) = (chat.id(), chat.id());
    block(chat, user, late, 20).await;
    block(chat, user, early, 10).await;
    block(chat, chat.id(), user, 0).await;
    let page = |page| PageRequest::new(page, 1, 10);
    let first = chat.blocks.list(user, page(1)).await.unwrap();
    let expected = Block { user_id: late, created_at: START.plus_seconds(20) };
    assert_eq!((first.items, first.total), (vec![expected], 2));
    let second = chat.blocks.list(user, page(2)).await.unwrap();
    assert_eq!(second.items[0].user_id, early);
}

async fn block(chat: &StoredChat, user: UserId, other: UserId, seconds: i64) -> BlockOutcome {
    let block = Block { user_id: other, created_at: START.plus_seconds(seconds) };
    chat.blocks.block(user, block, LIMIT).await.unwrap()
}
