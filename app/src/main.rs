//! `velo-app`: the window; with a subcommand the command line; without a display a headless node.

mod headless;
mod window;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};
use velo_node::data_dir;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let data_dir = match asked(&args) {
        Asked::CommandLine => return velo_node::cli::main_with(args),
        Asked::Window => data_dir::default_path(data_dir::PROGRAM),
        Asked::WindowOn(data_dir) => Ok(data_dir),
    };
    let data_dir = match data_dir {
        Ok(data_dir) => data_dir,
        Err(error) => return fail(&error.to_string()),
    };
    if !has_display() {
        return headless::run(&data_dir, "there is no display (DISPLAY and WAYLAND_DISPLAY are not set)");
    }
    match window::run(&data_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(window::Failed::Node(error)) => fail(&error),
        Err(window::Failed::Display(error)) => {
            eprintln!("{error}");
            headless::run(&data_dir, "the display could not be used")
        }
    }
}

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// The window on the default data directory: no arguments.
    Window,
    /// The window on another one: `--data-dir DIR` alone.
    WindowOn(PathBuf),
    /// Anything else.
    CommandLine,
}

fn asked(args: &[OsString]) -> Asked {
    match args {
        [] | [_] => Asked::Window,
        [_, flag, dir] if flag == "--data-dir" => Asked::WindowOn(dir.into()),
        [_, one] => match one.to_str().and_then(|one| one.strip_prefix("--data-dir=")) {
            Some(dir) => Asked::WindowOn(dir.into()),
            None => Asked::CommandLine,
        },
        _ => Asked::CommandLine,
    }
}

fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

fn fail(problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::{Asked, OsString};

    fn asked(args: &[&str]) -> Asked {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        super::asked(&args)
    }

    #[test]
    fn the_window_opens_without_a_subcommand() {
        assert_eq!(asked(&["velo-app"]), Asked::Window);
        assert_eq!(asked(&["velo-app", "--data-dir", "/tmp/a"]), Asked::WindowOn("/tmp/a".into()));
        assert_eq!(asked(&["velo-app", "--data-dir=/tmp/a"]), Asked::WindowOn("/tmp/a".into()));
    }

    #[test]
    fn everything_else_is_the_command_line() {
        for args in [
            &["velo-app", "demo"][..],
            &["velo-app", "--help"],
            &["velo-app", "--data-dir", "/tmp/a", "node"],
        ] {
            assert_eq!(asked(args), Asked::CommandLine, "{args:?}");
        }
    }
}
