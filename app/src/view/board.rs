//! The columns of a project and their tasks, in order; and where a dragged card would come to stand.
//! Tasks that stand in no project make a board of their own, so that nothing that lives is hidden.

use super::card;
use std::rc::Rc;
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, column, project, task},
    value::Value,
    workspace::Workspace,
};

/// What the board of tasks in no project is called.
pub const WITHOUT_PROJECT: &str = "Without project";

/// A column with the tasks that are not put away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Which; `None` for what stands in none, where nothing can be put.
    pub id: Option<EntityId>,
    /// Its name.
    pub name: String,
    /// The stage of work, as a place in [`column::CATEGORIES`].
    pub category: i64,
    /// Most tasks it should hold.
    pub wip_limit: Option<i64>,
    /// Its tasks, in order.
    pub tasks: Vec<EntityId>,
}

/// What a board is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Of {
    /// Nothing: there is no project yet.
    #[default]
    Nothing,
    /// A project.
    Project(EntityId),
    /// The tasks whose project is gone, or that never had one.
    WithoutProject,
}

/// A board at one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Board {
    /// What it is of.
    pub of: Of,
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Rc<Column>>,
}

impl Board {
    /// Reads what there is to show.
    pub fn read(workspace: &Workspace, of: Of) -> Self {
        match of {
            Of::Nothing => Self::default(),
            Of::Project(project) => Self::of_project(workspace, project),
            Of::WithoutProject => Self::without_project(workspace),
        }
    }

    /// Reads a project.
    pub fn of_project(workspace: &Workspace, project: EntityId) -> Self {
        let columns = workspace.columns(project).into_iter();
        let open = columns.filter(|id| !is_put_away(workspace, EntityKey::new(Kind::Column, *id)));
        Self {
            of: Of::Project(project),
            name: workspace.text(EntityKey::new(Kind::Project, project), project::NAME).to_owned(),
            columns: open.map(|id| Rc::new(Column::read(workspace, id))).collect(),
        }
    }

    fn without_project(workspace: &Workspace) -> Self {
        let tasks = Column::open(workspace, workspace.tasks_without_project());
        let name = WITHOUT_PROJECT.to_owned();
        let column = Column { id: None, name: name.clone(), category: 1, wip_limit: None, tasks };
        Self { of: Of::WithoutProject, name, columns: vec![Rc::new(column)] }
    }

    /// Which project it is of.
    pub fn project(&self) -> Option<EntityId> {
        match self.of {
            Of::Project(project) => Some(project),
            Of::Nothing | Of::WithoutProject => None,
        }
    }

    /// How many tasks it has.
    pub fn len(&self) -> usize {
        self.columns.iter().map(|column| column.tasks.len()).sum()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.columns.iter().all(|column| column.tasks.is_empty())
    }

    /// Where a task stands: the places of its column and within it.
    pub fn place_of(&self, task: EntityId) -> Option<(usize, usize)> {
        self.columns
            .iter()
            .enumerate()
            .find_map(|(at, column)| column.tasks.iter().position(|id| *id == task).map(|place| (at, place)))
    }

    /// The task a step away from `task`: so many columns across, so many places down. A step across
    /// skips empty columns and keeps the place as far as the column is long enough.
    pub fn step(&self, task: Option<EntityId>, across: isize, down: isize) -> Option<EntityId> {
        let first = || self.columns.iter().find_map(|column| column.tasks.first()).copied();
        let Some((at, place)) = task.and_then(|task| self.place_of(task)) else { return first() };
        if across == 0 {
            let column = self.columns.get(at)?;
            let wanted = place.saturating_add_signed(down).min(column.tasks.len().saturating_sub(1));
            return column.tasks.get(wanted).copied();
        }
        let mut next = at.checked_add_signed(across)?;
        while let Some(column) = self.columns.get(next) {
            if let Some(task) = column.tasks.get(place).or(column.tasks.last()) {
                return Some(*task);
            }
            next = next.checked_add_signed(across)?;
        }
        None
    }

    /// The place a step away from where `task` stands: for moving it by keyboard.
    pub fn move_by(&self, task: EntityId, across: isize, down: isize) -> Option<Place> {
        let (at, place) = self.place_of(task)?;
        if across != 0 {
            let column = self.columns.get(at.checked_add_signed(across)?)?;
            return Some(Place { column: column.id?, after: None });
        }
        let others: Vec<EntityId> =
            self.columns.get(at)?.tasks.iter().copied().filter(|id| *id != task).collect();
        let wanted = place.checked_add_signed(down).filter(|wanted| *wanted <= others.len())?;
        let after = wanted.checked_sub(1).and_then(|before| others.get(before)).copied();
        Some(Place { column: self.columns.get(at)?.id?, after })
    }
}

impl Column {
    fn read(workspace: &Workspace, id: EntityId) -> Self {
        let key = EntityKey::new(Kind::Column, id);
        let wip_limit = workspace.value(key, &column::WIP_LIMIT.into()).and_then(Value::as_int);
        Self {
            id: Some(id),
            name: workspace.text(key, column::NAME).to_owned(),
            category: card::category(workspace, id),
            wip_limit: wip_limit.filter(|limit| *limit > 0),
            tasks: Self::open(workspace, workspace.tasks(id)),
        }
    }

    /// Those that are not put away.
    fn open(workspace: &Workspace, tasks: Vec<EntityId>) -> Vec<EntityId> {
        let open = |task: &EntityId| workspace.task(*task).is_some_and(|task| !task.archived);
        tasks.into_iter().filter(open).collect()
    }

    /// Whether it holds more than it should.
    pub fn is_over_limit(&self) -> bool {
        self.wip_limit.is_some_and(|limit| self.tasks.len() as i64 > limit)
    }
}

