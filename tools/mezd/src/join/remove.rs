//! `mezd join openssh --remove`: takes out what a join has put in, and that only.

use super::OpenSsh;
use super::config;
use super::error::JoinError;
use super::exchange::Gateway;
use super::files::{self, Changes};
use super::host_keys;
use super::layout::Layout;
use super::sshd::Sshd;
use super::state::State;

/// First sshd, then the entry. What was done once is not done again, so that it can be repeated when the gateway is away.
pub(super) fn run(wanted: OpenSsh) -> Result<(), JoinError> {
    let sshd = Sshd::find(wanted.sshd, &wanted.sshd_config)?;
    let text = files::read(&sshd.config)?.unwrap_or_default();
    let layout = Layout::of(&sshd.config, &text)?;
    let Some(state) = files::read(&layout.state_file())? else {
        println!("nothing to do: this machine has not joined");
        return Ok(());
    };
    let state = State::parse(&state)?;
    let keys = host_keys::own_keys(&sshd.effective()?)?;
    let mut changes = Changes::default();
    let done = take_out(&sshd, &layout, &state, &text, &mut changes).and_then(|()| {
        if changes.is_empty() { Ok(()) } else { sshd.reload(wanted.reload_command.as_deref()) }
    });
    if let Err(error) = done {
        for failed in changes.undo() {
            eprintln!("mezd: not undone: {}", mezite_api::escape(failed));
        }
        return Err(error);
    }
    let given = wanted.ca_pin.as_deref().filter(|pin| !pin.is_empty()).map(str::parse).transpose()?;
    let gateway = Gateway::at(&state.server, given.or(state.pin))?;
    let key = keys.first().ok_or_else(|| JoinError::Local("no host key".into()))?;
    let left = gateway.leave(state.node, key).map_err(|error| {
        let name = mezite_api::escape(&state.name);
        JoinError::Gateway(format!(
            "sshd is as it was, but the node's entry stays: {error}. Repeat it, or 'mezctl nodes rm {name}'"
        ))
    })?;
    let mut last = Changes::default();
    last.remove(&layout.state_file())?;
    let name = mezite_api::escape(&state.name);
    if left {
        println!("removed: {name} is no node any more");
    } else {
        println!("removed; the gateway had no node {name} with this host key any more");
    }
    Ok(())
}

/// The files, but the record of the join: the entry still needs it.
fn take_out(
    sshd: &Sshd,
    layout: &Layout,
    state: &State,
    text: &[u8],
    changes: &mut Changes,
) -> Result<(), JoinError> {
    changes.put(&sshd.config, &config::without_block(text))?;
    if let Some(drop_in) = &state.drop_in {
        changes.remove(drop_in)?;
    }
    if let Some(merged) = &state.merged
        && let Some(text) = files::read(merged)?.filter(|text| config::has_block(text))
    {
        changes.put(merged, &config::without_block(&text))?;
    }
    for path in &state.certificates {
        changes.remove(path)?;
    }
    changes.remove(&layout.ca_file())?;
    sshd.test()
}
