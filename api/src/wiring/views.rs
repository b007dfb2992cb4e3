//! The database of the read models: files beside the log, or PostgreSQL elsewhere.

use super::{StartError, log};
use crate::config::Config;
use projections::Database;

/// The database that the configuration names.
///
/// # Errors
/// [`StartError::File`], where the file with its password cannot be read.
pub fn database_of(config: &Config) -> Result<Database, StartError> {
    let Some(url) = &config.database else { return Ok(Database::files(&config.data)) };
    let url = match &config.database_password_file {
        Some(file) => url.clone().with_password(&log::secret("database_password_file", file)?),
        None => url.clone(),
    };
    Ok(Database::postgres(&url, &config.database_schema))
}
