//! What every [`chat::ports::EventLog`] must do: what people say in rooms and squads.

use std::collections::BTreeMap;

use chat::conversation::ConversationId;
use chat::event::{Event, EventBody};
use chat::message::{Author, Message, MessageStatus};
use chat::ports::{AppendOutcome, MemberChange, NewMessage, RoomChange};
use chat::room::{MemberAction, Room};
use futures::future::{join, join_all};
use kernel::{MessageId, PortError, Timestamp, UserId};

use super::stored_chat::{START, StoredChat};

const CALLERS: usize = 32;

/// Message, event and turn are there at once; head and activity move, room and member are counted.
pub async fn a_message_is_stored_whole(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let answered = chat.said(&room, author).await;
    let mut message = chat.new_message(&room, author);
    message.mentions = vec!["classics_kongzi".parse().unwrap()];
    message.reply_to = Some(answered.id);
    message.at = START.plus_seconds(9);
    let turn = chat.turn_of(&message, chat.id());
    message.turn = Some(turn.clone());
    assert_eq!(append(chat, &message).await, AppendOutcome::Appended { seq: 3 });

    let stored = stored_message(&message, 3);
    assert_eq!(chat.log.message(message.id).await.unwrap(), Some(stored.clone()));
    let event = Event {
        seq: 3,
        body: EventBody::Message { message_id: message.id },
        created_at: message.at,
        message: Some(stored),
        author: None,
    };
    assert_eq!(chat.log.events(&room.id, 2, 9).await.unwrap(), [event]);
    assert_eq!(chat.turns.get(turn.id).await.unwrap(), Some(turn));
    let standing = chat.rooms.standing(&room.id, author).await.unwrap().unwrap();
    let now = standing.room.unwrap();
    assert_eq!((now.head, now.last_active_at, now.statistics.messages), (3, message.at, 2));
    assert_eq!(standing.member.unwrap().message_count, 2);
}

/// Anything that a person can write comes back as it was, also what JSON and SQL write otherwise.
pub async fn a_text_comes_back_as_it_was(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let texts =
        ["\"'\\ \n\r\t\u{1}\u{7f}", "𠀀👩‍👩‍👧 \u{2028}\u{feff}", r"\u0000 $1 ?1 :a {}[]", "null", "1.0", "%_"];
    for text in texts {
        let mut message = chat.new_message(&room, author);
        text.clone_into(&mut message.content);
        message.client_msg_id = Some(text.to_owned());
        append(chat, &message).await;
        let stored = chat.log.message(message.id).await.unwrap().unwrap();
        assert_eq!((stored.content, stored.client_msg_id), (text.to_owned(), message.client_msg_id));
    }
}

/// An activity that is late does not set the room's back.
pub async fn a_late_message_leaves_the_later_activity(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let late = NewMessage { at: START.plus_seconds(9), ..chat.new_message(&room, author) };
    append(chat, &late).await;
    append(chat, &chat.new_message(&room, author)).await;
    assert_eq!(chat.rooms.room(&room.id).await.unwrap().unwrap().last_active_at, late.at);
}

/// In a squad its owner speaks, nobody else.
pub async fn a_squad_hears_its_owner_alone(chat: &StoredChat) {
    let owner = chat.id();
    let squad = chat.squad(owner).await;
    let by_owner = append(chat, &chat.new_message(&squad, owner)).await;
    assert_eq!(by_owner, AppendOutcome::Appended { seq: 1 });
    let by_another = append(chat, &chat.new_message(&squad, chat.id())).await;
    assert_eq!(by_another, AppendOutcome::NotMember);
}

/// What is no room, or closed, takes nothing; not even a repetition.
pub async fn sessions_unknown_and_closed_rooms_take_no_message(chat: &StoredChat) {
    let closed = chat.room().await;
    let author = chat.member(&closed).await;
    let said = chat.said(&closed, author).await;
    let change = RoomChange { closed_at: Some(START.plus_seconds(3)), ..RoomChange::default() };
    assert!(chat.rooms.change(&closed.id, &change).await.unwrap());
    let session = chat.conversation(author).await;
    let mut elsewhere = chat.new_message(&closed, author);
    elsewhere.conversation_id = session.id.clone();
    let nowhere = chat.new_message(&chat.new_room(), author);
    for message in [chat.new_message(&closed, author), said, elsewhere, nowhere] {
        assert_eq!(append(chat, &message).await, AppendOutcome::NoConversation);
    }
    assert_eq!(head(chat, &closed.id).await, 2);
    assert_eq!(head(chat, &session.id).await, 0);
}

