-- Who may only read in which room, and until when: the highest time where only others end it. Who left and comes
-- back is still muted.
CREATE TABLE mutes(
    rk bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    by_user text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    until bigint NOT NULL,
    reason text,
    PRIMARY KEY(rk, user_id)
);

-- How long a member waits from one message to the next, in ms, and when the last one was, kept only while the room is
-- slow.
ALTER TABLE rooms ADD COLUMN slow_mode_ms integer NOT NULL DEFAULT 0;
CREATE TABLE slow_writes(
    rk bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY(rk, user_id)
) WITH (fillfactor = 70);
