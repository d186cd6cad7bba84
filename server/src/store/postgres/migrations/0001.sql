-- The log, its rooms and their members.
--
-- `ord` is a place in the log of a shard; `seq` one in a room. Both are given under the row lock of the shard,
-- which is held to the commit: see `append.rs`. `receipt_ord` and `settings_ord` of a member are the one
-- place of the log where the member's receipt and settings stand, 0 while there is none.
--
-- What changes a message is kept by the message, with the seqs from which to which it holds: a reaction is
-- there for `since <= seq < until`, and so is a row of `reaction_counts`. What stands has the highest `until`.
--
-- There are no triggers, and no foreign keys on what is written often: whatever writes a row has read and
-- locked the row of its room in the same transaction.

CREATE TABLE shards(shard smallint PRIMARY KEY, head_ord bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO shards SELECT shard, 0 FROM generate_series(0, 15) AS shard;

CREATE TABLE rooms(
    rk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    kind smallint NOT NULL,
    name text,
    avatar_url text,
    pair text COLLATE "C" UNIQUE,
    created_by text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    active_at bigint NOT NULL,
    shard smallint NOT NULL REFERENCES shards,
    head_seq bigint NOT NULL,
    head_ord bigint NOT NULL,
    receipt_ord bigint NOT NULL DEFAULT 0,
    members integer NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE members(
    rk bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    shard smallint NOT NULL,
    role smallint NOT NULL,
    joined_at bigint NOT NULL,
    joined_seq bigint NOT NULL,
    joined_ord bigint NOT NULL,
    delivered_seq bigint NOT NULL,
    read_seq bigint NOT NULL,
    receipt_ord bigint NOT NULL DEFAULT 0,
    settings bigint NOT NULL DEFAULT 0,
    settings_ord bigint NOT NULL DEFAULT 0,
    settings_version bigint NOT NULL DEFAULT 0,
    left_seq bigint,
    left_ord bigint,
    left_name text,
    left_avatar_url text,
    left_members integer,
    PRIMARY KEY(rk, user_id)
) WITH (fillfactor = 80);
CREATE INDEX members_user ON members(user_id, rk);
CREATE INDEX members_receipt ON members(rk, receipt_ord) WHERE left_ord IS NULL;
CREATE INDEX members_receipts ON members(shard, receipt_ord) WHERE receipt_ord > 0;
CREATE INDEX members_settings ON members(shard, settings_ord) WHERE settings_ord > 0;

CREATE TABLE events(
    shard smallint NOT NULL,
    ord bigint NOT NULL,
    rk bigint NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    sender text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    content text NOT NULL,
    hash bytea NOT NULL,
    root bigint,
    metadata jsonb,
    PRIMARY KEY(shard, ord)
);
CREATE UNIQUE INDEX events_seq ON events(rk, seq) INCLUDE (ord);
CREATE UNIQUE INDEX events_id ON events(rk, id);
CREATE INDEX events_shown ON events(rk, seq) WHERE kind NOT IN ('edit', 'delete', 'reaction');
CREATE INDEX events_last ON events(rk, seq) WHERE kind = 'message' AND root IS NULL;
CREATE INDEX events_counted ON events(rk, seq) INCLUDE (sender) WHERE kind = 'message';
CREATE INDEX events_at ON events USING brin(at);
CREATE INDEX events_metadata ON events USING gin(metadata jsonb_path_ops) WHERE metadata IS NOT NULL;

CREATE TABLE mentions(
    rk bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY(rk, user_id, seq)
);

CREATE TABLE revisions(
    rk bigint NOT NULL,
    target bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY(rk, target, seq)
);

CREATE TABLE replies(
    rk bigint NOT NULL,
    root bigint NOT NULL,
    seq bigint NOT NULL,
    number integer NOT NULL,
    PRIMARY KEY(rk, root, seq)
);

CREATE TABLE reactions(
    rk bigint NOT NULL,
    target bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    until bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    since bigint NOT NULL,
    PRIMARY KEY(rk, target, user_id, until, key)
);
CREATE INDEX reactions_key ON reactions(rk, target, key, until, since);

CREATE TABLE reaction_counts(
    rk bigint NOT NULL,
    target bigint NOT NULL,
    until bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    since bigint NOT NULL,
    first bigint NOT NULL,
    users integer NOT NULL,
    PRIMARY KEY(rk, target, until, key)
);

-- What messages say. `sk` gives the newest first, over all shards.
CREATE TABLE search(
    sk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rk bigint NOT NULL,
    seq bigint NOT NULL,
    terms tsvector NOT NULL
);
CREATE UNIQUE INDEX search_message ON search(rk, seq);
CREATE INDEX search_terms ON search USING gin(terms);

CREATE TABLE profiles(
    user_id text COLLATE "C" PRIMARY KEY,
    name text,
    avatar_url text,
    updated_at bigint NOT NULL
);

CREATE TABLE last_seen(user_id text COLLATE "C" PRIMARY KEY, at bigint NOT NULL) WITH (fillfactor = 50);

-- `state` is 0 while parts are put, 1 when it is complete, 2 when it is on its way out. `idle_since` is when it
-- was last asked for, none while a message lists it, 0 on its way out.
CREATE TABLE uploads(
    id uuid PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL UNIQUE,
    name text NOT NULL,
    content_type text NOT NULL,
    size bigint NOT NULL,
    sha256 bytea NOT NULL,
    part_size bigint NOT NULL,
    token text,
    state smallint NOT NULL,
    idle_since bigint
);
CREATE INDEX uploads_idle ON uploads(idle_since) WHERE idle_since IS NOT NULL;

CREATE TABLE attachments(
    upload uuid NOT NULL REFERENCES uploads ON DELETE CASCADE,
    rk bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY(upload, rk, seq)
);
CREATE INDEX attachments_message ON attachments(rk, seq);
