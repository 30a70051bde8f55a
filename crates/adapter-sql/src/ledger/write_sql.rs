//! The statements that write the books. Rows travel as JSON lists, named as their columns.
//!
//! On Postgres all of a batch's money is one statement, since each is a journey; on SQLite a statement for each list,
//! given by its place among them.

pub(super) const MONEY_POSTGRES: &str = "WITH wallet AS (UPDATE wallets w SET available = i.available, held = i.held, seq = i.seq, updated_at = \
     i.updated_at, opened_at = i.opened_at, next_expiry = i.next_expiry, free_day = i.free_day, frozen = \
     i.frozen, day_max = i.day_max, spent_day = i.spent_day, spent = i.spent, created_at = CASE WHEN \
     w.created_at = 0 THEN i.updated_at ELSE w.created_at END FROM json_to_recordset($1::json) AS i(account \
     text, available bigint, held bigint, seq bigint, updated_at bigint, opened_at bigint, next_expiry \
     bigint, free_day bigint, frozen text, day_max bigint, spent_day bigint, spent bigint) WHERE w.account = \
     i.account), lot AS (UPDATE lots l SET remaining = i.remaining, held = i.held FROM \
     json_to_recordset($2::json) AS i(id uuid, remaining bigint, held bigint) WHERE l.id = i.id), new_lot AS \
     (INSERT INTO lots (id, account, source, ref_id, granted, remaining, held, expires_at, transfer_id, \
     created_at) SELECT id, account, source, ref_id, granted, remaining, held, expires_at, transfer_id, \
     created_at FROM json_to_recordset($3::json) AS i(id uuid, account text, source text, ref_id text, \
     granted bigint, remaining bigint, held bigint, expires_at bigint, transfer_id uuid, created_at bigint)), \
     transfer AS (INSERT INTO transfers (id, debit, credit, amount, kind, hold_id, ref_id, idempotency_key, \
     owner_account, owner_seq, balance_after, created_at, book, body_hash) SELECT id, debit, credit, amount, \
     kind, hold_id, ref_id, idempotency_key, owner_account, owner_seq, balance_after, created_at, book, \
     body_hash FROM json_to_recordset($4::json) AS i(id uuid, debit text, credit text, amount bigint, kind \
     text, hold_id uuid, ref_id text, idempotency_key text, owner_account text, owner_seq bigint, \
     balance_after bigint, created_at bigint, book text, body_hash text)) INSERT INTO transfer_lots \
     (transfer_id, lot_id, amount) SELECT transfer_id, lot_id, amount FROM json_to_recordset($5::json) AS \
     i(transfer_id uuid, lot_id uuid, amount bigint)";

pub(super) const MONEY_SQLITE: &[(usize, &str)] = &[
    (
        0,
        "UPDATE wallets SET available = i.value ->> 'available', held = i.value ->> 'held', seq = i.value ->> \
     'seq', updated_at = i.value ->> 'updated_at', opened_at = i.value ->> 'opened_at', next_expiry = i.value \
     ->> 'next_expiry', free_day = i.value ->> 'free_day', frozen = i.value ->> 'frozen', day_max = i.value \
     ->> 'day_max', spent_day = i.value ->> 'spent_day', spent = i.value ->> 'spent', created_at = CASE WHEN \
     created_at = 0 THEN i.value ->> 'updated_at' ELSE created_at END FROM json_each($1) i WHERE \
     wallets.account = i.value ->> 'account'",
    ),
    (
        1,
        "UPDATE lots SET remaining = i.value ->> 'remaining', held = i.value ->> 'held' FROM json_each($1) i \
     WHERE lots.id = unhex(i.value ->> 'id')",
    ),
    (
        2,
        "INSERT INTO lots (id, account, source, ref_id, granted, remaining, held, expires_at, transfer_id, \
     created_at) SELECT unhex(v ->> 'id'), v ->> 'account', v ->> 'source', v ->> 'ref_id', v ->> 'granted', \
     v ->> 'remaining', v ->> 'held', v ->> 'expires_at', unhex(v ->> 'transfer_id'), v ->> 'created_at' FROM \
     (SELECT value AS v FROM jsonb_each($1)) WHERE TRUE",
    ),
    (
        3,
        "INSERT INTO transfers (id, debit, credit, amount, kind, hold_id, ref_id, idempotency_key, owner_account, \
     owner_seq, balance_after, created_at, book, body_hash) SELECT unhex(v ->> 'id'), v ->> 'debit', v ->> \
     'credit', v ->> 'amount', v ->> 'kind', unhex(v ->> 'hold_id'), v ->> 'ref_id', v ->> 'idempotency_key', \
     v ->> 'owner_account', v ->> 'owner_seq', v ->> 'balance_after', v ->> 'created_at', v ->> 'book', v ->> \
     'body_hash' FROM (SELECT value AS v FROM jsonb_each($1)) WHERE TRUE",
    ),
    (
        4,
        "INSERT INTO transfer_lots (transfer_id, lot_id, amount) SELECT unhex(v ->> 'transfer_id'), unhex(v ->> \
     'lot_id'), v ->> 'amount' FROM (SELECT value AS v FROM jsonb_each($1)) WHERE TRUE",
    ),
];

