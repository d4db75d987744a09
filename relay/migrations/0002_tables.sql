-- What readable workspaces show, as tables. They follow the state of the relay's node, and hold nothing that
-- could not be made anew from the logs. See relay/src/tables.rs. People read the views below.

-- Which workspaces are mirrored.
CREATE TABLE mirrors (
    workspace integer PRIMARY KEY,
    id text NOT NULL,
    name text NOT NULL,
    -- Whose relay keeps it: nobody else's clears it.
    person text NOT NULL,
    -- Names the moment that the tables show: see relay/src/tables/marker.rs.
    marker bytea NOT NULL,
    mirrored_at timestamptz NOT NULL DEFAULT now()
);

-- What people, contacts and labels are called.
CREATE TABLE mirror_names (
    workspace integer NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (workspace, kind, id)
);

CREATE TABLE mirror_projects (
    workspace integer NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    description text NOT NULL,
    position integer NOT NULL,
    archived boolean NOT NULL,
    created_at timestamptz,
    created_by text,
    PRIMARY KEY (workspace, id)
);

-- Deleted columns too: their tasks are shown in another one.
CREATE TABLE mirror_columns (
    workspace integer NOT NULL,
    id text NOT NULL,
    -- The column in which its tasks are shown, and what that is called and is for.
    shown_id text NOT NULL,
    name text NOT NULL,
    category text,
    position integer NOT NULL,
    project_id text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE mirror_tasks (
    workspace integer NOT NULL,
    id text NOT NULL,
    short_id text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    priority smallint NOT NULL,
    -- The column that the task names itself.
    column_id text,
    -- The column that says in which project it is shown: its own, or that of a task it is a part of.
    anchor_id text,
    parent_id text,
    archived boolean NOT NULL,
    start_on date,
    start_at timestamptz,
    due_on date,
    due_at timestamptz,
    estimate integer,
    labels text[] NOT NULL,
    assignees text[] NOT NULL,
    created_at timestamptz,
    created_by text,
    -- When it came into its column.
    moved_at timestamptz,
    updated_at timestamptz,
    PRIMARY KEY (workspace, id)
) PARTITION BY HASH (workspace);

CREATE TABLE mirror_comments (
    workspace integer NOT NULL,
    id text NOT NULL,
    task_id text NOT NULL,
    body text NOT NULL,
    -- A person, or somebody from where it was imported.
    author_kind text,
    author_id text,
    written_at timestamptz,
    created_at timestamptz,
    updated_at timestamptz,
    reply_to_id text,
    PRIMARY KEY (workspace, id)
) PARTITION BY HASH (workspace);
CREATE INDEX mirror_comments_by_task ON mirror_comments (workspace, task_id);

-- A row for each operation with an effect that people would tell of.
CREATE TABLE mirror_activity (
    workspace integer NOT NULL,
    -- The entry's id, shortened as operations name it, and the operation's place in it.
    entry bigint NOT NULL,
    op integer NOT NULL,
    kind text NOT NULL,
    entity_id text NOT NULL,
    task_id text,
    at timestamptz,
    person text NOT NULL,
    device text NOT NULL,
    action text NOT NULL,
    field text,
    value text,
    column_id text,
    reverts text,
    PRIMARY KEY (workspace, kind, entity_id, entry, op)
) PARTITION BY HASH (workspace);
CREATE INDEX mirror_activity_by_time ON mirror_activity (workspace, at);
CREATE INDEX mirror_activity_by_task ON mirror_activity (workspace, task_id);

-- The moment of so many milliseconds, exactly: a number of seconds with a fraction would be rounded.
CREATE FUNCTION mirror_moment(ms bigint) RETURNS timestamptz LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT 'epoch'::timestamptz + make_interval(hours => (ms / 3600000)::integer)
        + make_interval(secs => (ms % 3600000) / 1000.0)
$$;

DO $$
BEGIN
    FOR part IN 0..15 LOOP
        EXECUTE format('CREATE TABLE mirror_tasks_%s PARTITION OF mirror_tasks '
            'FOR VALUES WITH (MODULUS 16, REMAINDER %s)', part, part);
        EXECUTE format('CREATE TABLE mirror_comments_%s PARTITION OF mirror_comments '
            'FOR VALUES WITH (MODULUS 16, REMAINDER %s)', part, part);
        EXECUTE format('CREATE TABLE mirror_activity_%s PARTITION OF mirror_activity '
            'FOR VALUES WITH (MODULUS 16, REMAINDER %s)', part, part);
    END LOOP;
END $$;

CREATE SCHEMA velo;

CREATE VIEW velo.projects AS
SELECT
    w.id AS workspace_id,
    w.name AS workspace,
    p.id,
    p.name,
    p.prefix,
    p.description,
    p.position,
    p.archived,
    p.created_at,
    p.created_by AS created_by_id,
    coalesce(author.name, left(p.created_by, 8)) AS created_by
FROM mirror_projects p
JOIN mirrors w ON w.workspace = p.workspace
LEFT JOIN mirror_names author
    ON author.workspace = p.workspace AND author.kind = 'person' AND author.id = p.created_by;

CREATE VIEW velo.tasks AS
SELECT
    w.id AS workspace_id,
    w.name AS workspace,
    t.id,
    t.short_id,
    t.title,
    t.description,
    anchor.project_id,
    project.name AS project,
    stands.shown_id AS column_id,
    stands.name AS column_name,
    stands.position AS column_position,
    stands.category,
    t.priority AS priority_rank,
    (ARRAY['none', 'low', 'medium', 'high', 'urgent'])[t.priority + 1] AS priority,
    t.parent_id,
    t.archived,
    t.start_on,
    t.start_at,
    t.due_on,
    t.due_at,
    t.estimate AS estimate_minutes,
    ARRAY(
        SELECT coalesce(label.name, left(given.id, 8))
        FROM unnest(t.labels) WITH ORDINALITY AS given (id, place)
        LEFT JOIN mirror_names label
            ON label.workspace = t.workspace AND label.kind = 'label' AND label.id = given.id
        ORDER BY given.place
    ) AS labels,
    t.labels AS label_ids,
    -- A person's id is twice as long as a contact's.
    ARRAY(
        SELECT coalesce(who.name, left(given.id, 8))
        FROM unnest(t.assignees) WITH ORDINALITY AS given (id, place)
        LEFT JOIN mirror_names who
            ON who.workspace = t.workspace AND who.id = given.id
            AND who.kind = CASE WHEN length(given.id) = 64 THEN 'person' ELSE 'contact' END
        ORDER BY given.place
    ) AS assignees,
    t.assignees AS assignee_ids,
    t.created_at,
    t.created_by AS created_by_id,
    coalesce(author.name, left(t.created_by, 8)) AS created_by,
    t.updated_at,
    t.moved_at,
    CASE WHEN stands.category = 'done' THEN t.moved_at END AS completed_at
FROM mirror_tasks t
JOIN mirrors w ON w.workspace = t.workspace
LEFT JOIN mirror_columns stands ON stands.workspace = t.workspace AND stands.id = t.column_id
LEFT JOIN mirror_columns anchor ON anchor.workspace = t.workspace AND anchor.id = t.anchor_id
LEFT JOIN mirror_projects project ON project.workspace = t.workspace AND project.id = anchor.project_id
LEFT JOIN mirror_names author
    ON author.workspace = t.workspace AND author.kind = 'person' AND author.id = t.created_by;

CREATE VIEW velo.comments AS
SELECT
    w.id AS workspace_id,
    w.name AS workspace,
    c.id,
    c.task_id,
    t.short_id AS task_short_id,
    t.title AS task,
    c.body,
    c.author_id,
    coalesce(author.name, left(c.author_id, 8)) AS author,
    c.written_at,
    c.created_at,
    c.updated_at,
    c.reply_to_id
FROM mirror_comments c
JOIN mirrors w ON w.workspace = c.workspace
-- Nobody sees the comments of a deleted task.
JOIN mirror_tasks t ON t.workspace = c.workspace AND t.id = c.task_id
LEFT JOIN mirror_names author
    ON author.workspace = c.workspace AND author.kind = c.author_kind AND author.id = c.author_id;

CREATE VIEW velo.activity AS
SELECT
    w.id AS workspace_id,
    w.name AS workspace,
    a.at,
    a.person AS person_id,
    coalesce(who.name, left(a.person, 8)) AS person,
    a.device AS device_id,
    a.kind,
    a.entity_id,
    a.action,
    a.field,
    a.value,
    a.reverts,
    a.task_id,
    t.short_id AS task_short_id,
    t.title AS task,
    target.shown_id AS column_id,
    target.name AS column_name,
    target.category,
    a.entry,
    a.op
FROM mirror_activity a
JOIN mirrors w ON w.workspace = a.workspace
LEFT JOIN mirror_names who
    ON who.workspace = a.workspace AND who.kind = 'person' AND who.id = a.person
LEFT JOIN mirror_tasks t ON t.workspace = a.workspace AND t.id = a.task_id
LEFT JOIN mirror_columns target ON target.workspace = a.workspace AND target.id = a.column_id;
