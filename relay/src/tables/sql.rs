//! The statements: rows go in as arrays, one for each column.
//!
//! Each may be carried out twice: what is there is replaced, what is gone stays gone.

use crate::{
    limits,
    tables::{
        activity::ActivityRow,
        difference::{Changes, Difference},
        rows::{ColumnRow, CommentRow, Named, ProjectRow, TaskRow},
    },
};
use sqlx::{Error, PgConnection};
use velo_protocol::{
    id::{PersonId, WorkspaceId},
    model::EntityKey,
};

/// One column of the rows.
fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// The rows in parts of so many rows and bytes as may be sent at once.
fn batches<'a, R>(rows: &'a [R], bytes: impl Fn(&R) -> usize + 'a) -> impl Iterator<Item = &'a [R]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut total = 0;
        let fits = |row: &&R| {
            total += bytes(row);
            total <= limits::TABLE_BYTES
        };
        if rest.is_empty() {
            return None;
        }
        let count = rest.iter().take(limits::TABLE_ROWS).take_while(fits).count().max(1);
        let (batch, after) = rest.split_at_checked(count)?;
        rest = after;
        Some(batch)
    })
}

/// Takes everything of a workspace out of the tables.
pub(crate) async fn clear(connection: &mut PgConnection, workspace: i32) -> Result<(), Error> {
    for table in [
        "DELETE FROM mirrors WHERE workspace = $1",
        "DELETE FROM mirror_names WHERE workspace = $1",
        "DELETE FROM mirror_projects WHERE workspace = $1",
        "DELETE FROM mirror_columns WHERE workspace = $1",
        "DELETE FROM mirror_tasks WHERE workspace = $1",
        "DELETE FROM mirror_comments WHERE workspace = $1",
        "DELETE FROM mirror_activity WHERE workspace = $1",
    ] {
        sqlx::query(table).bind(workspace).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Notes which moment the tables show.
pub(super) async fn mark(
    connection: &mut PgConnection,
    workspace: i32,
    (id, name): (WorkspaceId, &str),
    person: PersonId,
    marker: [u8; 32],
) -> Result<(), Error> {
    let sql = "INSERT INTO mirrors (workspace, id, name, person, marker) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (workspace) DO UPDATE SET id = excluded.id, name = excluded.name, \
        person = excluded.person, marker = excluded.marker, mirrored_at = now()";
    let query = sqlx::query(sql).bind(workspace).bind(id.to_string()).bind(name);
    query.bind(person.to_string()).bind(marker.as_slice()).execute(connection).await?;
    Ok(())
}

/// Writes all but the activity's new rows. How many rows that were.
pub(super) async fn write(
    connection: &mut PgConnection,
    workspace: i32,
    difference: &Difference,
) -> Result<u64, Error> {
    let Difference { names, projects, columns, tasks, comments, activity } = difference;
    let mut rows = write_names(connection, workspace, names).await?;
    let gone = "DELETE FROM mirror_projects WHERE workspace = $1 AND id = ANY($2)";
    rows += remove(connection, workspace, gone, &projects.gone).await?;
    for batch in batches(&projects.written, |(_, row)| row.description.len()) {
        rows += write_projects(connection, workspace, batch).await?;
    }
    let gone = "DELETE FROM mirror_columns WHERE workspace = $1 AND id = ANY($2)";
    rows += remove(connection, workspace, gone, &columns.gone).await?;
    for batch in batches(&columns.written, |_| 0) {
        rows += write_columns(connection, workspace, batch).await?;
    }
    let gone = "DELETE FROM mirror_tasks WHERE workspace = $1 AND id = ANY($2)";
    rows += remove(connection, workspace, gone, &tasks.gone).await?;
    for batch in batches(&tasks.written, |row| row.description.len() + row.labels.len() + row.assignees.len())
    {
        rows += write_tasks(connection, workspace, batch).await?;
    }
    let gone = "DELETE FROM mirror_comments WHERE workspace = $1 AND id = ANY($2)";
    rows += remove(connection, workspace, gone, &comments.gone).await?;
    for batch in batches(&comments.written, |row| row.body.len()) {
        rows += write_comments(connection, workspace, batch).await?;
    }
    rows += clear_activity(connection, workspace, &activity.clear).await?;
    for void in activity.void.chunks(limits::TABLE_ROWS) {
        let sql = "DELETE FROM mirror_activity a USING UNNEST($2::text[], $3::text[], $4::bigint[], $5::integer[]) \
            AS void (kind, entity_id, entry, op) WHERE a.workspace = $1 AND a.kind = void.kind \
            AND a.entity_id = void.entity_id AND a.entry = void.entry AND a.op = void.op";
        let query = sqlx::query(sql).bind(workspace).bind(column(void, |(key, _)| key.kind.name()));
        let query = query.bind(column(void, |(key, _)| key.id.to_string()));
        let query = query.bind(column(void, |(_, op)| op.entry as i64));
        let query = query.bind(column(void, |(_, op)| i32::from(op.index)));
        rows += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(rows)
}

async fn remove(
    connection: &mut PgConnection,
    workspace: i32,
    sql: &'static str,
    ids: &[String],
) -> Result<u64, Error> {
    let mut rows = 0;
    for ids in ids.chunks(limits::TABLE_ROWS) {
        rows += sqlx::query(sql).bind(workspace).bind(ids).execute(&mut *connection).await?.rows_affected();
    }
    Ok(rows)
}

async fn write_names(
    connection: &mut PgConnection,
    workspace: i32,
    names: &Changes<Named, (Named, String)>,
) -> Result<u64, Error> {
    let mut rows = 0;
    for gone in names.gone.chunks(limits::TABLE_ROWS) {
        let sql = "DELETE FROM mirror_names n USING UNNEST($2::text[], $3::text[]) AS gone (kind, id) \
            WHERE n.workspace = $1 AND n.kind = gone.kind AND n.id = gone.id";
        let query = sqlx::query(sql).bind(workspace).bind(column(gone, |(kind, _)| *kind));
        let query = query.bind(column(gone, |(_, id)| id.as_str()));
        rows += query.execute(&mut *connection).await?.rows_affected();
    }
    for written in names.written.chunks(limits::TABLE_ROWS) {
        let sql = "INSERT INTO mirror_names (workspace, kind, id, name) \
            SELECT $1, * FROM UNNEST($2::text[], $3::text[], $4::text[]) \
            ON CONFLICT (workspace, kind, id) DO UPDATE SET name = excluded.name";
        let query = sqlx::query(sql).bind(workspace).bind(column(written, |((kind, _), _)| *kind));
        let query = query.bind(column(written, |((_, id), _)| id.as_str()));
        let query = query.bind(column(written, |(_, name)| name.as_str()));
        rows += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(rows)
}

async fn write_projects(
    connection: &mut PgConnection,
    workspace: i32,
    rows: &[(String, ProjectRow)],
) -> Result<u64, Error> {
    let sql = "INSERT INTO mirror_projects (workspace, id, name, prefix, description, position, archived, \
            created_at, created_by) \
        SELECT $1, id, name, prefix, description, position, archived, mirror_moment(created_at), created_by \
        FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::boolean[], \
            $8::bigint[], $9::text[]) \
            AS new (id, name, prefix, description, position, archived, created_at, created_by) \
        ON CONFLICT (workspace, id) DO UPDATE SET name = excluded.name, prefix = excluded.prefix, \
            description = excluded.description, position = excluded.position, archived = excluded.archived, \
            created_at = excluded.created_at, created_by = excluded.created_by";
    let query = sqlx::query(sql)
        .bind(workspace)
        .bind(column(rows, |(id, _)| id.as_str()))
        .bind(column(rows, |(_, row)| row.name.as_str()))
        .bind(column(rows, |(_, row)| row.prefix.as_str()))
        .bind(column(rows, |(_, row)| row.description.as_str()))
        .bind(column(rows, |(_, row)| row.position))
        .bind(column(rows, |(_, row)| row.archived))
        .bind(column(rows, |(_, row)| row.created_at))
        .bind(column(rows, |(_, row)| row.created_by.as_deref()));
    Ok(query.execute(connection).await?.rows_affected())
}

async fn write_columns(
    connection: &mut PgConnection,
    workspace: i32,
    rows: &[(String, ColumnRow)],
) -> Result<u64, Error> {
    let sql = "INSERT INTO mirror_columns (workspace, id, shown_id, name, category, position, project_id) \
        SELECT $1, * FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[]) \
        ON CONFLICT (workspace, id) DO UPDATE SET shown_id = excluded.shown_id, name = excluded.name, \
            category = excluded.category, position = excluded.position, project_id = excluded.project_id";
    let query = sqlx::query(sql)
        .bind(workspace)
        .bind(column(rows, |(id, _)| id.as_str()))
        .bind(column(rows, |(_, row)| row.shown_id.as_str()))
        .bind(column(rows, |(_, row)| row.name.as_str()))
        .bind(column(rows, |(_, row)| row.category.as_deref()))
        .bind(column(rows, |(_, row)| row.position))
        .bind(column(rows, |(_, row)| row.project_id.as_str()));
    Ok(query.execute(connection).await?.rows_affected())
}

const TASKS: &str = "INSERT INTO mirror_tasks (workspace, id, short_id, title, description, priority, column_id, \
        anchor_id, parent_id, archived, start_on, start_at, due_on, due_at, estimate, labels, assignees, \
        created_at, created_by, moved_at, updated_at) \
    SELECT $1, id, short_id, title, description, priority, column_id, anchor_id, parent_id, archived, \
        date '1970-01-01' + start_on, mirror_moment(start_at), date '1970-01-01' + due_on, \
        mirror_moment(due_at), estimate, string_to_array(labels, ','), string_to_array(assignees, ','), \
        mirror_moment(created_at), created_by, mirror_moment(moved_at), mirror_moment(updated_at) \
    FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::text[], $8::text[], \
        $9::text[], $10::boolean[], $11::integer[], $12::bigint[], $13::integer[], $14::bigint[], \
        $15::integer[], $16::text[], $17::text[], $18::bigint[], $19::text[], $20::bigint[], $21::bigint[]) \
        AS new (id, short_id, title, description, priority, column_id, anchor_id, parent_id, archived, \
            start_on, start_at, due_on, due_at, estimate, labels, assignees, created_at, created_by, \
            moved_at, updated_at) \
    ON CONFLICT (workspace, id) DO UPDATE SET short_id = excluded.short_id, title = excluded.title, \
        description = excluded.description, priority = excluded.priority, column_id = excluded.column_id, \
        anchor_id = excluded.anchor_id, parent_id = excluded.parent_id, archived = excluded.archived, \
        start_on = excluded.start_on, start_at = excluded.start_at, due_on = excluded.due_on, \
        due_at = excluded.due_at, estimate = excluded.estimate, labels = excluded.labels, \
        assignees = excluded.assignees, created_at = excluded.created_at, created_by = excluded.created_by, \
        moved_at = excluded.moved_at, updated_at = excluded.updated_at";

async fn write_tasks(connection: &mut PgConnection, workspace: i32, rows: &[TaskRow]) -> Result<u64, Error> {
    let query = sqlx::query(TASKS)
        .bind(workspace)
        .bind(column(rows, |row| row.id.as_str()))
        .bind(column(rows, |row| row.short_id.as_str()))
        .bind(column(rows, |row| row.title.as_str()))
        .bind(column(rows, |row| row.description.as_str()))
        .bind(column(rows, |row| row.priority))
        .bind(column(rows, |row| row.column_id.as_deref()))
        .bind(column(rows, |row| row.anchor_id.as_deref()))
        .bind(column(rows, |row| row.parent_id.as_deref()))
        .bind(column(rows, |row| row.archived))
        .bind(column(rows, |row| row.start.on))
        .bind(column(rows, |row| row.start.at))
        .bind(column(rows, |row| row.due.on))
        .bind(column(rows, |row| row.due.at))
        .bind(column(rows, |row| row.estimate))
        .bind(column(rows, |row| row.labels.as_str()))
        .bind(column(rows, |row| row.assignees.as_str()))
        .bind(column(rows, |row| row.created_at))
        .bind(column(rows, |row| row.created_by.as_deref()))
        .bind(column(rows, |row| row.moved_at))
        .bind(column(rows, |row| row.updated_at));
    Ok(query.execute(connection).await?.rows_affected())
}

async fn write_comments(
    connection: &mut PgConnection,
    workspace: i32,
    rows: &[CommentRow],
) -> Result<u64, Error> {
    let sql = "INSERT INTO mirror_comments (workspace, id, task_id, body, author_kind, author_id, written_at, \
            created_at, updated_at, reply_to_id) \
        SELECT $1, id, task_id, body, author_kind, author_id, mirror_moment(written_at), \
            mirror_moment(created_at), mirror_moment(updated_at), reply_to_id \
        FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], \
            $9::bigint[], $10::text[]) AS new (id, task_id, body, author_kind, author_id, written_at, \
            created_at, updated_at, reply_to_id) \
        ON CONFLICT (workspace, id) DO UPDATE SET task_id = excluded.task_id, body = excluded.body, \
            author_kind = excluded.author_kind, author_id = excluded.author_id, \
            written_at = excluded.written_at, created_at = excluded.created_at, \
            updated_at = excluded.updated_at, reply_to_id = excluded.reply_to_id";
    let query = sqlx::query(sql)
        .bind(workspace)
        .bind(column(rows, |row| row.id.as_str()))
        .bind(column(rows, |row| row.task_id.as_str()))
        .bind(column(rows, |row| row.body.as_str()))
        .bind(column(rows, |row| row.author_kind))
        .bind(column(rows, |row| row.author_id.as_deref()))
        .bind(column(rows, |row| row.written_at))
        .bind(column(rows, |row| row.created_at))
        .bind(column(rows, |row| row.updated_at))
        .bind(column(rows, |row| row.reply_to_id.as_deref()));
    Ok(query.execute(connection).await?.rows_affected())
}

async fn clear_activity(
    connection: &mut PgConnection,
    workspace: i32,
    keys: &[EntityKey],
) -> Result<u64, Error> {
    let mut rows = 0;
    for keys in keys.chunks(limits::TABLE_ROWS) {
        let sql = "DELETE FROM mirror_activity a USING UNNEST($2::text[], $3::text[]) AS gone (kind, id) \
            WHERE a.workspace = $1 AND a.kind = gone.kind AND a.entity_id = gone.id";
        let query = sqlx::query(sql).bind(workspace).bind(column(keys, |key| key.kind.name()));
        let query = query.bind(column(keys, |key| key.id.to_string()));
        rows += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(rows)
}

/// Writes new rows of the activity. How many there are.
pub(super) async fn write_activity(
    connection: &mut PgConnection,
    workspace: i32,
    rows: &[ActivityRow],
) -> Result<u64, Error> {
    let sql = "INSERT INTO mirror_activity (workspace, entry, op, kind, entity_id, task_id, at, person, device, \
            action, field, value, column_id, reverts) \
        SELECT $1, entry, op, kind, entity_id, task_id, mirror_moment(at), person, device, action, field, \
            value, column_id, reverts \
        FROM UNNEST($2::bigint[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::bigint[], \
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[]) \
            AS new (entry, op, kind, entity_id, task_id, at, person, device, action, field, value, \
            column_id, reverts) \
        ON CONFLICT (workspace, kind, entity_id, entry, op) DO NOTHING";
    let query = sqlx::query(sql)
        .bind(workspace)
        .bind(column(rows, |row| row.entry))
        .bind(column(rows, |row| row.op))
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.entity_id.as_str()))
        .bind(column(rows, |row| row.task_id.as_deref()))
        .bind(column(rows, |row| row.at))
        .bind(column(rows, |row| row.person.as_str()))
        .bind(column(rows, |row| row.device.as_str()))
        .bind(column(rows, |row| row.action))
        .bind(column(rows, |row| row.field))
        .bind(column(rows, |row| row.value.as_deref()))
        .bind(column(rows, |row| row.column_id.as_deref()))
        .bind(column(rows, |row| row.reverts));
    Ok(query.execute(connection).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_batch_is_larger_than_what_is_sent_at_once_and_none_is_lost() {
        let rows = vec![limits::TABLE_BYTES / 2; 5];
        let sizes: Vec<usize> = batches(&rows, |bytes| *bytes).map(<[usize]>::len).collect();
        assert_eq!(sizes, [2, 2, 1]);
        let huge = [limits::TABLE_BYTES + 1, 1];
        assert_eq!(batches(&huge, |bytes| *bytes).map(<[usize]>::len).collect::<Vec<_>>(), [1, 1]);
        let many = vec![0; limits::TABLE_ROWS + 1];
        assert_eq!(
            batches(&many, |bytes| *bytes).map(<[usize]>::len).collect::<Vec<_>>(),
            [limits::TABLE_ROWS, 1]
        );
        assert_eq!(batches(&[0; 0], |bytes| *bytes).count(), 0);
    }
}
