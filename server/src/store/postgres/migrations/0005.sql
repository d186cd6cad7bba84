-- Accounts, where this server keeps them itself. `password` is a hash in the PHC string format; `version` says which
-- password it is, so that nobody signs in by one that was changed meanwhile.
CREATE TABLE accounts(
    user_id text COLLATE "C" PRIMARY KEY,
    password text NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL
);

-- Those who have signed in. `hash` is that of the refresh token of `generation`, given first at `given_at`; `shown` is
-- the newest generation of which a token came back. Tokens of it hold until `tokens_until`, the refresh token until
-- `expires_at`.
CREATE TABLE sessions(
    id uuid PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    device text,
    created_at bigint NOT NULL,
    used_at bigint NOT NULL,
    given_at bigint NOT NULL,
    generation bigint NOT NULL,
    shown bigint NOT NULL,
    hash bytea NOT NULL,
    tokens_until bigint NOT NULL,
    expires_at bigint NOT NULL,
    ended_at bigint
) WITH (fillfactor = 70);
CREATE INDEX sessions_user ON sessions(user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions(tokens_until) WHERE ended_at IS NOT NULL;
