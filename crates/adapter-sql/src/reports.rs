//! Reports in SQL, each read together with its message as that stands now.

use async_trait::async_trait;
use chat::ports::{FileOutcome, ReportStore};
use chat::report::{Report, ReportCase, ReportId, ReportState, ReportSubject, Ruling, Verdict};
use kernel::{Id, Page, PageRequest, PortError, Timestamp, UserId};
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult, Statement, Value};

use crate::append::{find_row, run};
use crate::detached::detached;
use crate::error::{corrupt, port_error};
use crate::message_row::{COLUMNS, MessageRow, read_conversation_id};
use crate::store::SqlStore;
use crate::words::{big, read_count, read_word, word};

/// [`ReportStore`] on SQLite and Postgres.
pub struct SqlReports {
    store: SqlStore,
}

impl SqlReports {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }
}

/// Of `reports r`; the message's columns follow.
const REPORT: &str = "r.id AS r_id, r.reporter AS r_reporter, r.message_id AS r_message_id, \
     r.conversation_id AS r_conversation_id, r.user_id AS r_user_id, r.reason AS r_reason, \
     r.state AS r_state, r.created_at AS r_created_at, r.decided_by AS r_decided_by, \
     r.decided_at AS r_decided_at, r.note AS r_note";

/// Columns of [`REPORT`].
const MESSAGE_COLUMNS_AT: usize = 11;

const FILE: &str = "INSERT INTO reports (id, reporter, message_id, conversation_id, user_id, reason, state, \
     slot, created_at) VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8) ON CONFLICT DO NOTHING";

/// What was decided about a person makes room for the next report about them.
const CONCLUDE: &str = "UPDATE reports SET state = $2, decided_by = $3, decided_at = $4, note = $5, \
     slot = CASE WHEN message_id IS NULL THEN NULL ELSE slot END WHERE id = $1";

#[derive(FromQueryResult)]
struct ReportCells {
    id: Uuid,
    reporter: Uuid,
    message_id: Option<Uuid>,
    conversation_id: Option<String>,
    user_id: Option<Uuid>,
    reason: String,
    state: String,
    created_at: i64,
    decided_by: Option<Uuid>,
    decided_at: Option<i64>,
    note: Option<String>,
}

#[async_trait]
impl ReportStore for SqlReports {
    async fn file(&self, report: &Report) -> Result<FileOutcome, PortError> {
        let (store, report) = (self.store.clone(), report.clone());
        detached(async move { file(&store, &report).await }).await
    }

    async fn barring(&self, reporter: UserId, subject: &ReportSubject) -> Result<Option<Report>, PortError> {
        find_barring(self.store.reader(), reporter, subject).await
    }

    async fn get(&self, id: ReportId) -> Result<Option<ReportCase>, PortError> {
        let sql = select("WHERE r.id = $1");
        let row = find_row(self.store.reader(), &sql, [id.as_uuid().into()]).await?;
        row.as_ref().map(read_case).transpose()
    }

    async fn list(
        &self,
        state: Option<ReportState>,
        page: PageRequest,
    ) -> Result<Page<ReportCase>, PortError> {
        const COUNT: &str = "SELECT COUNT(*) AS total FROM reports r WHERE $1 IS NULL OR r.state = $1";
        let db = self.store.reader();
        let state: Value = state.map(|state| word(&state)).into();
        let total = match find_row(db, COUNT, [state.clone()]).await? {
            Some(row) => read_count(row.try_get("", "total").map_err(port_error)?, "reports.id")?,
            None => 0,
        };
        let sql = select(
            "WHERE $1 IS NULL OR r.state = $1 ORDER BY r.created_at DESC, r.id DESC LIMIT $2 OFFSET $3",
        );
        let values = [state, i64::from(page.size()).into(), big(page.offset()).into()];
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        let rows = db.query_all_raw(statement).await.map_err(port_error)?;
        let items = rows.iter().map(read_case).collect::<Result<_, _>>()?;
        Ok(Page { items, total })
    }

