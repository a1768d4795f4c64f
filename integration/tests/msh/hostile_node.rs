//! A node whose sftp server lies: what `msh scp` and `msh sftp` bring home stays where it was sent.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mezite_fixtures::{Finished, Msh, Scene, program};
use mezite_integration::bot::{Identity, add_bot};

struct Hostile<'a> {
    scene: &'a Scene,
    msh: Msh,
    folder: PathBuf,
}

impl<'a> Hostile<'a> {
    fn new(scene: &'a Scene) -> Self {
        let folder = Identity::joined(scene, "certs", &add_bot(scene)).folder;
        let home = scene.scratch.join("home");
        fs::create_dir_all(&home).unwrap();
        Self { scene, msh: Msh::at(&home), folder }
    }

    /// `msh scp OPTIONS LOGIN@node1:FROM TO`
    fn scp(&self, options: &[&str], from: &str, to: &Path) -> Finished {
        let from = format!("{}@node1:{from}", self.scene.login);
        let mut words = vec!["scp", "--identity", self.folder.to_str().unwrap()];
        words.extend(options);
        words.extend([from.as_str(), to.to_str().unwrap()]);
        self.msh.run(&words)
    }
}

/// A scene whose node has the hostile server behave so.
fn scene(behaviour: &str) -> Scene {
    let mut scene = Scene::start();
    let server = program("hostile-sftp");
    scene.sshd.configure(&[&format!("ForceCommand {} {behaviour}", server.display())]);
    scene
}

/// The files below a folder.
fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    found.sort();
    found
}

#[test]
fn hostile_042_names_that_lead_out_of_the_target_are_not_followed() {
    let scene = scene("names");
    let hostile = Hostile::new(&scene);
    let (outer, target) = (scene.scratch.join("outer"), scene.scratch.join("outer/target"));
    fs::create_dir_all(&target).unwrap();
    let said = hostile.scp(&["-r"], "/folder", &target);
    assert_ne!(said.code, Some(0), "it is said that something was wrong: {said:?}");
    let all = below(&outer);
    assert!(all.contains(&"good".to_owned()), "it was listened to: {all:?} {said:?}");
    let odd: Vec<_> =
        all.iter().filter(|name| !["target", "folder", "good"].contains(&name.as_str())).collect();
    assert!(odd.iter().all(|name| name.starts_with("esc")), "{all:?}");

    assert!(!Path::new("/tmp/elsewhere").exists());
    assert!(!said.err().contains('\u{1b}') && !said.out().contains('\u{1b}'), "{said:?}");
}

#[test]
fn hostile_042_modes_of_a_node_give_nobody_rights() {
    let scene = scene("mode");
    let hostile = Hostile::new(&scene);
    let target = scene.scratch.join("program");
    hostile.scp(&[], "/program", &target).assert_ok();
    assert_eq!(fs::read(&target).unwrap(), b"evil");
    let mode = fs::metadata(&target).unwrap().permissions().mode();
    assert_eq!(mode & 0o7000, 0, "{mode:o}");
}

#[test]
fn hostile_042_sizes_ids_and_frames_are_not_believed() {
    for behaviour in ["short", "id", "frame"] {
        let scene = scene(behaviour);
        let hostile = Hostile::new(&scene);
        let target = scene.scratch.join("file");
        let said = hostile.scp(&[], "/file", &target);
        let length = fs::metadata(&target).map_or(0, |facts| facts.len());
        assert!(length <= 4, "{behaviour}: {length} bytes");
        if behaviour != "short" {
            assert_ne!(said.code, Some(0), "{behaviour}: {said:?}");
            assert!(!target.exists(), "{behaviour}");
        }
    }
}
