//! Reports: people tell the operators what should not stand, and operators decide.

use kernel::{MessageId, Page, PageRequest, UserId};

use super::ChatService;
use crate::error::{ChatError, ContentError, Field};
use crate::ports::{Admission, FileOutcome};
use crate::report::{
    Report, ReportCase, ReportId, ReportState, ReportSubject, Ruling, Verdict, parse_note, parse_reason,
};

/// A report that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// Its id.
    pub id: ReportId,
    /// Whether it is an earlier one.
    pub duplicate: bool,
}

impl ChatService {
    /// Reports a message of a conversation that the person may read. The same message again is the first report.
    pub async fn report_message(
        &self,
        user: UserId,
        id: MessageId,
        reason: &str,
    ) -> Result<Reported, ChatError> {
        let reason = parse_reason(reason)?;
        let message = self.message(user, id).await?;
        self.file(user, ReportSubject::message(&message), reason).await
    }

    /// Reports a person. The same person again is the first report, until that is decided.
    pub async fn report_user(
        &self,
        user: UserId,
        other: UserId,
        reason: &str,
    ) -> Result<Reported, ChatError> {
        let reason = parse_reason(reason)?;
        self.known_person(other).await?;
        self.file(user, ReportSubject::User(other), reason).await
    }

    /// Reports in this state (`None`: all), the newest first; for operators.
    pub async fn reports(
        &self,
        state: Option<ReportState>,
        page: PageRequest,
    ) -> Result<Page<ReportCase>, ChatError> {
        Ok(self.inner.ports.reports.list(state, page).await?)
    }

    /// Decides about a report; for operators. A later decision replaces an earlier one.
    pub async fn conclude_report(
        &self,
        operator: UserId,
        id: ReportId,
        ruling: Ruling,
        note: &str,
    ) -> Result<ReportCase, ChatError> {
        let (note, at) = (parse_note(note)?, self.inner.now());
        let verdict = Verdict { ruling, by: operator, at, note };
        if !self.inner.ports.reports.conclude(id, &verdict).await? {
            return Err(ChatError::NotFound);
        }
        self.inner.ports.reports.get(id).await?.ok_or(ChatError::NotFound)
    }

    /// A repeat is answered by the first and counts against no rate.
    async fn file(
        &self,
        reporter: UserId,
        subject: ReportSubject,
        reason: String,
    ) -> Result<Reported, ChatError> {
        if subject.user() == Some(reporter) {
            return Err(ChatError::Invalid { field: Field::User, error: ContentError::Range });
        }
        let reports = &self.inner.ports.reports;
        if let Some(earlier) = reports.barring(reporter, &subject).await? {
            return Ok(Reported { id: earlier.id, duplicate: true });
        }
        match self.inner.ports.throttle.report(reporter).await? {
            Admission::Admitted => {}
            Admission::Limited { retry_after_ms, limit } => {
                return Err(ChatError::RateLimited { retry_after_ms, limit });
            }
        }
        let (id, created_at) = (self.inner.runtime.ids.next(), self.inner.now());
        let report = Report { id, subject, reporter, reason, created_at, verdict: None };
        match reports.file(&report).await? {
            FileOutcome::Filed => Ok(Reported { id, duplicate: false }),
            FileOutcome::Already(earlier) => Ok(Reported { id: earlier.id, duplicate: true }),
        }
    }
}
