//! What every [`chat::ports::EventLog`] must do: reads of what was appended.

use chat::conversation::Conversation;
use chat::message::MessageStatus;
use chat::ports::{Exchange, Head, HistoryPage, HistoryQuery};
use kernel::MessageId;

use super::stored_chat::{StoredChat, end_of};

/// The newest messages ascend, and say whether older ones are left.
pub async fn the_newest_page_ascends_and_knows_of_older_ones(chat: &StoredChat) {
    let (conversation, exchanges) = told(chat, 3).await;
    let all = message_ids(&exchanges);
    let page = read(chat, &conversation, HistoryQuery::Newest { limit: 4 }).await;
    assert_eq!((ids(&page), page.has_more, page.head), (all[2..].to_vec(), true, 9));
    let page = read(chat, &conversation, HistoryQuery::Newest { limit: 6 }).await;
    assert_eq!((ids(&page), page.has_more), (all, false));
}

/// Going back from a message meets every older one exactly once.
pub async fn going_back_page_by_page_meets_every_message_once(chat: &StoredChat) {
    let (conversation, exchanges) = told(chat, 4).await;
    let all = message_ids(&exchanges);
    let mut met = read(chat, &conversation, HistoryQuery::Newest { limit: 3 }).await.messages;
    loop {
        let query = HistoryQuery::Before { message: met[0].id, limit: 3 };
        let page = read(chat, &conversation, query).await;
        let more = page.has_more;
        met.splice(0..0, page.messages);
        if !more {
            break;
        }
    }
    assert_eq!(met.iter().map(|message| message.id).collect::<Vec<_>>(), all);
}

/// An id from nowhere, or from another conversation, has nothing before it.
pub async fn a_page_before_an_unknown_message_is_empty(chat: &StoredChat) {
    let (conversation, _) = told(chat, 1).await;
    let (_, elsewhere) = told(chat, 2).await;
    for message in [chat.id(), elsewhere[1].reply.id] {
        let page = read(chat, &conversation, HistoryQuery::Before { message, limit: 9 }).await;
        assert_eq!((page.messages.len(), page.has_more, page.head), (0, false, 3));
    }
}

/// A reply that began before the cursor and ended after it is there again, in its present state.
pub async fn a_page_since_a_seq_holds_what_changed_after_it(chat: &StoredChat) {
    let (conversation, _) = told(chat, 1).await;
    let exchange = chat.appended(&conversation).await;
    let growing = read(chat, &conversation, HistoryQuery::Since { seq: 5, limit: 9 }).await;
    assert_eq!((growing.messages.len(), growing.head), (0, 5));
    chat.log.append_end(&end_of(&exchange)).await.unwrap();
    let page = read(chat, &conversation, HistoryQuery::Since { seq: 5, limit: 9 }).await;
    assert_eq!((ids(&page), page.has_more, page.head), (vec![exchange.reply.id], false, 6));
    assert_eq!(page.messages[0].content, end_of(&exchange).content);
}

/// Pages since a seq go on by the latest event, oldest first.
pub async fn pages_since_a_seq_ascend_by_the_latest_event(chat: &StoredChat) {
    let (conversation, exchanges) = told(chat, 3).await;
    let all = message_ids(&exchanges);
    let page = read(chat, &conversation, HistoryQuery::Since { seq: 0, limit: 3 }).await;
    assert_eq!((ids(&page), page.has_more), (all[..3].to_vec(), true));
    // The latest event of the third message, the second question, is its first: seq 4.
    let page = read(chat, &conversation, HistoryQuery::Since { seq: 4, limit: 9 }).await;
    assert_eq!((ids(&page), page.has_more), (all[3..].to_vec(), false));
}

/// Silence has a head too; a conversation that is not there has 0.
pub async fn an_empty_history_still_has_a_head(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let unknown = chat.new_conversation(chat.id());
    for (one, owner) in [(&conversation, conversation.owner.into()), (&unknown, None)] {
        let page = read(chat, one, HistoryQuery::Newest { limit: 9 }).await;
        assert_eq!(page, HistoryPage { messages: vec![], has_more: false, head: 0, owner });
    }
    let (busy, _) = told(chat, 1).await;
    let page = read(chat, &busy, HistoryQuery::Since { seq: 3, limit: 9 }).await;
    assert_eq!(page, HistoryPage { messages: vec![], has_more: false, head: 3, owner: Some(busy.owner) });
}

/// A growing reply shows its last checkpoint wherever it is read.
pub async fn a_growing_reply_shows_its_last_checkpoint(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.appended(&conversation).await;
    chat.generations.checkpoint(exchange.reply.id, 1, "学了又").await.unwrap();
    assert_eq!(chat.newest(&conversation, 1).await[0].content, "学了又");
    let message = chat.log.message(exchange.reply.id).await.unwrap().unwrap();
    assert_eq!(message.content, "学了又");
}

