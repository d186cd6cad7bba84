-- Whom users have blocked. A list has a shard of its own, and `ord` is the one place of its log where it stands.

CREATE TABLE block_lists(
    user_id text COLLATE "C" PRIMARY KEY,
    shard smallint NOT NULL REFERENCES shards,
    ord bigint NOT NULL,
    version bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX block_lists_ord ON block_lists(shard, ord);

CREATE TABLE blocks(
    user_id text COLLATE "C" NOT NULL,
    blocked text COLLATE "C" NOT NULL,
    PRIMARY KEY(user_id, blocked)
);
