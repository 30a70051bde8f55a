//! What every [`chat::ports::TurnStore`] must do. Turns come into it by [`chat::ports::EventLog::append`].

use chat::room::Room;
use chat::turn::{Reason, Step, StepState, Turn, TurnId, TurnState};
use futures::future::join;
use kernel::{Page, PageRequest};

use super::stored_chat::{START, StoredChat};

const ALL: u32 = 100;

/// What was appended with its message is what is read.
pub async fn an_appended_turn_comes_back_unchanged(chat: &StoredChat) {
    let room = room(chat).await;
    let turn = chat.begun(&room, owner_of(&room), chat.id()).await;
    assert_eq!(chat.turns.get(turn.id).await.unwrap(), Some(turn.clone()));
    assert_eq!(chat.turns.of_question(turn.question).await.unwrap(), Some(turn));
}

/// Absence is no error.
pub async fn an_unknown_turn_is_absent(chat: &StoredChat) {
    let room = room(chat).await;
    let stranger = chat.turn_of(&chat.new_message(&room, owner_of(&room)), chat.id());
    assert_eq!(chat.turns.get(stranger.id).await.unwrap(), None);
    assert_eq!(chat.turns.of_question(stranger.question).await.unwrap(), None);
    assert!(!chat.turns.update(&stranger).await.unwrap());
    assert!(!chat.turns.adopt(stranger.id, stranger.owner, chat.id()).await.unwrap());
    assert_eq!(chat.turns.open(&room.id, 10).await.unwrap(), []);
    let none = Page { items: vec![], total: 0 };
    assert_eq!(chat.turns.list(&room.id, PageRequest::new(1, ALL, ALL)).await.unwrap(), none);
}

/// Steps, what is left of follow-ups, and the state are stored; who was considered, and why, stays.
pub async fn an_open_turn_is_updated(chat: &StoredChat) {
    let room = room(chat).await;
    let mut turn = chat.begun(&room, owner_of(&room), chat.id()).await;
    turn.steps[0].state = StepState::Begun;
    let follow_up = Step { reply: chat.id(), reason: Reason::NamedByCharacter, ..turn.steps[1].clone() };
    turn.steps.push(follow_up);
    turn.follow_ups_left = 1;
    let other = Turn { seed: 1, candidates: Vec::new(), asker: chat.id(), ..turn.clone() };
    assert!(chat.turns.update(&other).await.unwrap());
    assert_eq!(chat.turns.get(turn.id).await.unwrap(), Some(turn.clone()));
    turn.state = TurnState::Done;
    assert!(chat.turns.update(&turn).await.unwrap());
    assert_eq!(chat.turns.get(turn.id).await.unwrap(), Some(turn));
}

/// A turn that is over stays as it ended.
pub async fn a_turn_that_is_over_is_not_updated(chat: &StoredChat) {
    let room = room(chat).await;
    for state in [TurnState::Done, TurnState::Cut, TurnState::Refused, TurnState::Failed] {
        let open = chat.begun(&room, owner_of(&room), chat.id()).await;
        let over = Turn { state, ..open.clone() };
        assert!(chat.turns.update(&over).await.unwrap());
        assert!(!chat.turns.update(&open).await.unwrap());
        assert!(!chat.turns.adopt(open.id, open.owner, chat.id()).await.unwrap());
        assert_eq!(chat.turns.get(open.id).await.unwrap(), Some(over));
    }
}

/// Who lost a turn to another instance changes it no more.
pub async fn only_the_owner_updates_a_turn(chat: &StoredChat) {
    let room = room(chat).await;
    let turn = chat.begun(&room, owner_of(&room), chat.id()).await;
    let heir = Turn { owner: chat.id(), ..turn.clone() };
    assert!(!chat.turns.update(&heir).await.unwrap());
    assert!(chat.turns.adopt(turn.id, turn.owner, heir.owner).await.unwrap());
    assert!(!chat.turns.update(&Turn { state: TurnState::Done, ..turn }).await.unwrap());
    assert_eq!(chat.turns.get(heir.id).await.unwrap(), Some(heir.clone()));
    assert!(chat.turns.update(&heir).await.unwrap());
}

/// A change that was made from older steps is not stored.
pub async fn a_change_of_older_steps_is_refused(chat: &StoredChat) {
    let room = room(chat).await;
    let before = chat.begun(&room, owner_of(&room), chat.id()).await;
    let mut begun = before.clone();
    begun.steps[0].state = StepState::Begun;
    assert!(chat.turns.update(&begun).await.unwrap());
    let cut = Turn { state: TurnState::Cut, ..begun.clone() };
    assert!(!chat.turns.replace(&before, &cut).await.unwrap());
    assert_eq!(chat.turns.get(begun.id).await.unwrap(), Some(begun.clone()));
    assert!(chat.turns.replace(&begun, &cut).await.unwrap());
    assert!(!chat.turns.replace(&begun, &cut).await.unwrap());
    assert_eq!(chat.turns.get(begun.id).await.unwrap(), Some(cut));
}