/// Who never came, left, or was banned does not speak; membership is never remembered.
pub async fn only_members_speak(chat: &StoredChat) {
    let room = chat.room().await;
    let never = chat.id();
    let (left, banned) = (chat.member(&room).await, chat.member(&room).await);
    for (user, action) in [(left, MemberAction::Left), (banned, MemberAction::Banned)] {
        chat.said(&room, user).await;
        chat.rooms.end_membership(&room.id, user, action, START.plus_seconds(3)).await.unwrap();
    }
    let before = head(chat, &room.id).await;
    for user in [never, left, banned] {
        let message = chat.new_message(&room, user);
        assert_eq!(append(chat, &message).await, AppendOutcome::NotMember);
        assert_eq!(chat.log.message(message.id).await.unwrap(), None);
    }
    assert_eq!(head(chat, &room.id).await, before);
}

/// Silence ends at its time, not before.
pub async fn a_muted_member_speaks_when_it_is_over(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let until = START.plus_seconds(60);
    let change = MemberChange { muted_until: Some(until), ..MemberChange::default() };
    assert!(chat.rooms.change_member(&room.id, author, change).await.unwrap());
    let mut message = chat.new_message(&room, author);
    assert_eq!(append(chat, &message).await, AppendOutcome::Muted { until });
    message.at = until;
    assert_eq!(append(chat, &message).await, AppendOutcome::Appended { seq: 2 });
}

/// The sender's own id is answered before any other refusal, with the message as it is now.
pub async fn a_used_own_id_is_repeated_before_other_refusals(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let first = chat.said(&room, author).await;
    chat.rooms.end_membership(&room.id, author, MemberAction::Left, START.plus_seconds(3)).await.unwrap();
    let mut again = chat.new_message(&room, author);
    again.client_msg_id.clone_from(&first.client_msg_id);
    "另一句".clone_into(&mut again.content);
    let repeated = AppendOutcome::Repeated { message: Box::new(stored_message(&first, 2)) };
    assert_eq!(append(chat, &again).await, repeated);
    assert_eq!(head(chat, &room.id).await, 3);
    assert_eq!(chat.log.message(again.id).await.unwrap(), None);
}

/// A sender's own id means nothing in another room, nor from another sender; without one nothing repeats.
pub async fn an_own_id_is_the_senders_in_one_room(chat: &StoredChat) {
    let (here, there) = (chat.room().await, chat.room().await);
    let (author, other) = (chat.member(&here).await, chat.member(&here).await);
    chat.rooms.join(&chat.join_of(&there, author)).await.unwrap();
    let own = chat.said(&here, author).await.client_msg_id;
    for (room, author, own) in [(&there, author, &own), (&here, other, &own), (&here, author, &None)] {
        for _ in 0..if own.is_none() { 2 } else { 1 } {
            let message = NewMessage { client_msg_id: own.clone(), ..chat.new_message(room, author) };
            assert!(matches!(append(chat, &message).await, AppendOutcome::Appended { .. }));
        }
    }
}

/// Of many messages with one own id at once, one is stored, and the others are told of it.
pub async fn parallel_retries_store_one_message(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let own = Some("own".to_owned());
    let tries: Vec<_> = (0..CALLERS)
        .map(|_| NewMessage { client_msg_id: own.clone(), ..chat.new_message(&room, author) })
        .collect();
    let outcomes = join_all(tries.iter().map(|message| append(chat, message))).await;
    let stored = chat.log.by_client_msg_id(&room.id, author, "own").await.unwrap().unwrap();
    let appended = outcomes.iter().filter(|outcome| **outcome == AppendOutcome::Appended { seq: 2 });
    assert_eq!(appended.count(), 1);
    let repeated = AppendOutcome::Repeated { message: Box::new(stored) };
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == repeated).count(), CALLERS - 1);
    assert_eq!(head(chat, &room.id).await, 2);
}

/// Many at once in several rooms get seqs without a hole, each answered with its own, and all are counted.
pub async fn parallel_messages_get_seqs_without_a_hole(chat: &StoredChat) {
    let mut rooms = Vec::new();
    for _ in 0..3 {
        let room = chat.room().await;
        let members = [chat.member(&room).await, chat.member(&room).await];
        rooms.push((room, members));
    }
    let messages: Vec<_> = (0..200)
        .map(|n| {
            let (room, members) = &rooms[n % rooms.len()];
            chat.new_message(room, members[n % members.len()])
        })
        .collect();
    let outcomes = join_all(messages.iter().map(|message| append(chat, message))).await;
    let mut given: BTreeMap<&ConversationId, BTreeMap<u64, MessageId>> = BTreeMap::new();
    for (message, outcome) in messages.iter().zip(&outcomes) {
        let AppendOutcome::Appended { seq } = outcome else { panic!("{outcome:?}") };
        given.entry(&message.conversation_id).or_default().insert(*seq, message.id);
    }
    for (room, members) in &rooms {
        let given = &given[&room.id];
        let told = chat.log.events(&room.id, 2, 500).await.unwrap();
        let told: Vec<_> = told.iter().map(|event| (event.seq, event.body.message_id().unwrap())).collect();
        assert_eq!(told, given.iter().map(|(seq, id)| (*seq, *id)).collect::<Vec<_>>());
        assert!(told.iter().map(|(seq, _)| *seq).eq(3..=head(chat, &room.id).await));
        assert_eq!(u64::try_from(told.len()).unwrap(), counted(chat, room, members).await);
    }
}

