//! `velo`: the command line and the headless node.

fn main() -> std::process::ExitCode {
    velo_node::cli::main_with(std::env::args_os())
}