pub(super) const NEW_HOLDS_POSTGRES: &str = "WITH hold AS (INSERT INTO holds (message_id, account, alias, miss_price, hit_price, output_price, \
     prompt_tokens_max, output_tokens_wanted, output_tokens_min, output_tokens_max, amount, state, \
     instance_id, created_at, expires_at, resolved_at, settled_credits, prompt_tokens, cached_tokens, \
     completion_tokens, reasoning_tokens, price_id, cost, is_estimated) SELECT message_id, account, alias, \
     miss_price, hit_price, output_price, prompt_tokens_max, output_tokens_wanted, output_tokens_min, \
     output_tokens_max, amount, state, instance_id, created_at, expires_at, resolved_at, settled_credits, \
     prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, price_id, cost, is_estimated FROM \
     json_to_recordset($1::json) AS i(message_id uuid, account text, alias text, miss_price bigint, hit_price \
     bigint, output_price bigint, prompt_tokens_max bigint, output_tokens_wanted bigint, output_tokens_min \
     bigint, output_tokens_max bigint, amount bigint, state text, instance_id uuid, created_at bigint, \
     expires_at bigint, resolved_at bigint, settled_credits bigint, prompt_tokens bigint, cached_tokens \
     bigint, completion_tokens bigint, reasoning_tokens bigint, price_id text, cost bigint, is_estimated \
     boolean)) INSERT INTO hold_lots (message_id, lot_id, amount) SELECT message_id, lot_id, amount FROM \
     json_to_recordset($2::json) AS i(message_id uuid, lot_id uuid, amount bigint)";

pub(super) const NEW_HOLDS_SQLITE: &[(usize, &str)] = &[
    (
        0,
        "INSERT INTO holds (message_id, account, alias, miss_price, hit_price, output_price, prompt_tokens_max, \
     output_tokens_wanted, output_tokens_min, output_tokens_max, amount, state, instance_id, created_at, \
     expires_at, resolved_at, settled_credits, prompt_tokens, cached_tokens, completion_tokens, \
     reasoning_tokens, price_id, cost, is_estimated) SELECT unhex(v ->> 'message_id'), v ->> 'account', v ->> \
     'alias', v ->> 'miss_price', v ->> 'hit_price', v ->> 'output_price', v ->> 'prompt_tokens_max', v ->> \
     'output_tokens_wanted', v ->> 'output_tokens_min', v ->> 'output_tokens_max', v ->> 'amount', v ->> \
     'state', unhex(v ->> 'instance_id'), v ->> 'created_at', v ->> 'expires_at', v ->> 'resolved_at', v ->> \
     'settled_credits', v ->> 'prompt_tokens', v ->> 'cached_tokens', v ->> 'completion_tokens', v ->> \
     'reasoning_tokens', v ->> 'price_id', v ->> 'cost', v ->> 'is_estimated' FROM (SELECT value AS v FROM \
     jsonb_each($1)) WHERE TRUE",
    ),
    (
        1,
        "INSERT INTO hold_lots (message_id, lot_id, amount) SELECT unhex(v ->> 'message_id'), unhex(v ->> \
     'lot_id'), v ->> 'amount' FROM (SELECT value AS v FROM jsonb_each($1)) WHERE TRUE",
    ),
];

pub(super) const RESOLVED_POSTGRES: &str = "UPDATE holds h SET state = i.state, resolved_at = i.resolved_at, settled_credits = i.settled_credits, \
     prompt_tokens = i.prompt_tokens, cached_tokens = i.cached_tokens, completion_tokens = \
     i.completion_tokens, reasoning_tokens = i.reasoning_tokens, cost = i.cost, is_estimated = i.is_estimated \
     FROM json_to_recordset($1::json) AS i(message_id uuid, state text, resolved_at bigint, settled_credits \
     bigint, prompt_tokens bigint, cached_tokens bigint, completion_tokens bigint, reasoning_tokens bigint, \
     cost bigint, is_estimated boolean) WHERE h.message_id = i.message_id";

pub(super) const RESOLVED_SQLITE: &[(usize, &str)] = &[(
    0,
    "UPDATE holds SET state = i.value ->> 'state', resolved_at = i.value ->> 'resolved_at', settled_credits = \
     i.value ->> 'settled_credits', prompt_tokens = i.value ->> 'prompt_tokens', cached_tokens = i.value ->> \
     'cached_tokens', completion_tokens = i.value ->> 'completion_tokens', reasoning_tokens = i.value ->> \
     'reasoning_tokens', cost = i.value ->> 'cost', is_estimated = i.value ->> 'is_estimated' FROM \
     json_each($1) i WHERE holds.message_id = unhex(i.value ->> 'message_id')",
)];

pub(super) const HOUSE_POSTGRES: &str = "INSERT INTO transfers (id, debit, credit, amount, kind, hold_id, ref_id, idempotency_key, owner_account, \
     owner_seq, balance_after, created_at, book, body_hash) SELECT id, debit, credit, amount, kind, hold_id, \
     ref_id, idempotency_key, owner_account, owner_seq, balance_after, created_at, book, body_hash FROM \
     json_to_recordset($1::json) AS i(id uuid, debit text, credit text, amount bigint, kind text, hold_id \
     uuid, ref_id text, idempotency_key text, owner_account text, owner_seq bigint, balance_after bigint, \
     created_at bigint, book text, body_hash text) ON CONFLICT (idempotency_key) DO NOTHING";

pub(super) const HOUSE_SQLITE: &[(usize, &str)] = &[(
    0,
    "INSERT INTO transfers (id, debit, credit, amount, kind, hold_id, ref_id, idempotency_key, owner_account, \
     owner_seq, balance_after, created_at, book, body_hash) SELECT unhex(v ->> 'id'), v ->> 'debit', v ->> \
     'credit', v ->> 'amount', v ->> 'kind', unhex(v ->> 'hold_id'), v ->> 'ref_id', v ->> 'idempotency_key', \
     v ->> 'owner_account', v ->> 'owner_seq', v ->> 'balance_after', v ->> 'created_at', v ->> 'book', v ->> \
     'body_hash' FROM (SELECT value AS v FROM jsonb_each($1)) WHERE TRUE ON CONFLICT (idempotency_key) DO \
     NOTHING",
)];