/// Two adopt at once: one wins.
pub async fn a_turn_is_adopted_by_one(chat: &StoredChat) {
    let room = room(chat).await;
    let turn = chat.begun(&room, owner_of(&room), chat.id()).await;
    let heirs = [chat.id(), chat.id()];
    let (first, second) = join(
        chat.turns.adopt(turn.id, turn.owner, heirs[0]),
        chat.turns.adopt(turn.id, turn.owner, heirs[1]),
    )
    .await;
    let won = [first.unwrap(), second.unwrap()];
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let heir = if won[0] { heirs[0] } else { heirs[1] };
    assert_eq!(chat.turns.get(turn.id).await.unwrap().unwrap().owner, heir);
}

/// Open turns of one conversation, oldest first, no more than wanted.
pub async fn open_turns_are_oldest_first(chat: &StoredChat) {
    let (room, other) = (room(chat).await, room(chat).await);
    let turns = several(chat, &room, 4).await;
    several(chat, &other, 1).await;
    end(chat, &turns[1]).await;
    assert_eq!(chat.turns.open(&room.id, 2).await.unwrap(), [turns[0].clone(), turns[2].clone()]);
    assert_eq!(ids(&chat.turns.open(&room.id, ALL).await.unwrap()), [turns[0].id, turns[2].id, turns[3].id]);
}

/// Open turns of an instance, oldest first, wherever they are.
pub async fn an_instance_finds_its_own_open_turns(chat: &StoredChat) {
    let (room, other, instance) = (room(chat).await, room(chat).await, chat.id());
    let mut own = Vec::new();
    for room in [&room, &other, &room] {
        own.push(chat.begun(room, owner_of(room), instance).await);
        several(chat, room, 1).await;
    }
    end(chat, &own[0]).await;
    assert_eq!(ids(&chat.turns.owned_by(instance, ALL).await.unwrap()), [own[1].id, own[2].id]);
    assert_eq!(ids(&chat.turns.owned_by(instance, 1).await.unwrap()), [own[1].id]);
}

/// An open turn whose owner has no lease any more, or never had one, is an orphan.
pub async fn a_turn_without_a_lease_is_an_orphan(chat: &StoredChat) {
    let room = room(chat).await;
    let turns = several(chat, &room, 4).await;
    let until = START.plus_millis(100);
    chat.generations.renew_lease(turns[0].owner, until).await.unwrap();
    chat.generations.renew_lease(turns[1].owner, until.plus_millis(1)).await.unwrap();
    end(chat, &turns[3]).await;
    assert_eq!(ids(&chat.turns.orphans(START, ALL).await.unwrap()), [turns[2].id]);
    assert_eq!(chat.turns.orphans(until, ALL).await.unwrap(), [turns[0].clone(), turns[2].clone()]);
    assert_eq!(ids(&chat.turns.orphans(until, 1).await.unwrap()), [turns[0].id]);
    chat.generations.release_lease(turns[1].owner).await.unwrap();
    assert_eq!(chat.turns.orphans(START, ALL).await.unwrap().len(), 2);
}

/// All turns of a conversation, the newest first, in pages.
pub async fn turns_are_listed_newest_first(chat: &StoredChat) {
    let (room, other) = (room(chat).await, room(chat).await);
    let mut expected = ids(&several(chat, &room, 5).await);
    several(chat, &other, 1).await;
    end(chat, &chat.turns.get(expected[2]).await.unwrap().unwrap()).await;
    expected.reverse();
    let mut listed = Vec::new();
    for page in 1..=4 {
        let part = chat.turns.list(&room.id, PageRequest::new(page, 2, ALL)).await.unwrap();
        assert_eq!(part.total, 5);
        listed.extend(ids(&part.items));
    }
    assert_eq!(listed, expected);
}

async fn room(chat: &StoredChat) -> Room {
    chat.private_room(chat.id()).await
}

fn owner_of(room: &Room) -> kernel::UserId {
    room.owner.unwrap()
}

/// Turns of an instance each.
async fn several(chat: &StoredChat, room: &Room, count: usize) -> Vec<Turn> {
    let mut turns = Vec::new();
    for _ in 0..count {
        turns.push(chat.begun(room, owner_of(room), chat.id()).await);
    }
    turns
}

async fn end(chat: &StoredChat, turn: &Turn) {
    assert!(chat.turns.update(&Turn { state: TurnState::Done, ..turn.clone() }).await.unwrap());
}

fn ids(turns: &[Turn]) -> Vec<TurnId> {
    turns.iter().map(|turn| turn.id).collect()
}
