//! What the watcher of a squad's turn is sent: one `data:` line for each thing that happens.

use bytes::Bytes;
use chat::{Failure, SquadFailure, SquadFrame};
use kernel::MessageId;
use serde::Serialize;

use crate::event_stream::data_line;
use crate::language::Language;
use crate::problem::Slug;
use crate::room_message_view::Cast;

/// One line of a squad's stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
enum Line<'a> {
    Start { character_id: &'a str, name: &'a str, dimension: &'a str, message_id: MessageId },
    Chunk { character_id: &'a str, content: &'a str },
    End { character_id: &'a str },
    Error { character_id: &'a str, error: &'static str, message: &'static str },
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
            Line::Error { character_id: character_id.as_str(), error, message }
        }
        SquadFrame::Done => Line::Done,
    })
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
