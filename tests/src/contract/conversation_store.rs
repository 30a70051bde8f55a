//! What every [`chat::ports::ConversationStore`] must do.

use chat::conversation::Conversation;
use chat::message::Author;
use chat::ports::{CreateOutcome, HistoryQuery, Once};
use futures::future::join_all;
use kernel::{PageRequest, UserId};

use super::stored_chat::{START, StoredChat, end_of};

const ALL: u32 = 100;

/// What was created is what is read.
pub async fn a_created_conversation_comes_back_unchanged(chat: &StoredChat) {
    let mut conversation = chat.new_conversation(chat.id());
    "温故而知新 𠀀 ' \" %".clone_into(&mut conversation.title);
    conversation.last_active_at = START.plus_seconds(9);
    chat.conversations.create(&conversation, None).await.unwrap();
    assert_eq!(chat.conversations.get(&conversation.id).await.unwrap(), Some(conversation));
}

/// Absence is no error.
pub async fn an_unknown_conversation_is_absent(chat: &StoredChat) {
    let unknown = chat.new_conversation(chat.id());
    assert_eq!(chat.conversations.get(&unknown.id).await.unwrap(), None);
    assert!(!chat.conversations.rename(&unknown.id, "x").await.unwrap());
    assert!(!chat.conversations.delete(&unknown.id).await.unwrap());
}

/// A second conversation under one id is a failure, and the first stays.
pub async fn an_id_is_taken_once(chat: &StoredChat) {
    let first = chat.conversation(chat.id()).await;
    let second = Conversation { owner: chat.id(), ..first.clone() };
    assert!(chat.conversations.create(&second, None).await.is_err());
    assert_eq!(chat.conversations.get(&first.id).await.unwrap(), Some(first));
}

/// A key makes one conversation of its owner; the same request again is answered by that one as it is now.
pub async fn a_key_makes_one_conversation(chat: &StoredChat) {
    let first = chat.new_conversation(chat.id());
    let again = chat.new_conversation(first.owner);
    let once = once("k-1", "h1");
    assert_eq!(chat.conversations.create(&first, Some(&once)).await.unwrap(), CreateOutcome::Created);
    assert!(chat.conversations.rename(&first.id, "论语").await.unwrap());
    let renamed = Conversation { title: "论语".to_owned(), ..first };
    let replayed = CreateOutcome::Replayed(renamed.clone());
    assert_eq!(chat.conversations.create(&again, Some(&once)).await.unwrap(), replayed);
    assert_eq!(listed(chat, again.owner, PageRequest::new(1, ALL, ALL)).await, [renamed]);
}

/// One key is for one request, each owner has keys of their own, and other keys and none make others.
pub async fn a_key_is_for_one_request_of_one_owner(chat: &StoredChat) {
    let (owner, other) = (chat.id(), chat.id());
    let create = async |owner, once: Option<Once>| {
        chat.conversations.create(&chat.new_conversation(owner), once.as_ref()).await.unwrap()
    };
    assert_eq!(create(owner, Some(once("k-1", "h1"))).await, CreateOutcome::Created);
    assert_eq!(create(owner, Some(once("k-1", "h2"))).await, CreateOutcome::Conflict);
    for (owner, once) in
        [(other, Some(once("k-1", "h2"))), (owner, Some(once("k-2", "h1"))), (owner, None), (owner, None)]
    {
        assert_eq!(create(owner, once).await, CreateOutcome::Created);
    }
    assert_eq!(listed(chat, owner, PageRequest::new(1, ALL, ALL)).await.len(), 4);
}

/// A use of a key that is too old does not count, and neither does one whose conversation is deleted.
pub async fn a_key_is_free_again_after_its_time_and_after_a_deletion(chat: &StoredChat) {
    let owner = chat.id();
    let (old, young, last) =
        (chat.new_conversation(owner), chat.new_conversation(owner), chat.new_conversation(owner));
    let once = once("k-1", "h1");
    assert_eq!(chat.conversations.create(&old, Some(&once)).await.unwrap(), CreateOutcome::Created);
    let late = Once { since: START.plus_millis(1), body_hash: "h2".to_owned(), ..once.clone() };
    assert_eq!(chat.conversations.create(&young, Some(&late)).await.unwrap(), CreateOutcome::Created);
    assert_eq!(chat.conversations.get(&old.id).await.unwrap(), Some(old));
    assert!(chat.conversations.delete(&young.id).await.unwrap());
    assert_eq!(chat.conversations.create(&last, Some(&once)).await.unwrap(), CreateOutcome::Created);
}

