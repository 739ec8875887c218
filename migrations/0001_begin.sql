-- Everything of an order lies under its partition, so that the tables can be spread over machines by that one column.
-- Numbers that are unsigned inside are shifted by 2^63, so that they sort here as they do there. Times are microseconds.

-- Everything in a partition, packed: see src/store/page.rs.
CREATE TABLE tillgate.pages (
    partition bigint NOT NULL,
    body      bytea  NOT NULL,
    PRIMARY KEY (partition)
);

-- Bodies too long for their page.
CREATE TABLE tillgate.pieces (
    partition bigint   NOT NULL,
    kind      smallint NOT NULL,
    id        bytea    NOT NULL,
    piece     integer  NOT NULL,
    body      bytea    NOT NULL,
    PRIMARY KEY (partition, kind, id, piece)
);

-- Documents of a kind by time.
CREATE TABLE tillgate.listings (
    kind      smallint NOT NULL,
    listed_at bigint   NOT NULL,
    partition bigint   NOT NULL,
    id        bytea    NOT NULL,
    PRIMARY KEY (kind, listed_at, partition, id)
);

-- Messages that wait (state 0), are dead (1), or are withdrawn while somebody may still be at them (2).
CREATE TABLE tillgate.outbox (
    partition    bigint   NOT NULL,
    sequence     bigint   NOT NULL,
    lane         smallint NOT NULL,
    state        smallint NOT NULL,
    queue        text     NOT NULL,
    due          bigint   NOT NULL,
    fence        bigint   NOT NULL DEFAULT 0,
    leased_until bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (partition, sequence)
);
CREATE INDEX outbox_lines ON tillgate.outbox (lane, state, queue, due, partition, sequence);

-- What was added to counters and is not summed up yet. Each order has rows of its own, so that a popular article is
-- nobody's bottleneck.
CREATE TABLE tillgate.counter_parts (
    partition bigint NOT NULL,
    grp       text   NOT NULL,
    name      text   NOT NULL,
    amount    bigint NOT NULL,
    PRIMARY KEY (partition, grp, name)
);

-- The rest of the counters.
CREATE TABLE tillgate.counters (
    grp   text   NOT NULL,
    name  text   NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (grp, name)
);
