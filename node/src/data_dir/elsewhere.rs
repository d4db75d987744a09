//! Logs that lie outside the data directory.

use super::{DataDir, DataDirError, failed, write_durably};
use std::{fs, io};

/// What is said of logs in the directory itself.
const HERE: &str = "files";

impl DataDir {
    /// Notes that the logs lie in `home`, or in the directory itself. From then on it is not opened with logs
    /// that lie elsewhere: those that are not found there would be taken for lost.
    pub fn keep_logs_in(&self, home: Option<&str>) -> Result<(), DataDirError> {
        let path = self.path.join("logs-in");
        let noted = match fs::read_to_string(&path) {
            Ok(noted) => Some(noted),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("reading", &path)(error)),
        };
        let (here, is_new) = (home.unwrap_or(HERE), self.names()?.is_empty());
        match noted.as_deref() {
            None if home.is_some() && is_new => write_durably(&path, here.as_bytes()),
            noted if noted.unwrap_or(HERE) == here => Ok(()),
            noted => {
                let there = noted.unwrap_or(HERE).to_owned();
                Err(DataDirError::Elsewhere { path: self.path.clone(), there, here: here.to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_looked_for_where_they_lie() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::open(home.path()).unwrap();
        dir.keep_logs_in(None).unwrap();
        // Nothing was written yet: it may still become the directory of a relay.
        dir.keep_logs_in(Some("a database")).unwrap();
        dir.keep_logs_in(Some("a database")).unwrap();
        let error = dir.keep_logs_in(None).unwrap_err().to_string();
        assert!(error.contains("lie in a database, not in files"), "{error}");
        fs::remove_file(dir.path().join("logs-in")).unwrap();
        fs::create_dir(dir.path().join("workspaces/something")).unwrap();
        let error = dir.keep_logs_in(Some("a database")).unwrap_err().to_string();
        assert!(error.contains("lie in files, not in a database"), "{error}");
    }
}
