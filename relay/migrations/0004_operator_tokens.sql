-- What the operator gives to those for whom the relay carries. See relay/src/tokens.rs.

CREATE TABLE operator_tokens (
    name text PRIMARY KEY,
    -- Of the token, which is kept nowhere.
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    -- Bytes of entries that are kept of each workspace; null for as many as there are.
    room bigint CHECK (room > 0),
    -- How many workspaces it admits.
    workspaces integer NOT NULL CHECK (workspaces > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Which it has admitted.
CREATE TABLE admitted (
    token text NOT NULL REFERENCES operator_tokens ON DELETE CASCADE,
    workspace bytea NOT NULL CHECK (octet_length(workspace) = 32),
    PRIMARY KEY (token, workspace)
);
