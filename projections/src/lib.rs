//! Everything with a table: read models and their queries.
