//! What people type where the program expects a date, an address, an id or a name of something: it is
//! understood or not, and never panics.
#![no_main]

use jiff::{Zoned, civil};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use velo_node::{
    api::{
        date,
        reference::{self, Precision},
        workspace::Introduction,
    },
    fuzzing::{is_dialable, path, plain, split_peer},
    import::{DEMO_BOARD, Target, read_trello},
    net::Multiaddr,
    short_id,
};
use velo_protocol::{
    change, codec,
    id::{DeviceId, EntityId, EntryId, Incarnation, PersonId, WorkspaceId},
    log::{EntryKind, HEADER_VERSION, Header, Origin},
    model::{self, Kind, task},
    op::DataBody,
    store::{ChainNo, EntryAt},
    time::Hlc,
    value::{Date, Value},
    workspace::Workspace,
};

const ID: WorkspaceId = WorkspaceId([1; 32]);

static NOW: LazyLock<Zoned> =
    LazyLock::new(|| civil::date(2026, 11, 22).at(15, 0, 0, 0).in_tz("UTC").expect("UTC is known"));

thread_local! {
    static BOARD: Workspace = demo_board();
}

fuzz_target!(|text: &str| {
    a_date(text);
    an_address(text.parse().ok());
    an_address(Multiaddr::try_from(text.as_bytes().to_vec()).ok());
    BOARD.with(|board| a_name(board, text));
    if let Ok(id) = text.parse::<EntityId>() {
        assert_eq!(id.to_string(), text.to_lowercase());
    }
    if let Ok(who) = Introduction::new(text) {
        assert_eq!(Introduction::new(&who.name).as_ref(), Ok(&who));
    }
});

/// A day that is shown is read as the same day again.
fn a_date(text: &str) {
    let Ok(read) = date::parse(text, &NOW) else { return };
    let shown = date::show(&read);
    if let Date::Day(_) = read {
        assert_eq!(date::parse(&shown, &NOW).as_ref(), Ok(&read), "{shown}");
    }
    let _ = model::check(Kind::Task, &task::DUE.into(), &Value::Date(read));
}

fn an_address(address: Option<Multiaddr>) {
    let Some(address) = address else { return };
    path(&address);
    is_dialable(&address);
    if let Ok((without, Some(_))) = split_peer(address.clone()) {
        assert_eq!(without, plain(&address));
    }
}

fn a_name(board: &Workspace, text: &str) {
    assert!(!short_id::prefix_from(text).is_empty());
    let found = board.find_short_id(text);
    assert!(found.len() < 2, "{found:?}");
    let _ = reference::who(board, text);
    for precision in [Precision::Part, Precision::Whole] {
        let _ = reference::label(board, text, precision);
        if let Ok(project) = reference::project(board, Some(text), precision) {
            let _ = reference::column(board, project, text, precision);
        }
    }
}

fn demo_board() -> Workspace {
    let import =
        read_trello(DEMO_BOARD.as_bytes(), Target { workspace: ID, project: None }).expect("a board");
    let mut workspace = Workspace::new(ID);
    let groups = change::build(&workspace, &import.changes, [2, 3]).expect("good changes");
    for (groups, position) in change::pack(groups).into_iter().zip(1..) {
        let body = codec::encode(&DataBody::new(groups));
        let at = EntryAt { chain: ChainNo(0), position };
        workspace.apply(&origin(), at, EntryId([position as u8; 32]), &header(body.len()), &body);
    }
    workspace
}

fn origin() -> Origin {
    Origin {
        person: PersonId([2; 32]),
        device: DeviceId([3; 32]),
        incarnation: Incarnation([4; 8]),
        founder: false,
    }
}

fn header(body: usize) -> Header {
    Header {
        version: HEADER_VERSION,
        kind: EntryKind::DATA,
        hlc: Hlc::from_ms(5),
        auth: None,
        deps: Vec::new(),
        epoch: None,
        salt: [0; 8],
        body_len: body as u32,
    }
}
