//! The API over HTTPS, end to end: who is let in, what is answered, and what hostile clients get.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

mod certificates;
mod description;
mod documents;
mod exports;
mod framing;
mod remote;
mod server_certificate;

use std::path::PathBuf;

use mezite_fixtures::{Scene, SceneOptions};
use mezite_integration::hostile::Shown;

/// A scene with the administrator `root`, and the beginning of the names of the files with its credentials.
fn with_root() -> (Scene, PathBuf) {
    let scene = Scene::with(SceneOptions::default());
    scene.mezctl.ok(&["users", "add", "root", "--roles=admin"]);
    let prefix = credentials(&scene, "root", "1h");
    (scene, prefix)
}

/// Signs credentials for TLS.
fn credentials(scene: &Scene, user: &str, ttl: &str) -> PathBuf {
    let prefix = scene.scratch.join(format!("tls-{user}"));
    let out = prefix.display().to_string();
    scene.mezctl.ok(&["auth", "sign", "--user", user, "--format=tls", "--ttl", ttl, "--out", &out]);
    prefix
}

/// The same, for a client of our own.
fn shown(scene: &Scene, user: &str) -> Shown {
    Shown::at(&credentials(scene, user, "1h"))
}
