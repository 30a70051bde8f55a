//! What every [`chat::ports::GenerationStore`] must do.

use chat::generation::{Generation, GenerationState};
use chat::ports::ReplyEnd;
use futures::future::join_all;
use kernel::MessageId;

use super::stored_chat::{START, StoredChat, end_of};

/// An id that names no saga is absent.
pub async fn an_unknown_saga_is_absent(chat: &StoredChat) {
    assert_eq!(chat.generations.get(chat.id()).await.unwrap(), None);
    assert!(!chat.generations.checkpoint(chat.id(), 1, "学").await.unwrap());
}

/// Text is kept while the saga streams in the writer's generation.
pub async fn a_checkpoint_is_kept_while_streaming(chat: &StoredChat) {
    let exchange = chat.appended_by(chat.id()).await;
    assert!(chat.generations.checkpoint(exchange.reply.id, 1, "学").await.unwrap());
    assert!(chat.generations.checkpoint(exchange.reply.id, 1, "学而").await.unwrap());
    assert!(!chat.generations.checkpoint(exchange.reply.id, 2, "别人的").await.unwrap());
    assert!(!chat.generations.checkpoint(exchange.reply.id, 0, "旧的").await.unwrap());
    assert_eq!(chat.generations.get(exchange.reply.id).await.unwrap().unwrap().checkpoint, "学而");
}

/// A late checkpoint never changes the final text.
pub async fn a_checkpoint_after_the_end_is_refused(chat: &StoredChat) {
    let exchange = chat.appended_by(chat.id()).await;
    let end = end_of(&exchange);
    chat.log.append_end(&end).await.unwrap();
    assert!(!chat.generations.checkpoint(exchange.reply.id, 1, "迟到").await.unwrap());
    assert_eq!(chat.log.message(exchange.reply.id).await.unwrap().unwrap().content, end.content);
}

/// Only an ended saga is settled, and settling twice is settling once.
pub async fn an_ended_saga_is_settled_once_and_for_all(chat: &StoredChat) {
    let exchange = chat.appended_by(chat.id()).await;
    chat.generations.mark_settled(exchange.reply.id).await.unwrap();
    assert_eq!(state(chat, exchange.reply.id).await, GenerationState::Streaming);
    chat.log.append_end(&end_of(&exchange)).await.unwrap();
    for _ in 0..2 {
        chat.generations.mark_settled(exchange.reply.id).await.unwrap();
        let saga = chat.generations.get(exchange.reply.id).await.unwrap().unwrap();
        assert_eq!((saga.state, saga.charge), (GenerationState::Settled, end_of(&exchange).charge));
    }
    chat.generations.mark_settled(chat.id()).await.unwrap();
}

/// A saga whose owner never had a lease is an orphan.
pub async fn a_saga_without_a_lease_is_an_orphan(chat: &StoredChat) {
    let exchange = chat.appended_by(chat.id()).await;
    let orphans = chat.generations.orphans(START, 10).await.unwrap();
    assert_eq!(ids(&orphans), [exchange.reply.id]);
    assert_eq!(Some(orphans[0].clone()), chat.generations.get(exchange.reply.id).await.unwrap());
}

/// A lease lasts until its moment, not at it.
pub async fn a_lease_lasts_until_its_moment(chat: &StoredChat) {
    let owner = chat.id();
    chat.generations.renew_lease(owner, START.plus_millis(100)).await.unwrap();
    chat.appended_by(owner).await;
    let orphans = async |millis| chat.generations.orphans(START.plus_millis(millis), 10).await.unwrap().len();
    assert_eq!(orphans(99).await, 0);
    assert_eq!(orphans(100).await, 1);
    chat.generations.renew_lease(owner, START.plus_millis(200)).await.unwrap();
    assert_eq!(orphans(199).await, 0);
}

/// A renewal that comes late says nothing new.
pub async fn a_lease_is_never_shortened(chat: &StoredChat) {
    let owner = chat.id();
    chat.appended_by(owner).await;
    chat.generations.renew_lease(owner, START.plus_millis(200)).await.unwrap();
    chat.generations.renew_lease(owner, START.plus_millis(100)).await.unwrap();
    assert_eq!(chat.generations.orphans(START.plus_millis(199), 10).await.unwrap(), []);
}

