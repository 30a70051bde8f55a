//! The transfers that the ledger posts.

use billing::transfer::{loss_key, settle_key, welcome_key};
use billing::{Opening, Settlement, SystemAccount, TransferKind};
use kernel::{Credits, PortError};
use sea_orm::{EntityTrait, IntoActiveModel};

use crate::entity::{transfer, wallet};
use crate::error::port_error;
use crate::store::Write;

pub(super) async fn post(tx: &Write, row: transfer::Model) -> Result<(), PortError> {
    let insert = transfer::Entity::insert(row.into_active_model());
    insert.exec_without_returning(tx).await.map(drop).map_err(port_error)
}

/// The grant of a new account, its first transfer.
pub(super) fn welcome(account: &str, opening: &Opening) -> transfer::Model {
    transfer::Model {
        id: opening.transfer_id.as_uuid(),
        debit: SystemAccount::Promo.as_str().to_owned(),
        credit: account.to_owned(),
        amount: opening.grant.get(),
        kind: TransferKind::Grant.as_str().to_owned(),
        hold_id: None,
        ref_id: None,
        idempotency_key: welcome_key(opening.user),
        owner_account: Some(account.to_owned()),
        owner_seq: Some(1),
        balance_after: Some(opening.grant.get()),
        created_at: opening.at.as_millis(),
    }
}

/// What the payer pays for a reply; the wallet is as it is afterwards.
pub(super) fn charge(settlement: &Settlement, charged: Credits, wallet: &wallet::Model) -> transfer::Model {
    transfer::Model {
        id: settlement.transfer_id.as_uuid(),
        debit: wallet.account.clone(),
        idempotency_key: settle_key(settlement.charge.message_id),
        owner_account: Some(wallet.account.clone()),
        owner_seq: Some(wallet.seq),
        balance_after: Some(wallet.available + wallet.held),
        ..to_revenue(settlement, charged)
    }
}

/// What the house pays for a reply.
pub(super) fn loss(settlement: &Settlement, lost: Credits) -> transfer::Model {
    transfer::Model {
        id: settlement.loss_transfer_id.as_uuid(),
        debit: SystemAccount::Loss.as_str().to_owned(),
        idempotency_key: loss_key(settlement.charge.message_id),
        ..to_revenue(settlement, lost)
    }
}

fn to_revenue(settlement: &Settlement, amount: Credits) -> transfer::Model {
    let message_id = settlement.charge.message_id;
    transfer::Model {
        id: settlement.transfer_id.as_uuid(),
        debit: String::new(),
        credit: SystemAccount::Revenue.as_str().to_owned(),
        amount: amount.get(),
        kind: TransferKind::Consume.as_str().to_owned(),
        hold_id: Some(message_id.as_uuid()),
        ref_id: Some(message_id.to_string()),
        idempotency_key: String::new(),
        owner_account: None,
        owner_seq: None,
        balance_after: None,
        created_at: settlement.charge.at.as_millis(),
    }
}
