//! What every [`chat::ports::ReportStore`] must do.

use chat::message::MessageStatus;
use chat::ports::{FileOutcome, NewMessage, Recall};
use chat::report::{Report, ReportCase, ReportState, ReportSubject, Ruling, Verdict};
use futures::future::join_all;
use kernel::{PageRequest, UserId};

use super::stored_chat::{START, StoredChat};

/// What was filed is read as it was, by its id and as what bars another.
pub async fn a_report_is_kept_as_it_was_filed(chat: &StoredChat) {
    let message = said(chat).await;
    let of_message = report(chat, chat.id(), about(&message));
    let of_person = report(chat, chat.id(), ReportSubject::User(message.author));
    for filed in [of_message, of_person] {
        assert_eq!(file(chat, &filed).await, FileOutcome::Filed);
        assert_eq!(case(chat, &filed).await.report, filed);
        let barring = chat.reports.barring(filed.reporter, &filed.subject).await.unwrap();
        assert_eq!(barring, Some(filed.clone()));
        assert_eq!(chat.reports.barring(chat.id(), &filed.subject).await.unwrap(), None);
    }
    assert_eq!(chat.reports.get(chat.id()).await.unwrap(), None);
}

/// A person reports a message once, whatever was decided; others may report it too.
pub async fn a_message_is_reported_once_by_each(chat: &StoredChat) {
    let message = said(chat).await;
    let (one, other): (UserId, UserId) = (chat.id(), chat.id());
    let first = report(chat, one, about(&message));
    assert_eq!(file(chat, &first).await, FileOutcome::Filed);
    let again = Report { reason: "另一个理由".to_owned(), ..report(chat, one, about(&message)) };
    assert_eq!(file(chat, &again).await, FileOutcome::Already(Box::new(first.clone())));
    assert_eq!(file(chat, &report(chat, other, about(&message))).await, FileOutcome::Filed);
    let verdict = verdict(chat, Ruling::Dismissed);
    assert!(chat.reports.conclude(first.id, &verdict).await.unwrap());
    let decided = Report { verdict: Some(verdict), ..first };
    assert_eq!(file(chat, &again).await, FileOutcome::Already(Box::new(decided)));
}

/// A person is reported by somebody once at a time.
pub async fn a_person_is_reported_again_after_a_verdict(chat: &StoredChat) {
    let (reporter, bad): (UserId, UserId) = (chat.id(), chat.id());
    let subject = ReportSubject::User(bad);
    let first = report(chat, reporter, subject.clone());
    assert_eq!(file(chat, &first).await, FileOutcome::Filed);
    let second = report(chat, reporter, subject.clone());
    assert_eq!(file(chat, &second).await, FileOutcome::Already(Box::new(first.clone())));
    assert!(chat.reports.conclude(first.id, &verdict(chat, Ruling::Resolved)).await.unwrap());
    assert_eq!(chat.reports.barring(reporter, &subject).await.unwrap(), None);
    assert_eq!(file(chat, &second).await, FileOutcome::Filed);
    // To decide about the first once more changes nothing for the second.
    assert!(chat.reports.conclude(first.id, &verdict(chat, Ruling::Dismissed)).await.unwrap());
    assert_eq!(chat.reports.barring(reporter, &subject).await.unwrap(), Some(second));
}

/// However often a person files at once, one report comes of it.
pub async fn one_report_comes_of_many_calls(chat: &StoredChat) {
    let message = said(chat).await;
    let reporter: UserId = chat.id();
    let subjects = [about(&message), ReportSubject::User(message.author)];
    for subject in subjects {
        let wishes: Vec<_> = (0..8).map(|_| report(chat, reporter, subject.clone())).collect();
        let outcomes = join_all(wishes.iter().map(|wish| file(chat, wish))).await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == FileOutcome::Filed).count(), 1);
        let stored = chat.reports.barring(reporter, &subject).await.unwrap().unwrap();
        let already = FileOutcome::Already(Box::new(stored));
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == already).count(), 7);
    }
}