/// Renewals at once leave the longest.
pub async fn parallel_renewals_leave_the_longest_lease(chat: &StoredChat) {
    let owner = chat.id();
    chat.appended_by(owner).await;
    let renew = |millis| chat.generations.renew_lease(owner, START.plus_millis(millis));
    let renewals = join_all((1..=32).rev().map(renew)).await;
    assert!(renewals.iter().all(Result::is_ok));
    assert_eq!(chat.generations.orphans(START.plus_millis(31), 10).await.unwrap(), []);
    assert_eq!(chat.generations.orphans(START.plus_millis(32), 10).await.unwrap().len(), 1);
}

/// An instance that stopped owns nothing, at once; releasing again changes nothing.
pub async fn a_released_lease_is_over(chat: &StoredChat) {
    let owner = chat.id();
    chat.appended_by(owner).await;
    chat.generations.renew_lease(owner, START.plus_seconds(60)).await.unwrap();
    chat.generations.release_lease(owner).await.unwrap();
    chat.generations.release_lease(owner).await.unwrap();
    assert_eq!(chat.generations.orphans(START, 10).await.unwrap().len(), 1);
}

/// Orphans are what is not settled, the oldest first, at most as many as asked for.
pub async fn orphans_are_unsettled_and_oldest_first(chat: &StoredChat) {
    let (dead, alive) = (chat.id(), chat.id());
    chat.generations.renew_lease(alive, START.plus_seconds(60)).await.unwrap();
    let streaming = chat.appended_by(dead).await;
    chat.appended_by(alive).await;
    let ended = chat.appended_by(dead).await;
    chat.log.append_end(&end_of(&ended)).await.unwrap();
    let settled = chat.appended_by(dead).await;
    chat.log.append_end(&end_of(&settled)).await.unwrap();
    chat.generations.mark_settled(settled.reply.id).await.unwrap();
    let youngest = chat.appended_by(dead).await;
    let orphans = chat.generations.orphans(START, 10).await.unwrap();
    assert_eq!(ids(&orphans), [streaming.reply.id, ended.reply.id, youngest.reply.id]);
    let some = chat.generations.orphans(START, 2).await.unwrap();
    assert_eq!(ids(&some), [streaming.reply.id, ended.reply.id]);
}

/// An instance finds its own unsettled sagas: ended ones first, then the oldest.
pub async fn an_instance_finds_its_own_open_sagas(chat: &StoredChat) {
    let owner = chat.id();
    let old = chat.appended_by(owner).await;
    chat.appended_by(chat.id()).await;
    let ended = chat.appended_by(owner).await;
    chat.log.append_end(&end_of(&ended)).await.unwrap();
    let settled = chat.appended_by(owner).await;
    chat.log.append_end(&end_of(&settled)).await.unwrap();
    chat.generations.mark_settled(settled.reply.id).await.unwrap();
    let young = chat.appended_by(owner).await;
    let own = chat.generations.owned_by(owner, 10).await.unwrap();
    assert_eq!(ids(&own), [ended.reply.id, old.reply.id, young.reply.id]);
    assert_eq!(ids(&chat.generations.owned_by(owner, 2).await.unwrap()), [ended.reply.id, old.reply.id]);
}

/// What is not settled is open, whatever became of its conversation.
pub async fn open_sagas_are_counted(chat: &StoredChat) {
    assert_eq!(chat.generations.open_count().await.unwrap(), 0);
    let first = chat.appended_by(chat.id()).await;
    let second = chat.appended_by(chat.id()).await;
    assert_eq!(chat.generations.open_count().await.unwrap(), 2);
    let unpaid = ReplyEnd { usage: None, charge: None, ..end_of(&first) };
    chat.log.append_end(&unpaid).await.unwrap();
    chat.conversations.delete(&second.conversation_id).await.unwrap();
    assert_eq!(chat.generations.open_count().await.unwrap(), 2);
    chat.generations.mark_settled(first.reply.id).await.unwrap();
    assert_eq!(chat.generations.open_count().await.unwrap(), 1);
}

async fn state(chat: &StoredChat, id: MessageId) -> GenerationState {
    chat.generations.get(id).await.unwrap().unwrap().state
}

fn ids(sagas: &[Generation]) -> Vec<MessageId> {
    sagas.iter().map(|saga| saga.message_id).collect()
}
