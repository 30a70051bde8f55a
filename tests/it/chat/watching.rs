//! Watchers see the stored text, from any offset, whenever they come.

use chat::ReplyFrame;
use futures::StreamExt;
use kernel::TokenUsage;
use tests::backends::Backend;
use tests::house::{House, driven, text_of};

const USAGE: TokenUsage = TokenUsage { prompt: 10, cached: 0, completion: 10, reasoning: 0 };
const PIECES: [&str; 6] = ["学而", "时习之，𠀀", "不亦", "说乎？", "有朋", "自远方来"];

super::on_both_databases!(
    two_watchers_on_two_instances_see_the_stored_text,
    a_watcher_resumes_at_any_offset_of_a_finished_reply,
    final_comes_after_the_charge,
    a_watcher_that_leaves_stops_nothing,
    strangers_see_nothing,
);

async fn two_watchers_on_two_instances_see_the_stored_text(backend: &Backend) {
    let mut house = House::on(backend);
    let other = house.second(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    let early = house.chat.follow(house.user, asked.reply.id, None, None).await.unwrap();
    let mut late = None;
    for (n, piece) in PIECES.iter().enumerate() {
        call.say(piece);
        driven(&house.clock, tokio::task::yield_now()).await;
        house.clock.advance_millis(60);
        if n == 3 {
            late = Some(other.chat.follow(house.user, asked.reply.id, None, None).await.unwrap());
        }
    }
    call.finish(USAGE);
    let (early, late) = futures::join!(house.frames(early), house.frames(late.unwrap()));
    let stored = house.chat.message(house.user, asked.reply.id).await.unwrap();
    assert_eq!(stored.content, PIECES.concat());
    assert_eq!(text_of(&early), stored.content);
    assert_eq!(text_of(&late), stored.content);
}

async fn a_watcher_resumes_at_any_offset_of_a_finished_reply(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    for piece in PIECES {
        call.say(piece);
    }
    call.finish(USAGE);
    driven(&house.clock, house.chat.finished(house.user, asked.reply.id)).await.unwrap();
    let units: Vec<u16> = PIECES.concat().encode_utf16().collect();
    for offset in 0..=units.len() + 2 {
        let asked_for = u32::try_from(offset).unwrap();
        let stream = house.chat.follow(house.user, asked.reply.id, Some(asked_for), Some(1)).await.unwrap();
        let mut rest = Vec::new();
        let mut begins_at = 0;
        for frame in house.frames(stream).await {
            match frame {
                ReplyFrame::Start { offset, .. } => begins_at = usize::try_from(offset).unwrap(),
                ReplyFrame::Delta { text, .. } => rest.extend(text.encode_utf16()),
                ReplyFrame::Citations(_) | ReplyFrame::Failed(_) | ReplyFrame::Final(_) => {}
            }
        }
        assert_eq!(rest, units[begins_at..], "from {offset}");
        assert!(offset.min(units.len()) - begins_at <= 1, "at most a pair's first half is repeated");
    }
}

async fn final_comes_after_the_charge(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let mut stream = house.chat.follow(house.user, asked.reply.id, None, None).await.unwrap();
    let call = house.call().await;
    call.say("学而");
    call.finish(USAGE);
    let mut order = Vec::new();
    while let Some(frame) = driven(&house.clock, stream.next()).await {
        order.push(match frame {
            ReplyFrame::Start { .. } => "start",
            ReplyFrame::Delta { .. } => "delta",
            ReplyFrame::Citations(_) => "citations",
            ReplyFrame::Failed(_) => "failed",
            ReplyFrame::Final(message) => {
                let (available, held) = house.balance().await;
                let paid = message.usage.unwrap().credits.get();
                assert_eq!((available, held), (tests::house::WELCOME - paid, 0));
                "final"
            }
        });
    }
    assert_eq!(order, ["start", "delta", "citations", "final"]);
}

async fn a_watcher_that_leaves_stops_nothing(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let call = house.call().await;
    let watcher = house.chat.follow(house.user, asked.reply.id, None, None).await.unwrap();
    call.say("学而");
    drop(watcher);
    call.say("时习之");
    call.finish(USAGE);
    let message = driven(&house.clock, house.chat.finished(house.user, asked.reply.id)).await.unwrap();
    assert_eq!(message.content, "学而时习之");
}

async fn strangers_see_nothing(backend: &Backend) {
    let mut house = House::on(backend);
    let session = house.session().await;
    let asked = house.ask(&session, "问").await.unwrap();
    let stranger = "00000000-0000-7000-8000-0000000000ff".parse().unwrap();
    assert!(house.chat.follow(stranger, asked.reply.id, None, None).await.is_err());
    assert!(house.chat.stop(stranger, asked.reply.id).await.is_err());
    assert!(house.chat.session(stranger, session.id.as_str()).await.is_err());
    assert!(house.chat.delete(stranger, session.id.as_str()).await.is_err());
    house.call().await.finish(USAGE);
    driven(&house.clock, house.chat.finished(house.user, asked.reply.id)).await.unwrap();
}
