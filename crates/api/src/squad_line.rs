//! What the watcher of a squad's turn is sent: one `data:` line for each thing that happens.

use bytes::Bytes;
use chat::{Failure, SquadFailure, SquadFrame};
use kernel::MessageId;
use serde::Serialize;

use crate::event_stream::data_line;
use crate::language::Language;
use crate::problem::{Problem, Slug};
use crate::room_message_view::Cast;

/// One line of a squad's stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
enum Line<'a> {
    Start {
        character_id: &'a str,
        name: &'a str,
        dimension: &'a str,
        message_id: MessageId,
    },
    Chunk {
        character_id: &'a str,
        content: &'a str,
    },
    End {
        character_id: &'a str,
    },
    Error {
        /// Nobody's where the stream itself cannot go on.
        #[serde(skip_serializing_if = "Option::is_none")]
        character_id: Option<&'a str>,
        error: &'static str,
        message: &'a str,
    },
    Done,
}

/// A thing that happened, as its line.
pub(crate) fn squad_line(frame: &SquadFrame, cast: &Cast, language: Language) -> Bytes {
    data_line(&match frame {
        SquadFrame::Start { character_id, message_id } => {
            let info = cast.ai_info(character_id);
            let (name, dimension) = (info.name(), info.dimension());
            Line::Start { character_id: character_id.as_str(), name, dimension, message_id: *message_id }
        }
        SquadFrame::Chunk { character_id, text } => {
            Line::Chunk { character_id: character_id.as_str(), content: text }
        }
        SquadFrame::End { character_id } => Line::End { character_id: character_id.as_str() },
        SquadFrame::Error { character_id, failure } => {
            let (error, message) = failure_words(*failure, language);
            Line::Error { character_id: Some(character_id.as_str()), error, message }
        }
        SquadFrame::Done => Line::Done,
    })
}

/// What ends a stream that cannot go on, as its last line.
pub(crate) fn problem_line(problem: &Problem, language: Language) -> Bytes {
    let (error, message) = (problem.slug().as_str(), problem.message(language));
    data_line(&Line::Error { character_id: None, error, message: &message })
}

fn failure_words(failure: SquadFailure, language: Language) -> (&'static str, &'static str) {
    let slug = match failure {
        SquadFailure::Blocked => {
            return ("blocked", language.choose("这条回答被拦下了", "This answer was withheld."));
        }
        SquadFailure::InsufficientBalance => Slug::InsufficientBalance,
        SquadFailure::Reply(Failure::ModelTimeout) => Slug::ModelTimeout,
        SquadFailure::Reply(Failure::ModelUnavailable) => Slug::ModelUnavailable,
        SquadFailure::Reply(Failure::ServerLost) => Slug::Unavailable,
    };
    (slug.as_str(), slug.message(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_cannot_go_on_is_nobody_s_error() {
        let line = problem_line(&Problem::new(Slug::TokenExpired), Language::English);
        let text = String::from_utf8_lossy(&line);
        assert!(text.starts_with(r#"data: {"type":"error","error":"token_expired","message":""#), "{text}");
    }
}