/// What is refused, and what cannot be stored, refuses nobody who came at the same moment.
pub async fn a_bad_message_refuses_nobody_else(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let good: Vec<_> = (0..CALLERS).map(|_| chat.new_message(&room, author)).collect();
    let stranger = chat.new_message(&room, chat.id());
    let nowhere = chat.new_message(&chat.new_room(), author);
    let mut nul = chat.new_message(&room, author);
    "a\0b".clone_into(&mut nul.content);
    let twin = NewMessage { id: chat.said(&room, author).await.id, ..chat.new_message(&room, author) };
    let bad = async {
        let (twice, not_text) = join(chat.log.append(&twin), chat.log.append(&nul)).await;
        assert!(matches!(twice, Err(PortError::Rejected { .. })), "{twice:?}");
        // One database stores it whole, another one not at all.
        match not_text {
            Ok(_) => assert_eq!(chat.log.message(nul.id).await.unwrap().unwrap().content, nul.content),
            Err(error) => assert!(matches!(error, PortError::Rejected { .. }), "{error:?}"),
        }
        let (by_stranger, elsewhere) = join(append(chat, &stranger), append(chat, &nowhere)).await;
        assert_eq!((by_stranger, elsewhere), (AppendOutcome::NotMember, AppendOutcome::NoConversation));
    };
    let all = join_all(good.iter().map(|message| append(chat, message)));
    let (outcomes, ()) = join(all, bad).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, AppendOutcome::Appended { .. })));
    let events = chat.log.events(&room.id, 0, 500).await.unwrap();
    assert!(events.iter().map(|event| event.seq).eq(1..=head(chat, &room.id).await));
}

/// A caller that goes away takes nobody's message along; its own is stored too.
pub async fn a_vanished_caller_takes_nothing_back(chat: &StoredChat) {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    let (staying, leaving): (Vec<_>, Vec<_>) =
        (0..CALLERS).map(|_| (chat.new_message(&room, author), chat.new_message(&room, author))).unzip();
    let stay = join_all(staying.iter().map(|message| append(chat, message)));
    let leave = async {
        for message in &leaving {
            // Polled once: it waits in the queue, and nobody waits for it any more.
            let mut call = chat.log.append(message);
            assert!(futures::poll!(&mut call).is_pending());
        }
    };
    let ((), outcomes) = join(leave, stay).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, AppendOutcome::Appended { .. })));
    chat.said(&room, author).await;
    let events = chat.log.events(&room.id, 0, 500).await.unwrap();
    let told: Vec<_> = events.iter().filter_map(|event| event.body.message_id()).collect();
    for message in staying.iter().chain(&leaving) {
        assert!(told.contains(&message.id));
    }
    assert!(events.iter().map(|event| event.seq).eq(1..=head(chat, &room.id).await));
}

async fn append(chat: &StoredChat, message: &NewMessage) -> AppendOutcome {
    chat.log.append(message).await.unwrap()
}

async fn head(chat: &StoredChat, conversation: &ConversationId) -> u64 {
    chat.log.heads(std::slice::from_ref(conversation)).await.unwrap()[0].seq
}

/// What the room counts, which is what its members count.
async fn counted(chat: &StoredChat, room: &Room, members: &[UserId]) -> u64 {
    let mut of_members = 0;
    for member in members {
        let standing = chat.rooms.standing(&room.id, *member).await.unwrap().unwrap();
        of_members += standing.member.unwrap().message_count;
    }
    assert_eq!(chat.rooms.room(&room.id).await.unwrap().unwrap().statistics.messages, of_members);
    of_members
}

fn stored_message(message: &NewMessage, seq: u64) -> Message {
    let NewMessage { conversation_id, id, author, content, client_msg_id, body_hash, .. } = message.clone();
    let at: Timestamp = message.at;
    Message {
        content,
        status: MessageStatus::Done,
        reply_to: message.reply_to,
        client_msg_id,
        body_hash: Some(body_hash),
        mentions: message.mentions.clone(),
        ..Message::blank(id, conversation_id, seq, Author::User(author), at)
    }
}
