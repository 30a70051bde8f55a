//! Reports: somebody tells the operators of a message or of a person.
//!
//! A report names what it is about and keeps no copy of it: operators see a message as it stands, and one that was
//! taken back stays erased.

use kernel::{Id, MessageId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::content::parse_text;
use crate::conversation::ConversationId;
use crate::error::{ChatError, Field};
use crate::message::{Author, Message};

/// Kind of a report.
#[derive(Debug)]
pub enum ReportKind {}

/// A report's id.
pub type ReportId = Id<ReportKind>;

/// Most characters of a reason, and of the note on a verdict.
pub const REASON_CHARS_MAX: u32 = 500;

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportSubject {
    /// A message of a conversation of any kind, also a character's.
    Message {
        /// Which.
        id: MessageId,
        /// Where it was said.
        conversation_id: ConversationId,
        /// Who said it, where a person did.
        author: Option<UserId>,
    },
    /// A person.
    User(UserId),
}

impl ReportSubject {
    /// A message as what is reported.
    pub fn message(message: &Message) -> Self {
        let author = match &message.author {
            Author::User(user) => Some(*user),
            Author::Character(_) | Author::System => None,
        };
        Self::Message { id: message.id, conversation_id: message.conversation_id.clone(), author }
    }

    /// The person whom it concerns, where it concerns one.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Message { author, .. } => *author,
            Self::User(user) => Some(*user),
        }
    }
}

/// How a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// Nobody has decided yet.
    Open,
    /// There was nothing to do.
    Dismissed,
    /// Something was done about it.
    Resolved,
}

/// What an operator can decide about a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// There is nothing to do.
    Dismissed,
    /// Something was done about it.
    Resolved,
}

impl From<Ruling> for ReportState {
    fn from(ruling: Ruling) -> Self {
        match ruling {
            Ruling::Dismissed => Self::Dismissed,
            Ruling::Resolved => Self::Resolved,
        }
    }
}

/// An operator's decision about a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What.
    pub ruling: Ruling,
    /// Which operator.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// A line for other operators; may be empty.
    pub note: String,
}

/// A report as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its id.
    pub id: ReportId,
    /// What it is about.
    pub subject: ReportSubject,
    /// Who reports.
    pub reporter: UserId,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub created_at: Timestamp,
    /// What was decided; nothing while it is open.
    pub verdict: Option<Verdict>,
}

impl Report {
    /// How it stands.
    pub fn state(&self) -> ReportState {
        self.verdict.as_ref().map_or(ReportState::Open, |verdict| verdict.ruling.into())
    }

    /// Whether it stands in the way of another one by the same person about the same: a message is reported once
    /// for ever, a person again when the last report about them was decided.
    pub fn bars_another(&self) -> bool {
        match self.subject {
            ReportSubject::Message { .. } => true,
            ReportSubject::User(_) => self.verdict.is_none(),
        }
    }
}

/// A report with the message that it is about, as that stands now.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportCase {
    /// The report.
    pub report: Report,
    /// The message; `None` for a person, and where its conversation was deleted.
    pub message: Option<Message>,
}

/// Why somebody reports: 1 to [`REASON_CHARS_MAX`] characters.
pub fn parse_reason(text: &str) -> Result<String, ChatError> {
    parse_text(Field::Reason, text, REASON_CHARS_MAX)
}

/// A note on a verdict; nothing is fine.
pub fn parse_note(text: &str) -> Result<String, ChatError> {
    if text.trim().is_empty() { Ok(String::new()) } else { parse_text(Field::Note, text, REASON_CHARS_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id<K>(n: u32) -> Id<K> {
        format!("00000000-0000-7000-8000-{n:012}").parse().unwrap()
    }

    fn report(subject: ReportSubject, ruling: Option<Ruling>) -> Report {
        let at = Timestamp::from_millis(0);
        let verdict = ruling.map(|ruling| Verdict { ruling, by: id(9), at, note: String::new() });
        Report { id: id(1), subject, reporter: id(2), reason: "辱骂".to_owned(), created_at: at, verdict }
    }

    #[test]
    fn a_message_is_reported_once_and_a_person_once_at_a_time() {
        let conversation_id: ConversationId = "r".parse().unwrap();
        let message = || ReportSubject::Message {
            id: id(3),
            conversation_id: conversation_id.clone(),
            author: Some(id(4)),
        };
        for ruling in [None, Some(Ruling::Dismissed), Some(Ruling::Resolved)] {
            assert!(report(message(), ruling).bars_another());
            assert_eq!(report(ReportSubject::User(id(4)), ruling).bars_another(), ruling.is_none());
        }
    }

    #[test]
    fn a_report_is_open_until_it_is_decided() {
        let state = |ruling| report(ReportSubject::User(id(4)), ruling).state();
        assert_eq!(state(None), ReportState::Open);
        assert_eq!(state(Some(Ruling::Dismissed)), ReportState::Dismissed);
        assert_eq!(state(Some(Ruling::Resolved)), ReportState::Resolved);
    }

    #[test]
    fn a_report_concerns_who_wrote_the_message_and_no_character() {
        let of = |author| {
            let blank = Message::blank(id(3), "r".parse().unwrap(), 1, author, Timestamp::from_millis(0));
            ReportSubject::message(&blank).user()
        };
        assert_eq!(of(Author::User(id(4))), Some(id(4)));
        assert_eq!(of(Author::Character("classics_kongzi".parse().unwrap())), None);
        assert_eq!(of(Author::System), None);
    }

    #[test]
    fn a_reason_is_needed_and_bounded_and_a_note_may_be_empty() {
        assert_eq!(parse_reason(" 广告 ").unwrap(), "广告");
        assert!(parse_reason(" ").is_err() && parse_reason(&"字".repeat(501)).is_err());
        assert_eq!(parse_note(" ").unwrap(), "");
        assert!(parse_note(&"字".repeat(501)).is_err());
    }
}
