//! An event as it is served, read into what never changes of it.
//!
//! The same event is served many times: pushed, recovered by a join, paged over HTTP. A message in it is shown in its
//! present state, so that counters, states and the text of a recalled message differ; all else must not.

use serde_json::Value;

use super::evidence::LogEntry;

/// Reads an event; `None` if it has no seq or no name, which no event may lack.
pub fn entry_of(event: &Value) -> Option<LogEntry> {
    let kind = event["event"].as_str()?;
    let message = &event["message"];
    let about = if message.is_object() { &message["messageId"] } else { &event["messageId"] };
    let mut entry = LogEntry {
        seq: event["seq"].as_u64()?,
        kind: kind.to_owned(),
        message: text(about),
        author: text(&message["fromUser"]["userId"]),
        client_msg_id: text(&message["clientMsgId"]),
        generation: event["gen"].as_u64().unwrap_or(0),
        why: text(&event["why"]),
        timestamp: event["timestamp"].as_u64().unwrap_or(0),
        core: 0,
        content: None,
    };
    let shown = message["content"].as_str().filter(|_| message["status"] != "recalled");
    entry.content = shown.map(|content| crc32fast::hash(content.as_bytes()));
    let rest = ["userId", "action", "liked", "totalLikes", "characterId", "replyTo", "length", "crc32"];
    let rest = rest.map(|field| event[field].to_string()).join("|");
    let LogEntry { seq, kind, message, author, client_msg_id, generation, why, .. } = &entry;
    let core = format!("{seq}|{kind}|{message}|{author}|{client_msg_id}|{generation}|{why}|{rest}");
    entry.core = crc32fast::hash(core.as_bytes());
    Some(entry)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(content: &str, status: &str, likes: u64) -> LogEntry {
        let message = json!({"messageId": "m", "fromUser": {"userId": "u"}, "content": content,
            "status": status, "totalLikes": likes, "clientMsgId": "c"});
        entry_of(&json!({"event": "message", "seq": 4, "message": message})).unwrap()
    }

    #[test]
    fn what_may_change_later_does_not_make_another_event() {
        let (before, after) = (said("学", "done", 0), said("", "recalled", 3));
        assert_eq!((before.core, before.message.as_str(), before.author.as_str()), (after.core, "m", "u"));
        assert!(before.content.is_some() && after.content.is_none());
        assert_ne!(said("学", "done", 0).content, said("习", "done", 0).content);
    }

    #[test]
    fn another_end_is_another_event() {
        let end = |length: u64| {
            entry_of(&json!({"event": "ai_end", "seq": 1, "messageId": "m", "gen": 1, "length": length}))
                .unwrap()
        };
        assert_ne!(end(1).core, end(2).core);
        assert!(entry_of(&json!({"event": "ai_end"})).is_none());
    }
}
