//! Clients that hang up while their write is at work: it is done whole or not at all, and nothing stays half-way.

use serde_json::{Value, json};
use tests::app::{Person, Profile, TestApp};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::on_both_profiles;

on_both_profiles! {
    writes_outlive_their_connection,
    questions_of_clients_that_hang_up_are_answered_and_paid_for,
}

/// Sends a request whole and closes the connection without reading a byte.
async fn send_and_hang_up(app: &TestApp, person: &Person, path: &str, body: &Value) {
    let address = app.base.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        person.token,
        body.len()
    );
    socket.write_all(request.as_bytes()).await.expect("a request sent");
}

async fn sessions(person: &Person) -> Vec<Value> {
    let list = person.get("/api/sessions?pageSize=100").await;
    list.data()["sessions"].as_array().expect("sessions").clone()
}

async fn messages(person: &Person, session: &str) -> Vec<Value> {
    let history = person.get(&format!("/api/sessions/{session}/messages")).await;
    history.data()["messages"].as_array().expect("messages").clone()
}

async fn writes_outlive_their_connection(profile: Profile) {
    const COUNT: usize = 50;
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    for number in 0..COUNT {
        let body = json!({ "title": format!("{number}") });
        send_and_hang_up(&app, &person, "/api/sessions", &body).await;
    }
    // Each request was received whole, so each session comes to be; there is nobody to tell when.
    while sessions(&person).await.len() < COUNT {
        tokio::task::yield_now().await;
    }
}

async fn questions_of_clients_that_hang_up_are_answered_and_paid_for(profile: Profile) {
    const COUNT: usize = 12;
    let app = TestApp::with(profile, |config| config.limits.streams_per_user = 0).await;
    let person = app.person("one").await;
    let mut asked = Vec::new();
    for _ in 0..COUNT {
        let session = person.session().await;
        let path = format!("/api/sessions/{session}/messages");
        send_and_hang_up(&app, &person, &path, &json!({ "content": "仁是什么？" })).await;
        asked.push(session);
    }
    let mut credits = 0;
    for session in &asked {
        while messages(&person, session).await.len() < 2 {
            tokio::task::yield_now().await;
        }
        let reply = messages(&person, session).await.pop().expect("a reply");
        let events = person.follow(reply["messageId"].as_str().expect("an id"), "").await.all().await;
        let message = &events[events.len() - 2].data["message"];
        assert_eq!(message["status"], "done");
        credits += message["usage"]["credits"].as_i64().expect("a price");
    }
    assert_eq!(person.balance().await, (1_000_000 - credits, 0));
    assert_eq!(person.transactions_sum().await, 1_000_000 - credits);
}
