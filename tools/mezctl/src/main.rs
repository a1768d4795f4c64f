//! `mezctl`: administers a gateway, over its Unix socket or from elsewhere.

mod commands;
mod documents;
mod editor;
mod gateway;
mod listing;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use commands::Command;
use gateway::Gateway;

/// Administers a Mezite gateway.
///
/// Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 not found, 5 conflict, 6 unreachable.
#[derive(Debug, Parser)]
#[command(name = "mezctl", version, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    gateway: Gateway,

    #[command(subcommand)]
    command: Command,
}

/// The command line, for completion.
fn command() -> clap::Command {
    Arguments::command()
}

fn main() -> ExitCode {
    let arguments: Arguments = match mezite_console::arguments("mezctl") {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let client = arguments.gateway.client();
    match client.and_then(|client| arguments.command.run(&client)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report("mezctl"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_documented_commands_are_read() {
        for line in [
            "nodes add --openssh --name=N --host=H --port=22 --labels=k=v,k2=v2 --host-key=x --verify-host-key",
            "nodes get N --format yaml",
            "nodes ls --labels env=prod --format json",
            "nodes update N --labels=a=b",
            "nodes rotate-host-key N --host-key-file=F",
            "nodes rm N",
            "nodes check N --login root --format json",
            "nodes check --all --labels env=prod",
            "nodes join-script --gateway gateway.example.com:3025",
            "tokens add --type=node --ttl=1h --labels=k=v --format json",
            "tokens ls --format json",
            "tokens rm 00000000-0000-4000-8000-000000000000",
            "roles create -f role.yaml",
            "roles ls --format json",
            "roles get dev",
            "roles rm dev",
            "bots add --name=github-deploy --roles=ci-deployer --token-ttl=1h --ttl=30m --format json",
            "bots ls --format yaml",
            "bots show github-deploy",
            "bots instances github-deploy",
            "bots rotate-token github-deploy --revoke",
            "bots lock github-deploy",
            "bots unlock github-deploy --instance 00000000-0000-4000-8000-000000000000",
            "bots rm github-deploy",
            "users add alice --roles=a,b --logins=x,y --trait k=v --trait k=w",
            "users add alice --roles=a --token-ttl=10m --format json",
            "users reset alice --token-ttl=10m",
            "users update alice --set-roles=a",
            "users get alice --format json",
            "users ls",
            "users rm alice",
            "auth sign --user=alice --key=alice.pub --ttl=8h --out=alice-cert.pub",
            "auth sign --user=alice --format=tls --out=alice",
            "auth export --type=openssh",
            "--server gateway.example.com:3025 --identity alice --ca-pin sha256:00 status",
            "nodes ls --server gateway.example.com",
            "access explain alice ubuntu@db-legacy-01",
            "ssh-config --user alice",
            "ssh-config --known-hosts",
            "status --wait 10s",
            "audit ls --type session.start --user alice --node N --since 1h",
            "recordings ls --format json",
            "recordings play S --speed 2 --idle-limit 1s --raw",
            "recordings export S --format asciicast --out F",
            "locks add --user alice --ttl 1h --message bye",
            "create -f role.yaml --force",
            "create node.yaml",
            "apply -f a.yaml -f b.yaml",
            "apply -f -",
            "get all",
            "get node/db-1 --format json",
            "get roles users --format yaml",
            "edit nodes/db-1",
            "nodes ls -v --search db",
            "rm -f role.yaml",
            "rm node/db-1 role/dba",
            "export",
            "completion bash",
            "certs revoke --serial 7 --reason lost",
            "certs revoke --user alice",
            "certs revoke --key-file alice.pub",
            "certs revoked --format json",
            "certs ls",
            "certs unrevoke 00000000-0000-4000-8000-000000000000",
            "locks rm 00000000-0000-4000-8000-000000000000",
        ] {
            let words = ["mezctl"].into_iter().chain(line.split(' '));
            Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn half_commands_are_refused() {
        for line in [
            "nodes",
            "nodes add --name=N --host=H",
            "users update alice",
            "locks add",
            "certs revoke",
            "certs revoke --serial 7 --user alice",
            "apply",
            "create",
            "get",
            "edit",
            "rm",
            "rm -f a b/c",
            "auth export",
        ] {
            let words = ["mezctl"].into_iter().chain(line.split(' '));
            Arguments::try_parse_from(words).expect_err(line);
        }
    }
}
