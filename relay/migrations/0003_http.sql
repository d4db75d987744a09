-- What the HTTP API keeps. See relay/src/http.rs.

-- Which life of the database cursors belong to. Whoever restores an older state goes on from there under
-- another timeline, on another server, or with a row that another transaction wrote than says so itself.
CREATE TABLE generation (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- Drawn once: no other database has it.
    salt bytea NOT NULL,
    system bigint NOT NULL,
    timeline integer NOT NULL,
    writer bigint NOT NULL,
    restores integer NOT NULL DEFAULT 0
);
INSERT INTO generation (salt, system, timeline, writer)
SELECT uuid_send(gen_random_uuid()), system_identifier, timeline_id, pg_current_xact_id()::text::bigint
FROM pg_control_system(), pg_control_checkpoint();

-- With which programs write to a workspace, such as bots and webhooks.
CREATE TABLE integration_tokens (
    workspace integer NOT NULL,
    -- Of the token, which is shown once and kept nowhere.
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace, hash)
);

-- What they did, so that an operation that is sent again is not done again.
CREATE TABLE integration_ops (
    workspace integer NOT NULL,
    name text NOT NULL,
    id text NOT NULL,
    -- Of all the operation says: another one under the same id is a mistake of its sender.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    entity bytea NOT NULL CHECK (octet_length(entity) = 16),
    -- What it says of when it was made: milliseconds.
    made_at bigint NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    done boolean NOT NULL DEFAULT false,
    PRIMARY KEY (workspace, name, id)
);
CREATE INDEX integration_ops_by_age ON integration_ops (begun_at);
