-- The attachments that are carried, in parts that cannot be read here. See relay/src/blobs.rs.

CREATE TABLE blobs (
    workspace integer NOT NULL,
    -- BLAKE3 of the bytes.
    blob bytea NOT NULL CHECK (octet_length(blob) = 32),
    bytes bytea NOT NULL,
    -- When a device last said that it has it, or it was written: what is old gives way first.
    offered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace, blob)
) PARTITION BY HASH (workspace);

DO $$
BEGIN
    FOR part IN 0..15 LOOP
        EXECUTE format(
            'CREATE TABLE blobs_%s PARTITION OF blobs FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
            part, part);
        -- They are encrypted, and so nothing to compress.
        EXECUTE format('ALTER TABLE blobs_%s ALTER COLUMN bytes SET STORAGE EXTERNAL', part);
    END LOOP;
END $$;

-- How large all blobs of a workspace are: changed together with them, so that nobody has to count.
CREATE TABLE blobs_size (
    workspace integer PRIMARY KEY,
    bytes bigint NOT NULL
);