/// Lists are of one state or of all, the newest first, page by page.
pub async fn reports_are_listed_by_state(chat: &StoredChat) {
    let mut filed = Vec::new();
    for seconds in 0..4 {
        let subject = ReportSubject::User(chat.id());
        let report = Report { created_at: START.plus_seconds(seconds), ..report(chat, chat.id(), subject) };
        file(chat, &report).await;
        filed.push(report.id);
    }
    chat.reports.conclude(filed[1], &verdict(chat, Ruling::Dismissed)).await.unwrap();
    chat.reports.conclude(filed[2], &verdict(chat, Ruling::Resolved)).await.unwrap();
    for (state, expected) in [
        (None, vec![3, 2, 1, 0]),
        (Some(ReportState::Open), vec![3, 0]),
        (Some(ReportState::Dismissed), vec![1]),
        (Some(ReportState::Resolved), vec![2]),
    ] {
        let list = chat.reports.list(state, PageRequest::new(1, 10, 10)).await.unwrap();
        let found: Vec<_> = list.items.iter().map(|case| case.report.id).collect();
        assert_eq!(found, expected.iter().map(|n: &usize| filed[*n]).collect::<Vec<_>>(), "{state:?}");
        assert_eq!(list.total, u64::try_from(expected.len()).unwrap());
    }
    let second = chat.reports.list(None, PageRequest::new(2, 3, 10)).await.unwrap();
    assert_eq!((second.items.len(), second.items[0].report.id, second.total), (1, filed[0], 4));
}

/// A report shows its message as it stands: what was taken back stays erased, and what is gone is not there.
pub async fn a_report_shows_its_message_as_it_stands(chat: &StoredChat) {
    let message = said(chat).await;
    let filed = report(chat, chat.id(), about(&message));
    file(chat, &filed).await;
    assert_eq!(case(chat, &filed).await.message.unwrap().content, message.content);
    let recall = Recall { message_id: message.id, title: None, at: START };
    chat.log.append_recall(&recall).await.unwrap();
    let left = case(chat, &filed).await.message.unwrap();
    assert_eq!((left.status, left.content.as_str()), (MessageStatus::Recalled, ""));

    let session = chat.conversation(chat.id()).await;
    let exchange = chat.answered(&session).await;
    let reply = chat.log.message(exchange.reply.id).await.unwrap().unwrap();
    let of_character = report(chat, session.owner, ReportSubject::message(&reply));
    file(chat, &of_character).await;
    assert_eq!(case(chat, &of_character).await.message, Some(reply));
    assert!(chat.conversations.delete(&session.id).await.unwrap());
    let gone = case(chat, &of_character).await;
    assert_eq!((gone.report, gone.message), (of_character, None));
}

/// The last verdict holds; an unknown report has none.
pub async fn a_later_verdict_replaces_an_earlier_one(chat: &StoredChat) {
    let filed = report(chat, chat.id(), ReportSubject::User(chat.id()));
    file(chat, &filed).await;
    for ruling in [Ruling::Dismissed, Ruling::Resolved] {
        let verdict = verdict(chat, ruling);
        assert!(chat.reports.conclude(filed.id, &verdict).await.unwrap());
        assert_eq!(case(chat, &filed).await.report.verdict, Some(verdict));
    }
    assert!(!chat.reports.conclude(chat.id(), &verdict(chat, Ruling::Resolved)).await.unwrap());
}

async fn said(chat: &StoredChat) -> NewMessage {
    let room = chat.room().await;
    let author = chat.member(&room).await;
    chat.said(&room, author).await
}

fn about(message: &NewMessage) -> ReportSubject {
    ReportSubject::Message {
        id: message.id,
        conversation_id: message.conversation_id.clone(),
        author: Some(message.author),
    }
}

fn report(chat: &StoredChat, reporter: UserId, subject: ReportSubject) -> Report {
    let reason = "辱骂 ' \" % 𠀀".to_owned();
    Report { id: chat.id(), subject, reporter, reason, created_at: START, verdict: None }
}

fn verdict(chat: &StoredChat, ruling: Ruling) -> Verdict {
    Verdict { ruling, by: chat.id(), at: START.plus_seconds(9), note: "已处理".to_owned() }
}

async fn file(chat: &StoredChat, report: &Report) -> FileOutcome {
    chat.reports.file(report).await.unwrap()
}

async fn case(chat: &StoredChat, report: &Report) -> ReportCase {
    chat.reports.get(report.id).await.unwrap().expect("it is stored")
}
