//! Icons: characters of the Lucide font, painted in the family [`crate::fonts::ICONS`].

/// Lucide `search`.
pub const SEARCH: &str = "\u{e151}";
/// Lucide `plus`.
pub const PLUS: &str = "\u{e13d}";
/// Lucide `star`.
pub const STAR: &str = "\u{e176}";
/// Lucide `x`.
pub const X: &str = "\u{e1b2}";
/// Lucide `check`.
pub const CHECK: &str = "\u{e06c}";
/// Lucide `chevron-right`.
pub const CHEVRON_RIGHT: &str = "\u{e06f}";
/// Lucide `chevron-down`.
pub const CHEVRON_DOWN: &str = "\u{e06d}";
/// Lucide `circle`.
pub const CIRCLE: &str = "\u{e076}";
/// Lucide `circle-dashed`.
pub const CIRCLE_DASHED: &str = "\u{e4b0}";
/// Lucide `contrast`.
pub const CONTRAST: &str = "\u{e09d}";
/// Lucide `circle-check`.
pub const CIRCLE_CHECK: &str = "\u{e226}";
/// Lucide `circle-x`.
pub const CIRCLE_X: &str = "\u{e084}";
/// Lucide `signal-high`.
pub const SIGNAL_HIGH: &str = "\u{e260}";
/// Lucide `signal-medium`.
pub const SIGNAL_MEDIUM: &str = "\u{e262}";
/// Lucide `signal-low`.
pub const SIGNAL_LOW: &str = "\u{e261}";
/// Lucide `octagon-alert`.
pub const OCTAGON_ALERT: &str = "\u{e127}";
/// Lucide `minus`.
pub const MINUS: &str = "\u{e11c}";
/// Lucide `triangle-alert`.
pub const TRIANGLE_ALERT: &str = "\u{e193}";
/// Lucide `calendar`.
pub const CALENDAR: &str = "\u{e063}";
/// Lucide `tag`.
pub const TAG: &str = "\u{e17f}";
/// Lucide `user`.
pub const USER: &str = "\u{e19f}";
/// Lucide `user-plus`.
pub const USER_PLUS: &str = "\u{e1a2}";
/// Lucide `users`.
pub const USERS: &str = "\u{e1a4}";
/// Lucide `message-square`.
pub const MESSAGE_SQUARE: &str = "\u{e117}";
/// Lucide `list-checks`.
pub const LIST_CHECKS: &str = "\u{e1d0}";
/// Lucide `square`.
pub const SQUARE: &str = "\u{e167}";
/// Lucide `square-check`.
pub const SQUARE_CHECK: &str = "\u{e559}";
/// Lucide `square-kanban`.
pub const SQUARE_KANBAN: &str = "\u{e170}";
/// Lucide `rows-3`.
pub const ROWS_3: &str = "\u{e58a}";
/// Lucide `folder-kanban`.
pub const FOLDER_KANBAN: &str = "\u{e4c6}";
/// Lucide `undo-2`.
pub const UNDO_2: &str = "\u{e2a1}";
/// Lucide `redo-2`.
pub const REDO_2: &str = "\u{e2a0}";
/// Lucide `trash-2`.
pub const TRASH_2: &str = "\u{e18e}";
/// Lucide `archive-restore`.
pub const ARCHIVE_RESTORE: &str = "\u{e2cd}";
/// Lucide `folder-x`.
pub const FOLDER_X: &str = "\u{e33e}";
/// Lucide `git-merge`.
pub const GIT_MERGE: &str = "\u{e0e4}";
/// Lucide `refresh-cw`.
pub const REFRESH_CW: &str = "\u{e145}";
/// Lucide `wifi-off`.
pub const WIFI_OFF: &str = "\u{e1af}";
/// Lucide `monitor`.
pub const MONITOR: &str = "\u{e11d}";
/// Lucide `copy`.
pub const COPY: &str = "\u{e09e}";
/// Lucide `sun`.
pub const SUN: &str = "\u{e178}";
/// Lucide `moon`.
pub const MOON: &str = "\u{e11e}";
/// Lucide `ticket`.
pub const TICKET: &str = "\u{e20f}";
/// Lucide `clock`.
pub const CLOCK: &str = "\u{e087}";
/// Lucide `history`.
pub const HISTORY: &str = "\u{e1f5}";
/// Lucide `pencil`.
pub const PENCIL: &str = "\u{e1f9}";
/// Lucide `arrow-right`.
pub const ARROW_RIGHT: &str = "\u{e049}";
/// Lucide `keyboard`.
pub const KEYBOARD: &str = "\u{e284}";
/// Lucide `log-in`.
pub const LOG_IN: &str = "\u{e10d}";
/// Lucide `sparkles`.
pub const SPARKLES: &str = "\u{e412}";
/// Lucide `info`.
pub const INFO: &str = "\u{e0f9}";
/// Lucide `check-check`.
pub const CHECK_CHECK: &str = "\u{e38e}";
/// Lucide `circle-alert`.
pub const CIRCLE_ALERT: &str = "\u{e077}";
/// Lucide `send`.
pub const SEND: &str = "\u{e152}";
/// Lucide `cloud-off`.
pub const CLOUD_OFF: &str = "\u{e08d}";
/// Lucide `panel-right-close`.
pub const PANEL_RIGHT_CLOSE: &str = "\u{e432}";
/// Lucide `panel-left`.
pub const PANEL_LEFT: &str = "\u{e12a}";
/// Lucide `server`.
pub const SERVER: &str = "\u{e153}";
/// Lucide `radio-tower`.
pub const RADIO_TOWER: &str = "\u{e404}";
/// Lucide `crown`.
pub const CROWN: &str = "\u{e1d6}";
/// Lucide `shield`.
pub const SHIELD: &str = "\u{e158}";
/// Lucide `eye`.
pub const EYE: &str = "\u{e0ba}";
/// Lucide `user-x`.
pub const USER_X: &str = "\u{e1a3}";
/// Lucide `user-minus`.
pub const USER_MINUS: &str = "\u{e1a1}";
/// Lucide `log-out`.
pub const LOG_OUT: &str = "\u{e10e}";
/// Lucide `link-2-off`.
pub const LINK_2_OFF: &str = "\u{e104}";
/// Lucide `hourglass`.
pub const HOURGLASS: &str = "\u{e296}";
/// Lucide `laptop`.
pub const LAPTOP: &str = "\u{e1cd}";
/// Lucide `key-round`.
pub const KEY_ROUND: &str = "\u{e4a3}";
/// Lucide `lock-open`.
pub const LOCK_OPEN: &str = "\u{e10c}";
/// Lucide `image-up`.
pub const IMAGE_UP: &str = "\u{e5cb}";
/// Lucide `ticket-x`.
pub const TICKET_X: &str = "\u{e5b3}";
/// Lucide `paperclip`.
pub const PAPERCLIP: &str = "\u{e12d}";
/// Lucide `hard-drive`.
pub const HARD_DRIVE: &str = "\u{e0ed}";
/// Lucide `download`.
pub const DOWNLOAD: &str = "\u{e0b2}";
/// Lucide `cloud-download`.
pub const CLOUD_DOWNLOAD: &str = "\u{e089}";
/// Lucide `file`.
pub const FILE: &str = "\u{e0c0}";
/// Lucide `link`.
pub const LINK: &str = "\u{e102}";
/// Lucide `stethoscope`.
pub const STETHOSCOPE: &str = "\u{e2f1}";
/// Lucide `file-down`.
pub const FILE_DOWN: &str = "\u{e318}";
/// Lucide `circle-pause`.
pub const CIRCLE_PAUSE: &str = "\u{e07f}";
