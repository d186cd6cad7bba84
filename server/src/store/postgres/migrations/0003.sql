-- Who is kept out of which room.

CREATE TABLE bans(
    rk bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    by_user text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    reason text,
    PRIMARY KEY(rk, user_id)
);
