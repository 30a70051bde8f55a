//! The people of a run and the conversations that they meet in.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Identity;
use super::truth::Reader;

/// Who takes part, and where.
pub struct Stage {
    /// One for each client.
    pub people: Vec<Identity>,
}

/// Who answers in the shared rooms, when named.
const SPEAKER: &str = "classics_kongzi";

impl Stage {
    /// Registers people, makes rooms, invites everybody into one of them, and begins a session for each.
    pub async fn set(reader: &Reader, clients: usize, rooms: usize) -> Self {
        let mut people: Vec<Identity> = Vec::new();
        for number in 0..clients {
            let (user, token) = reader.register(&format!("p{number}")).await;
            let (data, _) = reader.call(Method::POST, "/api/sessions", &token, Some(&json!({}))).await;
            let session = text(&data["session"]["sessionId"]);
            people.push(Identity { user, token, room: String::new(), session });
        }
        for number in 0..rooms {
            let Some(owner) = people.get(number) else { break };
            let token = owner.token.clone();
            let (room, code) = make_room(reader, &token, number).await;
            for person in people.iter_mut().skip(number).step_by(rooms) {
                if person.token != token {
                    let invitation = json!({ "inviteCode": code });
                    let path = format!("/api/rooms/{room}/join");
                    reader.call(Method::POST, &path, &person.token, Some(&invitation)).await;
                }
                person.room.clone_from(&room);
            }
        }
        Self { people }
    }
}

/// A room where nobody speaks unnamed; its id and the code that lets others in.
async fn make_room(reader: &Reader, token: &str, number: usize) -> (String, String) {
    let room = json!({
        "name": format!("room {number}"),
        "characterIds": [SPEAKER],
        "settings": {"turnStrategy": "manual", "maxMembers": 500},
    });
    let (data, _) = reader.call(Method::POST, "/api/rooms", token, Some(&room)).await;
    let room = text(&data["room"]["roomId"]);
    let path = format!("/api/rooms/{room}/invite");
    let (data, _) = reader.call(Method::POST, &path, token, Some(&json!({}))).await;
    (room, text(&data["inviteCode"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}
