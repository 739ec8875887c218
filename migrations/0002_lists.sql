-- Documents in lists, by time. A list is named by 56 bits of a fingerprint of its name.
CREATE TABLE tillgate.lists (
    list      bigint   NOT NULL,
    listed_at bigint   NOT NULL,
    partition bigint   NOT NULL,
    kind      smallint NOT NULL,
    id        bytea    NOT NULL,
    PRIMARY KEY (list, listed_at, partition, kind, id)
);

DROP TABLE tillgate.listings;
