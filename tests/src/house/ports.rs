//! What a house stands on: the adapters of one database, and a library of one passage.

use std::sync::Arc;

use adapter_sql::{
    SqlBlocks, SqlConversations, SqlEventLog, SqlGenerations, SqlLedger, SqlReports, SqlRooms, SqlTurns,
};
use async_trait::async_trait;
use billing::{BillingPorts, BillingService, BillingSettings, Calendar, Price, PriceTable};
use chat::ChatPorts;
use chat::ports::{Knowledge, ReplyModel, Retrieved};
use kernel::{Credits, Ids, ManualClock, PortError};
use server::bridge::BillingMeter;

use super::{Live, TARIFF, WELCOME};
use crate::backends::Backend;
use crate::fakes::society::{Cast, SameLevel, Society, Turnstile};

pub(super) fn billing_on(
    backend: &Backend,
    clock: &Arc<ManualClock>,
    ids: &Arc<Ids>,
    instance: billing::InstanceId,
) -> BillingService {
    let prices =
        PriceTable::new([Price::always("default", TARIFF)], Calendar::default()).expect("a price table");
    let ledger = Arc::new(SqlLedger::new(backend.store.clone(), Arc::clone(ids)));
    BillingService::new(
        BillingPorts { ledger: Arc::<SqlLedger>::clone(&ledger), cashier: ledger },
        prices,
        clock.clone(),
        ids.clone(),
        BillingSettings::new(Credits::new(WELCOME), instance),
    )
}

pub(super) fn ports_on(
    backend: &Backend,
    model: Arc<dyn ReplyModel>,
    billing: &Arc<BillingService>,
    live: &Live,
) -> ChatPorts {
    ChatPorts {
        conversations: Arc::new(SqlConversations::new(backend.store.clone())),
        log: Arc::new(SqlEventLog::new(backend.store.clone())),
        generations: Arc::new(SqlGenerations::new(backend.store.clone())),
        broadcaster: live.lane.broadcaster.clone(),
        buffer: live.lane.buffer.clone(),
        model,
        personas: Arc::new(Cast),
        knowledge: Arc::new(OnePassage),
        meter: Arc::new(BillingMeter(billing.clone())),
        throttle: Arc::new(Turnstile::default()),
        rooms: Arc::new(SqlRooms::new(backend.store.clone())),
        turns: Arc::new(SqlTurns::new(backend.store.clone())),
        presence: live.presence.clone(),
        people: Arc::new(Society::default()),
        bans: Arc::new(SqlRooms::new(backend.store.clone())),
        blocks: Arc::new(SqlBlocks::new(backend.store.clone())),
        reports: Arc::new(SqlReports::new(backend.store.clone())),
        levels: Arc::new(SameLevel::default()),
    }
}

/// The library has one passage.
struct OnePassage;

#[async_trait]
impl Knowledge for OnePassage {
    async fn retrieve(&self, _: &str, _: &[String], _: u32) -> Result<Vec<Retrieved>, PortError> {
        Ok(vec![Retrieved {
            passage_id: "lunyu.1.1".to_owned(),
            work: "论语".to_owned(),
            chapter: "学而".to_owned(),
            text: "学而时习之，不亦说乎？".to_owned(),
            score: 1.0,
        }])
    }
}
