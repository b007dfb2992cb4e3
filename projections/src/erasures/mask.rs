//! What was erased, masked in every row that held it in clear.

use crate::database::{Sql, Transaction, id};
use domain::erasure::Targets;
use domain::log::Position;

/// Ids of one statement.
const CHUNK: usize = 200;

/// What an event says was erased.
#[derive(Debug)]
pub(crate) struct Erased {
    pub at: Position,
    pub targets: Targets,
}

/// Runs an update that ends before the list of its ids; of rows before a position alone, where one is given.
pub(crate) async fn mask(
    update: &str,
    ids: Vec<u128>,
    before: Option<(&str, Position)>,
    open: &mut Transaction,
) -> Result<(), sqlx::Error> {
    for chunk in ids.chunks(CHUNK) {
        let mut sql = Sql::new(update).list(chunk.iter().copied().map(id));
        if let Some((column, position)) = before {
            sql = sql.push(" AND ").push(column).push(" < ").bind(position);
        }
        open.run(sql).await?;
    }
    Ok(())
}
