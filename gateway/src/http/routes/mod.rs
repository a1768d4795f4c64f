//! What is served: one file a resource.

mod ca;
mod health;

use std::sync::Arc;

use super::app::App;
use crate::shared::Shared;

/// What anybody may ask, over TLS.
pub fn public(shared: &Arc<Shared>) -> App {
    let mut app = App::new();
    ca::add(&mut app, shared);
    health::add(&mut app, shared);
    app
}
