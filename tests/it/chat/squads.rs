//! Squads: one's own characters, who answer in turn, and hear one another.

use chat::ports::{HistoryQuery, ModelError};
use chat::{
    CharacterId, ChatError, Draft, Failure, MessageStatus, NewSquad, PayerRule, Room, SquadFailure,
    SquadFrame, TurnStrategy,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use kernel::TokenUsage;
use tests::backends::Backend;
use tests::house::{House, driven};

const USAGE: TokenUsage = TokenUsage { prompt: 200, cached: 50, completion: 120, reasoning: 20 };

super::on_both_databases!(
    a_squad_has_one_to_eight_characters_that_are_made_for_it,
    a_squad_is_its_owners_alone,
    each_speaker_hears_the_earlier_ones,
    only_who_is_named_speaks,
    a_speaker_that_fails_leaves_the_word_to_the_next,
    too_little_credit_stores_nothing_and_burns_no_id,
    a_credit_that_runs_out_in_the_middle_ends_the_turn,
    a_turn_goes_on_without_its_watcher_and_is_told_again,
);

fn squad(characters: &[&str]) -> NewSquad {
    NewSquad {
        title: "读书会".to_owned(),
        topic: "学而时习之".to_owned(),
        characters: characters.iter().map(|id| (*id).to_owned()).collect(),
    }
}

async fn made(house: &House, characters: &[&str]) -> Room {
    house.chat.create_squad(house.user, squad(characters), None).await.expect("a squad").room
}

fn asking(content: &str) -> Draft {
    Draft { content: content.to_owned(), client_msg_id: Some("m-1".to_owned()), ..Draft::default() }
}

async fn asked(house: &House, squad: &Room, draft: Draft) -> BoxStream<'static, SquadFrame> {
    house.chat.ask_squad(house.user, squad.id.as_str(), draft).await.expect("a turn")
}

async fn frames(house: &House, stream: BoxStream<'static, SquadFrame>) -> Vec<SquadFrame> {
    driven(&house.clock, stream.collect()).await
}

/// What was said, by whom: `start`, text and `end` of each speaker.
fn told(frames: &[SquadFrame]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for frame in frames {
        match frame {
            SquadFrame::Start { character_id, .. } => told.push(format!("{character_id}: ")),
            SquadFrame::Chunk { text, .. } => told.last_mut().expect("somebody began").push_str(text),
            SquadFrame::End { .. } => told.last_mut().expect("somebody began").push('.'),
            SquadFrame::Error { character_id, failure } => told.push(format!("{character_id}! {failure:?}")),
            SquadFrame::Done => told.push("done".to_owned()),
        }
    }
    told
}

async fn a_squad_has_one_to_eight_characters_that_are_made_for_it(backend: &Backend) {
    let house = House::on(backend);
    let eight =
        ["char_e_1", "char_i_1", "char_s_1", "char_n_1", "char_t_1", "char_f_1", "char_j_1", "char_p_1"];
    let room = made(&house, &eight).await;
    assert_eq!((room.characters.len(), room.is_public), (8, false));
    assert_eq!((room.settings.turn_strategy, room.settings.payer), (TurnStrategy::List, PayerRule::Owner));
    let refused = async |characters: &[&str]| {
        house.chat.create_squad(house.user, squad(characters), None).await.expect_err("no squad")
    };
    assert!(matches!(refused(&[]).await, ChatError::SquadSize));
    assert!(matches!(refused(&["char_e_1"; 9]).await, ChatError::SquadSize));
    assert!(matches!(refused(&["classics_kongzi"]).await, ChatError::UnknownCharacter));
    assert!(matches!(refused(&["nobody"]).await, ChatError::UnknownCharacter));
    let wanted = NewSquad { title: "长".repeat(101), ..squad(&["char_e_1"]) };
    let long = house.chat.create_squad(house.user, wanted, None).await;
    assert!(matches!(long, Err(ChatError::Invalid { .. })));
    assert_eq!(made(&house, &["char_e_1", "char_e_1"]).await.characters.len(), 1);
}

async fn a_squad_is_its_owners_alone(backend: &Backend) {
    let house = House::on(backend);
    let room = made(&house, &["char_e_1"]).await;
    let (id, other) = (room.id.as_str(), house.person(1));
    assert_eq!(house.chat.squad(house.user, id).await.unwrap().characters, room.characters);
    let newest = HistoryQuery::Newest { limit: 1 };
    for refused in [
        house.chat.squad(other, id).await.map(|_| ()),
        house.chat.room(other, id).await.map(|_| ()),
        house.chat.enter(other, &room.id).await.map(|_| ()),
        house.chat.join_room(other, id, None).await.map(|_| ()),
        house.chat.post(other, id, asking("学")).await.map(|_| ()),
        house.chat.ask_squad(other, id, asking("学")).await.map(|_| ()),
        house.chat.history(other, id, newest).await.map(|_| ()),
    ] {
        assert!(matches!(refused, Err(ChatError::NotFound)), "{refused:?}");
    }
    let private = house.room(chat::NewRoom::default()).await;
    assert!(matches!(house.chat.squad(house.user, private.id.as_str()).await, Err(ChatError::NotFound)));
}

