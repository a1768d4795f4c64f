//! The tables of the environment, and their names.

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, MdbError, WithoutTls};

use crate::Keyspace;
use crate::state::State;

pub(crate) type Table = Database<'static, Bytes, Bytes>;

/// Every table, open.
pub(crate) struct Tables {
    /// One record: [`State`].
    pub(crate) state: Table,
    /// Events by number.
    pub(crate) audit: Table,
    /// Numbers of events by what they are about.
    pub(crate) audit_index: Table,
    keyspaces: [Table; Keyspace::ALL.len()],
}

impl Tables {
    pub(crate) fn keyspace(&self, keyspace: Keyspace) -> Table {
        // The discriminants number `Keyspace::ALL`, which a test holds.
        self.keyspaces[keyspace as usize]
    }
}

/// The store's own tables, then the keyspaces. Names never change.
const OWN_TABLES: [&str; 3] = ["state", "audit", "audit_index"];
const TABLES: usize = OWN_TABLES.len() + Keyspace::ALL.len();

fn names() -> [&'static str; TABLES] {
    let mut all = OWN_TABLES.into_iter().chain(Keyspace::ALL.into_iter().map(Keyspace::name));
    std::array::from_fn(|_| all.next().unwrap_or_default())
}

impl From<[Table; TABLES]> for Tables {
    fn from([state, audit, audit_index, keyspaces @ ..]: [Table; TABLES]) -> Self {
        Self { state, audit, audit_index, keyspaces }
    }
}

/// Every table, if none is missing.
pub(super) fn all(tables: &[Option<Table>; TABLES]) -> Option<[Table; TABLES]> {
    let found: Vec<Table> = tables.iter().flatten().copied().collect();
    found.try_into().ok()
}

pub(super) fn find(env: &Env<WithoutTls>) -> heed::Result<[Option<Table>; TABLES]> {
    let opened = env.open_databases_and_commit(env.read_txn()?, |opener, txn| {
        let mut tables = [const { None }; TABLES];
        for (table, name) in tables.iter_mut().zip(names()) {
            *table = opener.open_database::<Bytes, Bytes>(txn, Some(name))?;
        }
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(tables))
    })?;
    Ok(opened.unwrap_commit())
}

/// Makes the tables that are missing, and the first state with its table.
pub(super) fn create(env: &Env<WithoutTls>) -> heed::Result<[Table; TABLES]> {
    let created = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
        let mut tables = Vec::with_capacity(TABLES);
        for name in names() {
            tables.push(opener.create_database::<Bytes, Bytes>(txn, Some(name))?);
        }
        let Ok(tables) = <[_; TABLES]>::try_from(tables) else { return Err(MdbError::DbsFull.into()) };
        if tables[0].is_empty(txn)? {
            State::default().save(txn, tables[0])?;
        }
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(tables))
    })?;
    Ok(created.unwrap_commit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyspaces_are_numbered_as_listed() {
        for (index, keyspace) in Keyspace::ALL.into_iter().enumerate() {
            assert_eq!(keyspace as usize, index);
            assert_eq!(names()[OWN_TABLES.len() + index], keyspace.name());
        }
    }
}
