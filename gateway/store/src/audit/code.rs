//! The codes of events: short, and never given to another type. `I` is what is meant to happen, `W` what was refused, `E`
//! what somebody should look at.

/// Type → code, by what events are about.
const CODES: &[(&str, &str)] = &[
    // Certificates and who shows them.
    ("cert.issue", "MEZ1001I"),
    ("cert.refuse", "MEZ1002W"),
    ("auth.fail", "MEZ1003W"),
    ("cert.revoke", "MEZ1004I"),
    ("cert.unrevoke", "MEZ1005I"),
    // Connections and what happens in them.
    ("access.refuse", "MEZ2001W"),
    ("connection.open", "MEZ2002I"),
    ("connection.close", "MEZ2003I"),
    ("jump.open", "MEZ2004I"),
    ("jump.close", "MEZ2005I"),
    ("session.start", "MEZ2101I"),
    ("session.end", "MEZ2102I"),
    ("session.join", "MEZ2103I"),
    ("session.leave", "MEZ2104I"),
    ("forward.open", "MEZ2201I"),
    ("forward.close", "MEZ2202I"),
    ("forward.refuse", "MEZ2203W"),
    ("request.refuse", "MEZ2204W"),
    ("sftp.op", "MEZ2301I"),
    // What is configured.
    ("node.create", "MEZ3001I"),
    ("node.update", "MEZ3002I"),
    ("node.delete", "MEZ3003I"),
    ("node.hostkey.rotate", "MEZ3004I"),
    ("node.hostkey.mismatch", "MEZ3005E"),
    ("node.join", "MEZ3006I"),
    ("node.leave", "MEZ3007I"),
    ("role.create", "MEZ3101I"),
    ("role.update", "MEZ3102I"),
    ("role.delete", "MEZ3103I"),
    ("user.create", "MEZ3201I"),
    ("user.update", "MEZ3202I"),
    ("user.delete", "MEZ3203I"),
    ("user.setup.begin", "MEZ3204I"),
    ("user.setup", "MEZ3205I"),
    ("user.reset", "MEZ3206I"),
    ("user.login", "MEZ3207I"),
    ("user.mfa", "MEZ3208I"),
    ("bot.create", "MEZ3301I"),
    ("bot.update", "MEZ3302I"),
    ("bot.delete", "MEZ3303I"),
    ("bot.rotate", "MEZ3304I"),
    ("bot.join", "MEZ3305I"),
    ("bot.renew", "MEZ3306I"),
    ("bot.confirm", "MEZ3307I"),
    ("bot.generation.mismatch", "MEZ3308E"),
    ("token.create", "MEZ3401I"),
    ("token.use", "MEZ3402I"),
    ("token.delete", "MEZ3403I"),
    ("token.refuse", "MEZ3404W"),
    ("token.throttle", "MEZ3405W"),
    ("lock.create", "MEZ3501I"),
    ("lock.delete", "MEZ3502I"),
    // Keys of the cluster.
    ("ca.create", "MEZ4001I"),
    ("ca.rotate", "MEZ4002I"),
    ("ca.rotate.refuse", "MEZ4003W"),
    // Recordings.
    ("recording.fail", "MEZ5001E"),
    ("recording.degraded", "MEZ5002E"),
    ("recording.export", "MEZ5003I"),
    ("recording.play", "MEZ5004I"),
    // The gateway itself.
    ("gateway.start", "MEZ6001I"),
    ("gateway.stop", "MEZ6002I"),
    ("gateway.certificate", "MEZ6003I"),
];

/// The code of a type.
pub(super) fn code(kind: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| *known == kind).map(|(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::CODES;

    #[test]
    fn no_code_stands_for_two_types() {
        let codes: BTreeSet<&str> = CODES.iter().map(|(_, code)| *code).collect();
        let types: BTreeSet<&str> = CODES.iter().map(|(kind, _)| *kind).collect();
        assert_eq!((codes.len(), types.len()), (CODES.len(), CODES.len()));
        assert!(codes.iter().all(|code| code.len() == 8 && code.starts_with("MEZ")));
    }

    #[test]
    fn every_type_that_the_gateway_writes_has_a_code() {
        let mut missing = BTreeSet::new();
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"), &mut |source| {
            // Types are written as literals of two or three words whose first is one that the table knows.
            for literal in source.split('"').skip(1).step_by(2) {
                let typed = literal.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.');
                let known = CODES.iter().any(|(kind, _)| literal.split('.').next() == kind.split('.').next());
                if typed && known && literal.contains('.') && super::code(literal).is_none() {
                    missing.insert(literal.to_owned());
                }
            }
        });
        // Files and hosts are no types.
        missing.retain(|literal| !literal.split('.').any(|word| word == "toml" || word == "example"));
        assert_eq!(missing, BTreeSet::new());
    }

    #[test]
    fn the_manual_names_every_code() {
        let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manual/audit.md");
        let manual = std::fs::read_to_string(manual).unwrap();
        for (kind, code) in CODES {
            let row = format!("| `{kind}` | {code} |");
            assert!(manual.contains(&row), "{row}");
        }
    }

    fn walk(folder: &Path, take: &mut impl FnMut(&str)) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, take);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                take(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
}
