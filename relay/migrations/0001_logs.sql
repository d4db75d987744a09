-- The logs of every workspace, as devices wrote them. See relay/src/store.rs.

CREATE TABLE workspaces (
    -- Names it in all other tables: 4 bytes there and in every index, where the id has 32.
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id bytea NOT NULL UNIQUE CHECK (octet_length(id) = 32),
    -- What the next entry and the next chain get. Whoever appends holds the lock on this row, so both are
    -- dense, and become visible in order.
    next_cursor bigint NOT NULL DEFAULT 1,
    next_chain integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The relays that carry a workspace, each by a number of its own choice. The last one that forgets it takes the rows
-- with it.
CREATE TABLE holders (
    workspace integer NOT NULL,
    holder bytea NOT NULL CHECK (octet_length(holder) = 16),
    opened_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace, holder)
);

-- A log has one chain, unless its device forked it. Ends with a count of entries and bytes since the last
-- checkpoint.
CREATE TABLE chains (
    workspace integer NOT NULL,
    chain integer NOT NULL,
    log bytea NOT NULL CHECK (octet_length(log) = 32),
    person bytea NOT NULL CHECK (octet_length(person) = 32),
    device bytea NOT NULL CHECK (octet_length(device) = 32),
    incarnation bytea NOT NULL CHECK (octet_length(incarnation) = 8),
    founder boolean NOT NULL,
    -- Where it leaves another chain of the log; position 0 at the start of the log.
    base_seq bigint NOT NULL,
    base_id bytea NOT NULL,
    base_entries integer NOT NULL,
    base_bytes integer NOT NULL,
    end_seq bigint NOT NULL,
    end_id bytea NOT NULL,
    end_entries integer NOT NULL,
    end_bytes integer NOT NULL,
    PRIMARY KEY (workspace, chain)
);
CREATE INDEX chains_by_log ON chains (workspace, log);

-- Rows are written in parts, each of one chain: its cursors follow each other, and its last row has a seal. So
-- one index of every row is enough, and one of the few that have a seal leads to all others of a chain.
CREATE TABLE entries (
    workspace integer NOT NULL,
    cursor bigint NOT NULL,
    chain integer NOT NULL,
    seq bigint NOT NULL,
    id bytea NOT NULL,
    kind smallint NOT NULL,
    -- When, by the author's clock: 48 bits of milliseconds, 16 of a counter.
    hlc bigint NOT NULL,
    header bytea NOT NULL,
    body bytea NOT NULL,
    -- Over this entry, where a run ended with it.
    seal bytea,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace, cursor)
) PARTITION BY HASH (workspace);
CREATE UNIQUE INDEX entries_sealed ON entries (workspace, chain, seq) INCLUDE (cursor) WHERE seal IS NOT NULL;

-- The entries of a chain from behind one position up to another one.
CREATE FUNCTION entries_of(workspace integer, chain integer, behind bigint, upto bigint) RETURNS SETOF entries
LANGUAGE sql STABLE ROWS 256 AS $$
    SELECT entry.*
    FROM (
        SELECT cursor, seq, lag(seq, 1, $3) OVER (ORDER BY seq) AS before
        FROM entries
        WHERE workspace = $1 AND chain = $2 AND seal IS NOT NULL AND seq > $3 AND seq <= coalesce((
            SELECT min(seq) FROM entries
            WHERE workspace = $1 AND chain = $2 AND seal IS NOT NULL AND seq >= $4
        ), $4)
    ) AS part
    -- Behind a fence: each part is looked up by its cursors, whatever the planner thinks of the table.
    CROSS JOIN LATERAL (
        SELECT * FROM entries AS row
        WHERE row.workspace = $1 AND row.cursor > part.cursor - (part.seq - part.before)
            AND row.cursor <= part.cursor AND row.chain = $2 AND row.seq <= $4
        OFFSET 0
    ) AS entry
    ORDER BY entry.seq
$$;

-- Positions at which a chain's seal is kept and served: where runs end that are read.
CREATE TABLE checkpoints (
    workspace integer NOT NULL,
    chain integer NOT NULL,
    seq bigint NOT NULL,
    id bytea NOT NULL,
    entries integer NOT NULL,
    bytes integer NOT NULL,
    PRIMARY KEY (workspace, chain, seq)
);

DO $$
BEGIN
    FOR part IN 0..15 LOOP
        EXECUTE format(
            'CREATE TABLE entries_%s PARTITION OF entries FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
            part, part);
        -- Bodies are encrypted, and so nothing to compress: pages hold them as they are.
        EXECUTE format('ALTER TABLE entries_%s ALTER COLUMN body SET STORAGE EXTERNAL', part);
    END LOOP;
END $$;