/// However many come at once with one key, one creates and the others get what it made.
pub async fn one_key_creates_once_however_many_come_together(chat: &StoredChat) {
    let (owner, once) = (chat.id(), once("k-1", "h1"));
    let creations = (0..8).map(|_| {
        let (conversation, once) = (chat.new_conversation(owner), once.clone());
        async move { chat.conversations.create(&conversation, Some(&once)).await.unwrap() }
    });
    let outcomes = join_all(creations).await;
    let stored = listed(chat, owner, PageRequest::new(1, ALL, ALL)).await;
    let [stored] = stored.as_slice() else { panic!("{stored:?}") };
    let replayed = CreateOutcome::Replayed(stored.clone());
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == CreateOutcome::Created).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == replayed).count(), 7);
}

/// The last active stands first; among equals the newest id.
pub async fn the_list_is_ordered_by_activity_and_then_by_newest_id(chat: &StoredChat) {
    let owner = chat.id();
    let old = chat.conversation(owner).await;
    let young = chat.conversation(owner).await;
    let active = chat.conversation(owner).await;
    let middle = chat.conversation(owner).await;
    chat.appended(&active).await;
    let listed = listed(chat, owner, PageRequest::new(1, ALL, ALL)).await;
    assert_eq!(ids(&listed), [active.id.as_str(), middle.id.as_str(), young.id.as_str(), old.id.as_str()]);
}

/// A conversation without messages has none; otherwise the newest is shown, whoever wrote it.
pub async fn the_list_shows_each_newest_message(chat: &StoredChat) {
    let owner = chat.id();
    let quiet = chat.conversation(owner).await;
    let busy = chat.conversation(owner).await;
    chat.answered(&busy).await;
    let last = chat.answered(&busy).await;
    let page = chat.conversations.list(owner, PageRequest::new(1, ALL, ALL)).await.unwrap();
    let [(first, newest), (second, none)] = page.items.as_slice() else { panic!("{page:?}") };
    assert_eq!((&first.id, &second.id), (&busy.id, &quiet.id));
    let newest = newest.as_ref().unwrap();
    assert_eq!(newest.id, last.reply.id);
    assert_eq!(newest.content, end_of(&last).content);
    assert_eq!(newest.author, Author::Character(busy.character_id.clone()));
    assert_eq!(*none, None);
}

/// Nobody sees another's conversations, and nobody a deleted one.
pub async fn the_list_leaves_out_deleted_ones_and_other_peoples(chat: &StoredChat) {
    let owner = chat.id();
    let kept = chat.conversation(owner).await;
    let deleted = chat.conversation(owner).await;
    chat.conversation(chat.id()).await;
    assert!(chat.conversations.delete(&deleted.id).await.unwrap());
    let page = chat.conversations.list(owner, PageRequest::new(1, ALL, ALL)).await.unwrap();
    assert_eq!(page.total, 1);
    assert_eq!(page.items.iter().map(|(one, _)| one.clone()).collect::<Vec<_>>(), [kept]);
}

/// Squads and rooms have their own port: they are not found, listed, renamed or deleted here.
pub async fn squads_and_rooms_are_not_seen(chat: &StoredChat) {
    let owner = chat.id();
    let session = chat.conversation(owner).await;
    for room in [chat.squad(owner).await, chat.private_room(owner).await, chat.room().await] {
        assert_eq!(chat.conversations.get(&room.id).await.unwrap(), None);
        assert!(!chat.conversations.rename(&room.id, "x").await.unwrap());
        assert!(!chat.conversations.delete(&room.id).await.unwrap());
        assert_eq!(chat.rooms.room(&room.id).await.unwrap(), Some(room));
    }
    let page = chat.conversations.list(owner, PageRequest::new(1, ALL, ALL)).await.unwrap();
    assert_eq!((page.total, page.items), (1, vec![(session, None)]));
}

