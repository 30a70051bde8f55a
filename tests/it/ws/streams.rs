//! Replies that grow, over the socket.

use serde_json::{Value, json};
use tests::app::{Profile, Socket, TestApp};

use super::rooms::said;
use crate::api::on_both_profiles;

/// The text that a client puts together, and the end.
async fn whole(socket: &mut Socket, mut text: Vec<u16>) -> (Vec<u16>, Value) {
    loop {
        let push = socket.next().await.expect("the reply goes on");
        match push["event"].as_str() {
            Some("delta") => {
                let offset = usize::try_from(push["offset"].as_u64().unwrap()).unwrap();
                let new: Vec<u16> = push["text"].as_str().unwrap().encode_utf16().collect();
                assert!(offset <= text.len(), "a gap before {push}");
                let known = text.len() - offset;
                text.extend(new.into_iter().skip(known));
            }
            Some("ai_end") => return (text, push),
            _ => {}
        }
    }
}

async fn a_reply_grows_at_every_client_and_ends_once(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("wen").await;
    let session = person.session().await;
    let (mut asker, mut watcher) = (app.socket(&person).await, app.socket(&person).await);
    for socket in [&mut asker, &mut watcher] {
        assert_eq!(socket.ask("room.join", json!({ "roomId": session })).await["event"], "result");
    }
    let ack = asker.ask("room.send", said("学而时习之是什么意思？", &session, "c-1")).await;
    assert_eq!(ack["event"], "ack", "{ack}");
    let (text, end) = whole(&mut asker, Vec::new()).await;
    let (same, _) = whole(&mut watcher, Vec::new()).await;
    assert_eq!((end["why"].as_str(), end["length"].as_u64()), (Some("done"), u64::try_from(text.len()).ok()));
    assert_eq!(text, same);
    let sync = json!({ "roomId": session, "messageId": end["messageId"], "gen": 1, "offset": 0 });
    let synced = asker.ask("room.sync", sync).await;
    assert_eq!(synced["text"], json!(String::from_utf16(&text).unwrap()), "{synced}");
    assert_eq!(synced["done"], true);
}

async fn an_answer_that_is_not_kept_comes_whole_or_in_pieces(profile: Profile) {
    let app = TestApp::start(profile).await;
    let mut socket = app.socket(&app.person("wu").await).await;
    let asked = json!({ "messages": [{ "role": "user", "content": "何谓仁？" }], "temperature": 0.5 });
    let answer = socket.ask("ai.chat", asked.clone()).await;
    assert_eq!(answer["event"], "result", "{answer}");
    assert!(answer["text"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    let id = socket.begin("ai.stream", asked).await;
    assert_eq!(socket.answer(&id).await["event"], "start");
    let mut text = String::new();
    loop {
        let piece = socket.answer(&id).await;
        match piece["event"].as_str() {
            Some("chunk") => text.push_str(piece["text"].as_str().unwrap()),
            Some("final") => assert_eq!(piece["text"], json!(text)),
            Some("done") => break,
            _ => panic!("{piece}"),
        }
    }
}

on_both_profiles!(
    a_reply_grows_at_every_client_and_ends_once,
    an_answer_that_is_not_kept_comes_whole_or_in_pieces,
);
