//! Lists: one table for each type of thing, the same in `ls` and in `get`.

use std::marker::PhantomData;

use clap::Args;
use mezite_api::client::{Client, ClientError};
use mezite_console::{CommandError, Output};
use serde::Serialize;

/// What is listed.
pub(crate) trait Listed: Serialize + Sized {
    /// The headings of its columns.
    const HEADINGS: &'static [&'static str];

    /// All that there are.
    fn all(client: &Client) -> Result<Vec<Self>, ClientError>;

    /// What stands under the headings.
    fn row(&self) -> Vec<String>;
}

/// Writes a list.
pub(crate) fn show<T: Listed>(output: Output, items: &[T]) -> Result<(), CommandError> {
    output.list(items, T::HEADINGS, T::row)
}

/// Lists all of them.
#[derive(Debug, Args)]
pub(crate) struct Ls<T: Listed> {
    #[command(flatten)]
    output: Output,
    #[arg(skip = PhantomData)]
    listed: PhantomData<fn() -> T>,
}

impl<T: Listed> Ls<T> {
    pub(crate) fn run(self, client: &Client) -> Result<(), CommandError> {
        show(self.output, &T::all(client)?)
    }
}
