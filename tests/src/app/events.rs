//! Server-Sent Events, as a client reads them.

use bytes::BytesMut;
use reqwest::Response;
use serde_json::Value;

/// One event; what a stream leaves out is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `id:`.
    pub id: String,
    /// `event:`.
    pub name: String,
    /// `data:`, which is JSON everywhere here.
    pub data: Value,
}

/// A stream of events.
pub struct Events {
    response: Response,
    buffer: BytesMut,
}

impl Events {
    /// The events of an answer; one that is no stream fails the test.
    pub fn of(response: Response) -> Self {
        assert_eq!(response.status().as_u16(), 200);
        let kind = response.headers()["content-type"].to_str().expect("a content type");
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        Self { response, buffer: BytesMut::new() }
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The next event; `None` at the end. Comments are skipped.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block = self.buffer.split_to(end + 2);
                if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                    return Some(event);
                }
            }
            let chunk = self.response.chunk().await.expect("an unbroken stream")?;
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// All events to the end.
    pub async fn all(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Reads on to the first event of this name.
    pub async fn until(&mut self, name: &str) -> Event {
        while let Some(event) = self.next().await {
            if event.name == name {
                return event;
            }
        }
        panic!("the stream ended without {name}");
    }
}

fn parse(block: &str) -> Option<Event> {
    let mut event = Event { id: String::new(), name: String::new(), data: Value::Null };
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => id.clone_into(&mut event.id),
            Some(("event", name)) => name.clone_into(&mut event.name),
            Some(("data", data)) => event.data = serde_json::from_str(data).expect("data is JSON"),
            _ => assert!(line.is_empty() || line.starts_with(':'), "a line that is no event: {line}"),
        }
    }
    (!event.name.is_empty() || !event.data.is_null()).then_some(event)
}

/// The text that a client puts together from deltas; each must go on where the last ended, as its id says.
pub fn text_of(events: &[Event]) -> String {
    let mut text: Vec<u16> = Vec::new();
    for event in events.iter().filter(|event| event.name == "delta") {
        let offset = event.data["offset"].as_u64().expect("an offset");
        assert_eq!(usize::try_from(offset).ok(), Some(text.len()), "{event:?}");
        text.extend(event.data["text"].as_str().expect("text").encode_utf16());
        let place = event.id.split_once(':').map(|(_, place)| place.to_owned());
        assert_eq!(place, Some(text.len().to_string()), "{event:?}");
    }
    String::from_utf16(&text).expect("no pair was split")
}
