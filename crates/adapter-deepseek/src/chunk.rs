//! Reading a chunk: first as every vendor sends it, and only then as one that may have any shape.
//!
//! A chunk is one word of an answer, so there are thousands a second. Forgiving types read a tree of values for each
//! field before they read the field; strict ones read the bytes once.

use serde::Deserialize;
use serde_json::Value;

use crate::wire::{Choice, Chunk, Delta, Usage};

#[derive(Default, Deserialize)]
#[serde(default)]
struct StrictChunk {
    model: Option<String>,
    choices: Option<Vec<StrictChoice>>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StrictChoice {
    index: Option<u64>,
    delta: Option<StrictDelta>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StrictDelta {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
}

/// The chunk in a line's data; `None` for what is no JSON object. (A list would pass as one, field by field.)
pub(crate) fn read_chunk(data: &[u8]) -> Option<Chunk> {
    if !data.starts_with(b"{") {
        return None;
    }
    match serde_json::from_slice::<StrictChunk>(data) {
        Ok(chunk) => Some(chunk.into()),
        Err(_strange) => serde_json::from_slice(data).ok(),
    }
}

impl From<StrictChunk> for Chunk {
    fn from(StrictChunk { model, choices, usage, error }: StrictChunk) -> Self {
        let choices = choices.map(|choices| choices.into_iter().map(Into::into).collect());
        Self { model, choices, usage, error }
    }
}

impl From<StrictChoice> for Choice {
    fn from(StrictChoice { index, delta, finish_reason }: StrictChoice) -> Self {
        Self { index, delta: delta.map(Into::into), finish_reason }
    }
}

impl From<StrictDelta> for Delta {
    fn from(StrictDelta { content, reasoning_content, reasoning }: StrictDelta) -> Self {
        Self { content, reasoning_content, reasoning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_and_strange_chunks_say_the_same() {
        let usual = r#"{"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"学"},"finish_reason":null}],
            "usage":{"prompt_tokens":3,"completion_tokens":1},"error":null}"#;
        let strange =
            usual.replace("\"id\":\"x\"", "\"id\":\"x\",\"service_tier\":[]").replace(":0,", ":\"0\",");
        assert!(serde_json::from_str::<StrictChunk>(&strange).is_err());
        for data in [usual, &strange] {
            let chunk = read_chunk(data.as_bytes()).unwrap();
            assert_eq!(chunk.model.as_deref(), Some("m"));
            let choices = chunk.choices.unwrap();
            assert_eq!(choices[0].delta.as_ref().unwrap().content.as_deref(), Some("学"));
            assert_eq!(chunk.usage.unwrap().tokens().unwrap().prompt, 3);
        }
    }

    #[test]
    fn what_is_no_object_is_no_chunk() {
        for data in ["", "[]", "7", "{", "{\"choices\":"] {
            assert!(read_chunk(data.as_bytes()).is_none(), "{data}");
        }
    }
}
