//! `velo-relay`: a peer that stays awake, so that people who are never online together still meet.
//!
//! It is the headless node under a name of its own, with the same commands and the same store.

fn main() -> std::process::ExitCode {
    velo_node::cli::main_with(std::env::args_os())
}
