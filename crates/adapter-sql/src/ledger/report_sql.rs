//! The rules of the ledger as queries, each of which finds what breaks one.

use billing::Check;

pub(super) const COUNTS: &str = "SELECT (SELECT COUNT(*) FROM wallets) AS wallets, \
     (SELECT COUNT(*) FROM transfers) AS transfers, \
     (SELECT COUNT(*) FROM holds WHERE state = 'open') AS open_holds";

/// People's accounts have a colon in their names and a wallet, which stands for them here; the house's have
/// neither. Thus a wallet that differs from its transfers, or a transfer to nobody, unbalances the sum.
pub(super) const BALANCES: &str = "SELECT COUNT(DISTINCT house) AS houses, \
     CAST(COALESCE(SUM(amount >> 32), 0) AS BIGINT) AS high, \
     CAST(COALESCE(SUM(amount & 4294967295), 0) AS BIGINT) AS low FROM (\
     SELECT NULL AS house, available + held AS amount FROM wallets \
     UNION ALL SELECT credit, amount FROM transfers WHERE credit NOT LIKE '%:%' \
     UNION ALL SELECT debit, -amount FROM transfers WHERE debit NOT LIKE '%:%') AS balances";

/// Rules about accounts, each as account, expected, found.
pub(super) const ACCOUNT_RULES: &[(Check, &str)] = &[
    (
        Check::WalletIsFold,
        "SELECT w.account AS account, COALESCE(t.balance_after, 0) AS expected, \
         w.available + w.held AS found FROM wallets w \
         LEFT JOIN transfers t ON t.owner_account = w.account AND t.owner_seq = w.seq \
         WHERE w.available + w.held <> COALESCE(t.balance_after, 0) ORDER BY w.account LIMIT 100",
    ),
    (
        Check::BalanceChain,
        "SELECT account, expected, found FROM (\
         SELECT owner_account AS account, owner_seq, balance_after AS found, \
         COALESCE(LAG(balance_after) OVER (PARTITION BY owner_account ORDER BY owner_seq), 0) \
         + CASE WHEN credit = owner_account THEN amount ELSE -amount END AS expected \
         FROM transfers WHERE owner_account IS NOT NULL) AS chain \
         WHERE expected <> found ORDER BY account, owner_seq LIMIT 100",
    ),
    (
        Check::Gapless,
        "SELECT account, expected, CASE WHEN posted <> expected THEN posted ELSE newest END AS found FROM (\
         SELECT COALESCE(w.account, t.account) AS account, COALESCE(w.seq, 0) AS expected, \
         COALESCE(t.posted, 0) AS posted, COALESCE(t.newest, 0) AS newest FROM wallets w \
         FULL JOIN (SELECT owner_account AS account, COUNT(*) AS posted, MAX(owner_seq) AS newest \
         FROM transfers WHERE owner_account IS NOT NULL GROUP BY owner_account) AS t \
         ON t.account = w.account) AS numbers \
         WHERE posted <> expected OR newest <> expected ORDER BY account LIMIT 100",
    ),
    (
        Check::HeldIsHolds,
        "SELECT account, expected, found FROM (\
         SELECT COALESCE(w.account, h.account) AS account, COALESCE(h.total, 0) AS expected, \
         COALESCE(w.held, 0) AS found FROM wallets w \
         FULL JOIN (SELECT account, CAST(SUM(amount) AS BIGINT) AS total FROM holds WHERE state = 'open' \
         GROUP BY account) AS h ON h.account = w.account) AS sums \
         WHERE expected <> found ORDER BY account LIMIT 100",
    ),
    (
        Check::NotNegative,
        "SELECT account, CAST(0 AS BIGINT) AS expected, \
         CASE WHEN available < held THEN available ELSE held END AS found \
         FROM wallets WHERE available < 0 OR held < 0 ORDER BY account LIMIT 100",
    ),
    (
        Check::LotsAreWallet,
        "SELECT account, expected, found FROM (\
         SELECT COALESCE(w.account, l.account) AS account, COALESCE(l.free, 0) AS expected, \
         COALESCE(w.available, 0) AS found FROM wallets w FULL JOIN (SELECT account, \
         CAST(SUM(remaining - held) AS BIGINT) AS free FROM lots GROUP BY account) AS l \
         ON l.account = w.account) AS sums WHERE expected <> found ORDER BY account LIMIT 100",
    ),
    (
        Check::LotsAreWallet,
        "SELECT account, expected, found FROM (\
         SELECT w.account AS account, COALESCE(l.held, 0) AS expected, w.held AS found FROM wallets w \
         LEFT JOIN (SELECT account, CAST(SUM(held) AS BIGINT) AS held FROM lots GROUP BY account) AS l \
         ON l.account = w.account) AS sums WHERE expected <> found ORDER BY account LIMIT 100",
    ),
    (
        Check::OneBook,
        "SELECT debit AS account, CAST(0 AS BIGINT) AS expected, amount AS found FROM transfers WHERE \
         (book = 'yuan') <> (debit IN ('cash_xpay', 'cash_wxpay', 'cash_sandbox', 'sales')) OR \
         (book = 'yuan') <> (credit IN ('cash_xpay', 'cash_wxpay', 'cash_sandbox', 'sales')) \
         ORDER BY debit LIMIT 100",
    ),
    (
        Check::NothingInTransit,
        "SELECT 'transit' AS account, CAST(0 AS BIGINT) AS expected, found FROM (\
         SELECT CAST(COALESCE(SUM(CASE WHEN credit = 'transit' THEN amount ELSE -amount END), 0) AS BIGINT) \
         AS found FROM transfers WHERE credit = 'transit' OR debit = 'transit') AS moved WHERE found <> 0",
    ),
];