/// Pages join without overlap or hole, and each knows the total.
pub async fn the_list_is_paged(chat: &StoredChat) {
    let owner = chat.id();
    for _ in 0..5 {
        chat.conversation(owner).await;
    }
    let whole = listed(chat, owner, PageRequest::new(1, ALL, ALL)).await;
    let mut joined = Vec::new();
    for page in 1..=4 {
        let request = PageRequest::new(page, 2, ALL);
        let part = chat.conversations.list(owner, request).await.unwrap();
        assert_eq!(part.total, 5);
        assert_eq!(part.has_more(request), page < 3);
        joined.extend(part.items.into_iter().map(|(one, _)| one));
    }
    assert_eq!(joined, whole);
}

/// A title is replaced, and nothing else.
pub async fn a_title_is_given(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    assert!(chat.conversations.rename(&conversation.id, "论语").await.unwrap());
    let renamed = chat.conversations.get(&conversation.id).await.unwrap().unwrap();
    assert_eq!(renamed, Conversation { title: "论语".to_owned(), ..conversation });
}

/// After a deletion every read of it and of its messages comes back empty.
pub async fn a_deleted_conversation_reads_as_empty(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.answered(&conversation).await;
    let client_msg_id = exchange.question.client_msg_id.clone().unwrap();
    assert!(chat.conversations.delete(&conversation.id).await.unwrap());

    assert_eq!(chat.conversations.get(&conversation.id).await.unwrap(), None);
    assert!(!chat.conversations.rename(&conversation.id, "x").await.unwrap());
    assert!(!chat.conversations.delete(&conversation.id).await.unwrap());
    let history = chat.log.history(&conversation.id, HistoryQuery::Newest { limit: 10 }).await.unwrap();
    assert_eq!((history.messages.len(), history.has_more, history.head), (0, false, 0));
    assert_eq!(chat.log.events(&conversation.id, 0, 10).await.unwrap(), []);
    assert_eq!(chat.log.message(exchange.question.id).await.unwrap(), None);
    assert_eq!(chat.log.message(exchange.reply.id).await.unwrap(), None);
    assert_eq!(chat.log.reply_to(exchange.question.id).await.unwrap(), None);
    let by_own_id = chat.log.by_client_msg_id(&conversation.id, conversation.owner, &client_msg_id);
    assert_eq!(by_own_id.await.unwrap(), None);
}

/// A saga stays when its conversation goes, so that its hold is settled.
pub async fn a_saga_outlives_its_conversation(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.appended(&conversation).await;
    chat.conversations.delete(&conversation.id).await.unwrap();
    let saga = chat.generations.get(exchange.reply.id).await.unwrap().unwrap();
    assert_eq!(saga.conversation_id, conversation.id);
    let kept = chat.generations.checkpoint(exchange.reply.id, 1, "学").await.unwrap();
    assert!(!kept, "its writer learns that there is nothing to write for");
}

/// One conversation's deletion touches no other.
pub async fn a_deletion_leaves_other_conversations_whole(chat: &StoredChat) {
    let owner = chat.id();
    let (kept, deleted) = (chat.conversation(owner).await, chat.conversation(owner).await);
    chat.answered(&kept).await;
    chat.answered(&deleted).await;
    chat.conversations.delete(&deleted.id).await.unwrap();
    assert_eq!(chat.newest(&kept, 10).await.len(), 2);
    assert_eq!(chat.log.events(&kept.id, 0, 10).await.unwrap().len(), 3);
}

fn once(key: &str, body_hash: &str) -> Once {
    Once { key: key.to_owned(), body_hash: body_hash.to_owned(), since: START.plus_seconds(-1) }
}

async fn listed(chat: &StoredChat, owner: UserId, page: PageRequest) -> Vec<Conversation> {
    let page = chat.conversations.list(owner, page).await.unwrap();
    page.items.into_iter().map(|(conversation, _)| conversation).collect()
}

fn ids(conversations: &[Conversation]) -> Vec<&str> {
    conversations.iter().map(|conversation| conversation.id.as_str()).collect()
}