fn is_put_away(workspace: &Workspace, key: EntityKey) -> bool {
    workspace.value(key, &column::ARCHIVED.into()).is_some_and(Value::is_true)
}

/// A place in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The column.
    pub column: EntityId,
    /// The task right above; `None` for the first place.
    pub after: Option<EntityId>,
}

impl Place {
    /// The change that puts a task there.
    pub fn of(self, task: EntityId) -> Change {
        let key = EntityKey::new(Kind::Task, task);
        Change::Place { key, container: Some((task::COLUMN, self.column)), after: self.after }
    }
}

/// Heights of the cards of one column, summed, so that the visible ones are found without looking
/// at the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stack {
    /// Lower edge of each card, the gap below it included.
    ends: Vec<f32>,
}

impl Stack {
    /// Stacks cards of these heights with a gap between them.
    pub fn new(heights: impl Iterator<Item = f32>, gap: f32) -> Self {
        let ends = heights.scan(0.0, |end, height| {
            *end += height + gap;
            Some(*end)
        });
        Self { ends: ends.collect() }
    }

    /// How high all are together.
    pub fn height(&self) -> f32 {
        self.ends.last().copied().unwrap_or(0.0)
    }

    /// Upper edge of a card, or the end of the stack.
    pub fn top(&self, at: usize) -> f32 {
        at.checked_sub(1).map_or(0.0, |above| self.ends.get(above).copied().unwrap_or(self.height()))
    }

    /// The cards between two heights.
    pub fn visible(&self, from: f32, to: f32) -> std::ops::Range<usize> {
        let first = self.ends.partition_point(|end| *end <= from);
        let last = (first..self.ends.len()).take_while(|at| self.top(*at) < to).count();
        first..first + last
    }

    /// The gap nearest to a height: 0 is above the first card.
    pub fn gap_at(&self, y: f32) -> usize {
        (0..self.ends.len()).take_while(|at| self.top(*at).midpoint(self.top(at + 1)) < y).count()
    }
}

/// What dropping `dragged` into the gap `gap` of `column` means; `None` if it would stay where it is.
pub fn drop_at(column: &Column, gap: usize, dragged: EntityId) -> Option<Place> {
    let now = column.tasks.iter().position(|id| *id == dragged);
    if now.is_some_and(|now| gap == now || gap == now + 1) {
        return None;
    }
    let after = gap.checked_sub(1).and_then(|above| column.tasks.get(above)).copied();
    Some(Place { column: column.id?, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> EntityId {
        EntityId([number; 16])
    }

    fn column(number: u8, tasks: &[u8]) -> Column {
        let tasks = tasks.iter().map(|task| id(*task)).collect();
        Column { id: Some(id(number)), name: String::new(), category: 1, wip_limit: Some(2), tasks }
    }

    fn board() -> Board {
        let columns = vec![column(100, &[1, 2, 3]), column(101, &[]), column(102, &[4])];
        let columns = columns.into_iter().map(Rc::new).collect();
        Board { of: Of::Nothing, name: String::new(), columns }
    }

    #[test]
    fn a_card_comes_to_stand_below_the_one_above_the_gap() {
        let column = column(100, &[1, 2, 3]);
        assert_eq!(drop_at(&column, 0, id(3)), Some(Place { column: id(100), after: None }));
        assert_eq!(drop_at(&column, 3, id(1)), Some(Place { column: id(100), after: Some(id(3)) }));
        assert_eq!(drop_at(&column, 2, id(9)), Some(Place { column: id(100), after: Some(id(2)) }));
    }

    #[test]
    fn dropping_a_card_beside_itself_changes_nothing() {
        let column = column(100, &[1, 2, 3]);
        assert_eq!(drop_at(&column, 1, id(2)), None);
        assert_eq!(drop_at(&column, 2, id(2)), None);
    }

    #[test]
    fn the_gap_is_the_one_nearest_to_the_pointer() {
        let stack = Stack::new([40.0, 80.0, 40.0].into_iter(), 10.0);
        assert!((stack.height() - 190.0).abs() < f32::EPSILON);
        for (y, gap) in [(-5.0, 0), (20.0, 0), (30.0, 1), (80.0, 1), (100.0, 2), (189.0, 3), (900.0, 3)] {
            assert_eq!(stack.gap_at(y), gap, "at {y}");
        }
        assert_eq!(Stack::default().gap_at(10.0), 0);
    }

    #[test]
    fn only_what_is_visible_is_found() {
        let stack = Stack::new(std::iter::repeat_n(50.0, 100_000), 10.0);
        assert_eq!(stack.visible(0.0, 100.0), 0..2);
        assert_eq!(stack.visible(59.0, 121.0), 0..3);
        assert_eq!(stack.visible(60.0, 120.0), 1..2);
        assert_eq!(Stack::default().visible(0.0, 100.0), 0..0);
    }

    #[test]
    fn the_keyboard_steps_over_empty_columns_and_stops_at_the_edges() {
        let board = board();
        assert_eq!(board.step(None, 0, 1), Some(id(1)));
        assert_eq!(board.step(Some(id(3)), 0, 1), Some(id(3)));
        assert_eq!(board.step(Some(id(3)), 1, 0), Some(id(4)));
        assert_eq!(board.step(Some(id(4)), -1, 0), Some(id(1)));
        assert_eq!(board.step(Some(id(4)), 1, 0), None);
        let place = |column, after: Option<u8>| Some(Place { column: id(column), after: after.map(id) });
        assert_eq!(board.move_by(id(2), 0, -1), place(100, None));
        assert_eq!(board.move_by(id(2), 0, 1), place(100, Some(3)));
        assert_eq!(board.move_by(id(3), 0, 1), None);
        assert_eq!(board.move_by(id(1), 1, 0), place(101, None));
    }
}