async fn each_speaker_hears_the_earlier_ones(backend: &Backend) {
    let mut house = House::on(backend);
    let room = made(&house, &["char_e_1", "char_i_2"]).await;
    let stream = asked(&house, &room, asking("怎样读书？")).await;
    let first = house.call().await;
    assert_eq!(first.request.prompt.persona.id.as_str(), "char_e_1");
    first.say("大声");
    first.say("地读");
    first.finish(USAGE);
    let second = house.call().await;
    assert_eq!(second.request.prompt.persona.id.as_str(), "char_i_2");
    assert!(format!("{:?}", second.request.prompt.turns).contains("大声地读"));
    second.say("静静地读");
    second.finish(USAGE);
    let expected = ["char_e_1: 大声地读.", "char_i_2: 静静地读.", "done"];
    assert_eq!(told(&frames(&house, stream).await), expected);
    driven(&house.clock, async {
        while house.chat.running_count() > 0 || house.balance().await.1 > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(house.billing.check().await.unwrap().ok);
    assert_eq!(house.chat.feed_count(), 0, "nobody watches any more");
}

async fn only_who_is_named_speaks(backend: &Backend) {
    let mut house = House::on(backend);
    let room = made(&house, &["char_e_1", "char_i_2"]).await;
    let draft = Draft { mentions: vec!["char_i_2".to_owned()], ..asking("怎样读书？") };
    let stream = asked(&house, &room, draft).await;
    let call = house.call().await;
    call.say("静静地读");
    call.finish(USAGE);
    assert_eq!(told(&frames(&house, stream).await), ["char_i_2: 静静地读.", "done"]);
}

async fn a_speaker_that_fails_leaves_the_word_to_the_next(backend: &Backend) {
    let mut house = House::on(backend);
    let room = made(&house, &["char_e_1", "char_i_2"]).await;
    let stream = asked(&house, &room, asking("怎样读书？")).await;
    house.call().await.fail(ModelError::Timeout);
    let second = house.call().await;
    second.say("静静地读");
    second.finish(USAGE);
    let frames = frames(&house, stream).await;
    let character_id: CharacterId = "char_e_1".parse().unwrap();
    let failure = SquadFailure::Reply(Failure::ModelTimeout);
    assert!(frames.contains(&SquadFrame::Error { character_id, failure }), "{frames:?}");
    let told = told(&frames);
    assert_eq!(told.last().map(String::as_str), Some("done"));
    assert!(told.contains(&"char_i_2: 静静地读.".to_owned()), "{told:?}");
}

async fn too_little_credit_stores_nothing_and_burns_no_id(backend: &Backend) {
    let mut house = House::on(backend);
    let room = made(&house, &["char_e_1"]).await;
    house.leave_only(1_000).await;
    let refused = house.chat.ask_squad(house.user, room.id.as_str(), asking("学")).await.err();
    assert!(matches!(refused, Some(ChatError::InsufficientBalance { .. })), "{refused:?}");
    let newest = HistoryQuery::Newest { limit: 9 };
    let page = house.chat.history(house.user, room.id.as_str(), newest).await.unwrap();
    assert_eq!((page.head, page.messages.len()), (0, 0));
    assert!(house.calls.try_recv().is_err(), "nobody is called");
    house.give_back_all().await;
    let stream = asked(&house, &room, asking("学")).await;
    house.call().await.finish(USAGE);
    assert_eq!(told(&frames(&house, stream).await), ["char_e_1: .", "done"]);
}

async fn a_credit_that_runs_out_in_the_middle_ends_the_turn(backend: &Backend) {
    let mut house = House::on(backend);
    let room = made(&house, &["char_e_1", "char_i_2"]).await;
    house.leave_only(6_000).await;
    let stream = asked(&house, &room, asking("学")).await;
    let first = house.call().await;
    first.say("好");
    // As much as the hold has: nothing is left for the second.
    first.finish(TokenUsage { prompt: 200, cached: 0, completion: 4_000, reasoning: 0 });
    let told = told(&frames(&house, stream).await);
    assert_eq!(told, ["char_e_1: 好.", "char_i_2! InsufficientBalance", "done"]);
}

async fn a_turn_goes_on_without_its_watcher_and_is_told_again(backend: &Backend) {
    let mut house = House::on(backend);
    let room = made(&house, &["char_e_1", "char_i_2"]).await;
    drop(asked(&house, &room, asking("怎样读书？")).await);
    for text in ["大声地读", "静静地读"] {
        let call = house.call().await;
        call.say(text);
        call.finish(USAGE);
    }
    // Again while it may still be ending, and again long after.
    let expected = ["char_e_1: 大声地读.", "char_i_2: 静静地读.", "done"];
    for _ in 0..2 {
        let again = asked(&house, &room, asking("怎样读书？")).await;
        assert_eq!(told(&frames(&house, again).await), expected);
        house.clock.advance_millis(60_000);
    }
    let other = house.chat.ask_squad(house.user, room.id.as_str(), asking("别的")).await.err();
    assert!(matches!(other, Some(ChatError::ClientMsgIdConflict)), "{other:?}");
    let newest = HistoryQuery::Newest { limit: 9 };
    let page = house.chat.history(house.user, room.id.as_str(), newest).await.unwrap();
    assert_eq!(page.messages.len(), 3);
    assert!(page.messages.iter().all(|message| message.status == MessageStatus::Done));
}
