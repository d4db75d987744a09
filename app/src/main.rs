//! `velo-app`: the window; with a subcommand the command line; without a display a headless node.

mod headless;
mod window;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};
use velo_node::data_dir;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let Some(given) = window_arguments(&args) else {
        return velo_node::cli::main_with(args);
    };
    let data_dir = match given.map_or_else(data_dir::default_path, Ok) {
        Ok(data_dir) => data_dir,
        Err(error) => return fail(&error.to_string()),
    };
    if let Some(holder) = data_dir::holder(&data_dir) {
        let path = data_dir.display();
        return fail(&format!(
            "{path} is in use by {holder}: use that, close it, or give another --data-dir"
        ));
    }
    if !has_display() {
        return headless::run(&data_dir, "there is no display (DISPLAY and WAYLAND_DISPLAY are not set)");
    }
    match window::run(&data_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(window::Failed::Node(error)) => fail(&error),
        Err(window::Failed::Display(error)) => headless::run(&data_dir, &error),
    }
}

/// The data directory, if the arguments ask for the window: none at all, or `--data-dir DIR` alone.
fn window_arguments(args: &[OsString]) -> Option<Option<PathBuf>> {
    match args {
        [] | [_] => Some(None),
        [_, flag, dir] if flag == "--data-dir" => Some(Some(dir.into())),
        [_, one] => one.to_str()?.strip_prefix("--data-dir=").map(|dir| Some(dir.into())),
        _ => None,
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
    use super::*;

    fn asked(args: &[&str]) -> Option<Option<PathBuf>> {
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        window_arguments(&args)
    }

    #[test]
    fn the_window_opens_without_a_subcommand() {
        assert_eq!(asked(&["velo-app"]), Some(None));
        assert_eq!(asked(&["velo-app", "--data-dir", "/tmp/a"]), Some(Some("/tmp/a".into())));
        assert_eq!(asked(&["velo-app", "--data-dir=/tmp/a"]), Some(Some("/tmp/a".into())));
    }

    #[test]
    fn everything_else_is_the_command_line() {
        for args in [
            &["velo-app", "demo"][..],
            &["velo-app", "--help"],
            &["velo-app", "--data-dir", "/tmp/a", "node"],
        ] {
            assert_eq!(asked(args), None, "{args:?}");
        }
    }
}
