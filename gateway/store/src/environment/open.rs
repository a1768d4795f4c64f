//! Making a store, opening one, and refusing what is none.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use heed::{Env, WithoutTls};

use super::tables::{self, Tables};
use super::{lengthen, map, round_up, used};
use crate::error::io_error;
use crate::owner::Owner;
use crate::state::{SCHEMA, State};
use crate::{OpenError, Options};

const DATA: &str = "data.mdb";
/// A store is made here and then renamed, so that a data file that exists is whole.
const NURSERY: &str = "new";

/// Takes the store's lock, makes it where there is none, and opens it.
pub(super) fn open(
    folder: &Path,
    options: &Options,
) -> Result<(Env<WithoutTls>, Tables, File, Owner), OpenError> {
    let data = folder.join(DATA);
    let at = |source| OpenError::Io { path: data.clone(), source };
    let owner = if options.readonly {
        if !data.try_exists().map_err(at)? {
            return Err(OpenError::Missing { path: data });
        }
        Owner::shared(folder)?
    } else {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at)?;
        let owner = Owner::exclusive(folder)?;
        if !data.try_exists().map_err(at)? {
            create(folder).map_err(at)?;
        }
        owner
    };
    let (env, tables) = open_existing(folder, &data, options)?;
    let file = File::options().read(true).write(!options.readonly).open(&data).map_err(at)?;
    if !options.readonly {
        lengthen(&env, &file).map_err(at)?;
    }
    Ok((env, tables, file, owner))
}

/// Makes an empty store aside and moves it into place, so that a crash leaves a whole one or none.
fn create(folder: &Path) -> io::Result<()> {
    let nursery = folder.join(NURSERY);
    match fs::remove_dir_all(&nursery) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(&nursery)?;
    let env = map::open(&nursery, 1 << 20, false).map_err(io_error)?;
    tables::create(&env).map_err(io_error)?;
    drop(env);
    fs::rename(nursery.join(DATA), folder.join(DATA))?;
    fs::remove_dir_all(&nursery)?;
    File::open(folder)?.sync_all()
}

fn open_existing(
    folder: &Path,
    data: &Path,
    options: &Options,
) -> Result<(Env<WithoutTls>, Tables), OpenError> {
    let refused = |error| refusal(data, error);
    let length = fs::metadata(data).map_err(|error| refused(error.into()))?.len();
    if length == 0 {
        // LMDB would make a new store of it.
        return Err(damaged(data, "it is empty"));
    }
    let env = map::open(folder, round_up(options.map_size), options.readonly).map_err(refused)?;
    if length < used(&env) as u64 {
        // To read a page that is not there would end the process.
        return Err(damaged(data, "it was cut"));
    }
    let found = tables::find(&env).map_err(refused)?;
    let [Some(state), ..] = found else { return Err(damaged(data, "it has no state")) };
    let schema = env.read_txn().and_then(|txn| State::load_schema(&txn, state)).map_err(refused)?;
    if schema > SCHEMA {
        return Err(OpenError::NewerSchema { found: schema, supported: SCHEMA });
    }
    let tables = match tables::all(&found) {
        Some(tables) => tables,
        None if options.readonly => return Err(damaged(data, "a table is missing")),
        None => tables::create(&env).map_err(refused)?,
    };
    if !options.readonly {
        env.clear_stale_readers().map_err(refused)?;
    }
    Ok((env, tables.into()))
}

fn damaged(data: &Path, why: &str) -> OpenError {
    OpenError::Damaged { path: data.to_owned(), why: why.to_owned() }
}

fn refusal(data: &Path, error: heed::Error) -> OpenError {
    match error {
        heed::Error::Io(source) => OpenError::Io { path: data.to_owned(), source },
        other => damaged(data, &other.to_string()),
    }
}