/// Rules about holds, each as the message's id, expected, found.
pub(super) const HOLD_RULES: &[(Check, &str)] = &[
    (
        Check::NotNegative,
        "SELECT message_id, CAST(0 AS BIGINT) AS expected, amount AS found \
         FROM holds WHERE amount < 0 ORDER BY message_id LIMIT 100",
    ),
    (
        Check::OneSettlement,
        "SELECT message_id, expected, found FROM (\
         SELECT h.message_id AS message_id, COUNT(t.id) AS posted, \
         CASE WHEN h.state = 'settled' THEN h.settled_credits ELSE 0 END AS expected, \
         CAST(COALESCE(SUM(t.amount), 0) AS BIGINT) AS found FROM holds h \
         LEFT JOIN transfers t ON t.hold_id = h.message_id AND t.debit = h.account \
         GROUP BY h.message_id, h.state, h.settled_credits) AS charges \
         WHERE found <> expected OR posted > 1 ORDER BY message_id LIMIT 100",
    ),
    (
        Check::OneSettlement,
        "SELECT t.hold_id AS message_id, CAST(0 AS BIGINT) AS expected, t.amount AS found FROM transfers t \
         LEFT JOIN holds h ON h.message_id = t.hold_id \
         WHERE t.hold_id IS NOT NULL AND h.message_id IS NULL ORDER BY t.hold_id LIMIT 100",
    ),
    (
        Check::HoldsAreLots,
        "SELECT message_id, expected, found FROM (\
         SELECT h.message_id AS message_id, h.amount AS expected, \
         CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) AS found FROM holds h \
         LEFT JOIN hold_lots p ON p.message_id = h.message_id WHERE h.state = 'open' \
         GROUP BY h.message_id, h.amount) AS parts WHERE expected <> found ORDER BY message_id LIMIT 100",
    ),
    (
        Check::CostIsUsage,
        "SELECT message_id, expected, found FROM (\
         SELECT h.message_id AS message_id, h.cost - h.settled_credits AS expected, \
         CAST(COALESCE(SUM(t.amount), 0) AS BIGINT) AS found FROM holds h \
         LEFT JOIN transfers t ON t.hold_id = h.message_id AND t.debit = 'loss' WHERE h.state = 'settled' \
         GROUP BY h.message_id, h.cost, h.settled_credits) AS losses \
         WHERE expected <> found ORDER BY message_id LIMIT 100",
    ),
    // Products of larger numbers would leave 64 bits; no real price and no real reply comes near.
    (
        Check::CostIsUsage,
        "SELECT message_id, expected, cost AS found FROM (SELECT message_id, cost, \
         ((prompt_tokens - cached_tokens) * miss_price + cached_tokens * hit_price \
         + completion_tokens * output_price + 999999) / 1000000 AS expected FROM holds WHERE state = 'settled' \
         AND prompt_tokens < 1000000000 AND completion_tokens < 1000000000 AND cached_tokens <= prompt_tokens \
         AND miss_price < 1000000000 AND output_price < 1000000000) AS costs \
         WHERE cost < expected ORDER BY message_id LIMIT 100",
    ),
];

/// Rules about lots, each as the lot's id, expected, found.
pub(super) const LOT_RULES: &[(Check, &str)] = &[
    (
        Check::LotIsFold,
        "SELECT id, expected, remaining AS found FROM (SELECT l.id AS id, l.remaining AS remaining, \
         l.granted + CAST(COALESCE(SUM(m.amount), 0) AS BIGINT) AS expected FROM lots l \
         LEFT JOIN transfer_lots m ON m.lot_id = l.id GROUP BY l.id, l.remaining, l.granted) AS folds \
         WHERE expected <> remaining ORDER BY id LIMIT 100",
    ),
    (
        Check::LotHasOrigin,
        "SELECT l.id AS id, COALESCE(t.amount, 0) AS expected, l.granted AS found FROM lots l \
         LEFT JOIN transfers t ON t.id = l.transfer_id AND t.credit = l.account \
         WHERE l.source <> 'opening' AND (t.amount IS NULL OR t.amount <> l.granted) ORDER BY l.id LIMIT 100",
    ),
    (
        Check::HoldsAreLots,
        "SELECT id, expected, held AS found FROM (SELECT l.id AS id, l.held AS held, \
         CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) AS expected FROM lots l \
         LEFT JOIN (hold_lots p JOIN holds h ON h.message_id = p.message_id AND h.state = 'open') \
         ON p.lot_id = l.id GROUP BY l.id, l.held) AS sums WHERE expected <> held ORDER BY id LIMIT 100",
    ),
];