/// Events come after the cursor, ascending, at most as many as asked for, of this conversation alone.
pub async fn events_follow_a_cursor(chat: &StoredChat) {
    let (conversation, _) = told(chat, 2).await;
    told(chat, 1).await;
    let part = chat.log.events(&conversation.id, 1, 3).await.unwrap();
    assert_eq!(part.iter().map(|event| event.seq).collect::<Vec<_>>(), [2, 3, 4]);
    let rest = chat.log.events(&conversation.id, 4, 100).await.unwrap();
    assert_eq!(rest.iter().map(|event| event.seq).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(chat.log.events(&conversation.id, 6, 100).await.unwrap(), []);
}

/// An event shows its message as it is now, not as it was then.
pub async fn events_show_their_messages_as_they_are(chat: &StoredChat) {
    let conversation = chat.conversation(chat.id()).await;
    let exchange = chat.appended(&conversation).await;
    chat.generations.checkpoint(exchange.reply.id, 1, "学了又").await.unwrap();
    let growing = chat.log.events(&conversation.id, 1, 1).await.unwrap().remove(0).message.unwrap();
    assert_eq!((growing.status, growing.content.as_str()), (MessageStatus::Streaming, "学了又"));
    chat.log.append_end(&end_of(&exchange)).await.unwrap();
    let whole = chat.log.message(exchange.reply.id).await.unwrap();
    for event in chat.log.events(&conversation.id, 1, 9).await.unwrap() {
        assert_eq!(event.message, whole);
    }
}

/// Heads of what is there, at once; what is not is left out.
pub async fn heads_are_read_at_once(chat: &StoredChat) {
    let (told, _) = told(chat, 1).await;
    let silent = chat.conversation(chat.id()).await;
    let unknown = chat.new_conversation(chat.id());
    let ids = [&told, &unknown, &silent].map(|conversation| conversation.id.clone());
    let mut heads = chat.log.heads(&ids).await.unwrap();
    heads.sort_by_key(|head| head.seq);
    let head = |of: &Conversation, seq| Head { conversation_id: of.id.clone(), seq, epoch: of.epoch.clone() };
    assert_eq!(heads, [head(&silent, 0), head(&told, 3)]);
    assert_eq!(chat.log.heads(&[]).await.unwrap(), []);
}

/// A question leads to its reply; a reply to nothing.
pub async fn a_question_leads_to_its_reply(chat: &StoredChat) {
    let (_, exchanges) = told(chat, 2).await;
    let reply = chat.log.reply_to(exchanges[0].question.id).await.unwrap().unwrap();
    assert_eq!(reply.id, exchanges[0].reply.id);
    assert_eq!(chat.log.reply_to(reply.id).await.unwrap(), None);
}

/// A sender's own id names the message, for that sender in that conversation alone.
pub async fn a_senders_own_id_names_the_message(chat: &StoredChat) {
    let (conversation, exchanges) = told(chat, 1).await;
    let question = &exchanges[0].question;
    let own = question.client_msg_id.clone().unwrap();
    let found = chat.log.by_client_msg_id(&conversation.id, question.author, &own).await.unwrap();
    assert_eq!(found.map(|message| message.id), Some(question.id));
    let by_another = chat.log.by_client_msg_id(&conversation.id, chat.id(), &own).await.unwrap();
    assert_eq!(by_another, None);
    let unused = chat.log.by_client_msg_id(&conversation.id, question.author, "unused").await.unwrap();
    assert_eq!(unused, None);
}

/// A person's own messages count in all their conversations, replies and other people's do not, deleted ones no more.
pub async fn a_persons_messages_are_counted(chat: &StoredChat) {
    let owner = chat.id();
    let (kept, deleted) = (chat.conversation(owner).await, chat.conversation(owner).await);
    assert_eq!(chat.log.count_by(owner).await.unwrap(), 0);
    chat.answered(&kept).await;
    chat.answered(&kept).await;
    chat.answered(&deleted).await;
    chat.answered(&chat.conversation(chat.id()).await).await;
    assert_eq!(chat.log.count_by(owner).await.unwrap(), 3);
    assert!(chat.conversations.delete(&deleted.id).await.unwrap());
    assert_eq!(chat.log.count_by(owner).await.unwrap(), 2);
}

async fn told(chat: &StoredChat, turns: usize) -> (Conversation, Vec<Exchange>) {
    let conversation = chat.conversation(chat.id()).await;
    let mut exchanges = Vec::new();
    for _ in 0..turns {
        exchanges.push(chat.answered(&conversation).await);
    }
    (conversation, exchanges)
}

async fn read(chat: &StoredChat, conversation: &Conversation, query: HistoryQuery) -> HistoryPage {
    chat.log.history(&conversation.id, query).await.unwrap()
}

fn message_ids(exchanges: &[Exchange]) -> Vec<MessageId> {
    exchanges.iter().flat_map(|exchange| [exchange.question.id, exchange.reply.id]).collect()
}

fn ids(page: &HistoryPage) -> Vec<MessageId> {
    page.messages.iter().map(|message| message.id).collect()
}