    async fn conclude(&self, id: ReportId, verdict: &Verdict) -> Result<bool, PortError> {
        let (store, verdict) = (self.store.clone(), verdict.clone());
        detached(async move {
            let values = [
                id.as_uuid().into(),
                word(&verdict.ruling).into(),
                verdict.by.as_uuid().into(),
                verdict.at.as_millis().into(),
                verdict.note.into(),
            ];
            Ok(run(store.writer(), CONCLUDE, values).await? > 0)
        })
        .await
    }
}

async fn file(store: &SqlStore, report: &Report) -> Result<FileOutcome, PortError> {
    let (message, conversation) = match &report.subject {
        ReportSubject::Message { id, conversation_id, .. } => {
            (Some(id.as_uuid()), Some(conversation_id.to_string()))
        }
        ReportSubject::User(_) => (None, None),
    };
    let values = [
        report.id.as_uuid().into(),
        report.reporter.as_uuid().into(),
        message.into(),
        conversation.into(),
        report.subject.user().map(|user| user.as_uuid()).into(),
        report.reason.clone().into(),
        slot(report.reporter, &report.subject).into(),
        report.created_at.as_millis().into(),
    ];
    if run(store.writer(), FILE, values).await? > 0 {
        return Ok(FileOutcome::Filed);
    }
    // One that is decided in between no longer bars: whoever reports tries once more.
    let earlier = find_barring(store.writer(), report.reporter, &report.subject).await?;
    let missing = || PortError::unavailable("sql", "a report was decided while another one came");
    earlier.map(|earlier| FileOutcome::Already(Box::new(earlier))).ok_or_else(missing)
}

/// Who reports what.
fn slot(reporter: UserId, subject: &ReportSubject) -> String {
    match subject {
        ReportSubject::Message { id, .. } => format!("{reporter}:message:{id}"),
        ReportSubject::User(user) => format!("{reporter}:user:{user}"),
    }
}

async fn find_barring(
    db: &impl ConnectionTrait,
    reporter: UserId,
    subject: &ReportSubject,
) -> Result<Option<Report>, PortError> {
    let row = find_row(db, &select("WHERE r.slot = $1"), [slot(reporter, subject).into()]).await?;
    row.as_ref().map(read_report).transpose()
}

fn select(rest: &str) -> String {
    format!("SELECT {REPORT}, {COLUMNS} FROM reports r LEFT JOIN messages m ON m.id = r.message_id {rest}")
}

fn read_case(row: &QueryResult) -> Result<ReportCase, PortError> {
    let message = MessageRow::joined(row, MESSAGE_COLUMNS_AT).map_err(port_error)?;
    Ok(ReportCase { report: read_report(row)?, message: message.map(MessageRow::into_message).transpose()? })
}

fn read_report(row: &QueryResult) -> Result<Report, PortError> {
    let cells = ReportCells::from_query_result(row, "r_").map_err(port_error)?;
    Ok(Report {
        id: Id::from_uuid(cells.id),
        reporter: Id::from_uuid(cells.reporter),
        subject: read_subject(&cells)?,
        verdict: read_verdict(&cells)?,
        reason: cells.reason,
        created_at: Timestamp::from_millis(cells.created_at),
    })
}

fn read_subject(cells: &ReportCells) -> Result<ReportSubject, PortError> {
    match (cells.message_id, &cells.conversation_id, cells.user_id) {
        (Some(id), Some(conversation), author) => Ok(ReportSubject::Message {
            id: Id::from_uuid(id),
            conversation_id: read_conversation_id(conversation)?,
            author: author.map(Id::from_uuid),
        }),
        (None, None, Some(user)) => Ok(ReportSubject::User(Id::from_uuid(user))),
        (Some(_), None, _) | (None, Some(_), _) | (None, None, None) => Err(corrupt("reports.message_id")),
    }
}

fn read_verdict(cells: &ReportCells) -> Result<Option<Verdict>, PortError> {
    let ruling = match read_word(&cells.state, "reports.state")? {
        ReportState::Open => return Ok(None),
        ReportState::Dismissed => Ruling::Dismissed,
        ReportState::Resolved => Ruling::Resolved,
    };
    let (by, at) = cells.decided_by.zip(cells.decided_at).ok_or_else(|| corrupt("reports.decided_by"))?;
    let note = cells.note.clone().unwrap_or_default();
    Ok(Some(Verdict { ruling, by: Id::from_uuid(by), at: Timestamp::from_millis(at), note }))
}
