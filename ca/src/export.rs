//! The public keys of a CA as lines for other programs' files. Every trusted key is one line, the active one first.

use crate::kind::CaKind;
use crate::text::value;
use crate::trust::TrustedSet;

/// In which form the keys of a CA are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportForm {
    /// `TYPE BASE64 COMMENT`: for sshd's `TrustedUserCAKeys`.
    Plain,
    /// `cert-authority TYPE BASE64 COMMENT`: for `authorized_keys`, and as Teleport exports user CAs.
    AuthorizedKeys,
    /// `@cert-authority *.CLUSTER TYPE BASE64 COMMENT`: as Teleport exports host CAs.
    ClusterKnownHosts,
    /// `@cert-authority * TYPE BASE64 COMMENT`: for clients' `known_hosts`.
    KnownHosts,
}

/// The trusted keys in one form, each line ended.
pub fn export(trusted: &TrustedSet, form: ExportForm, cluster: &str) -> String {
    let cluster = value(cluster);
    let prefix = match form {
        ExportForm::Plain => String::new(),
        ExportForm::AuthorizedKeys => "cert-authority ".to_owned(),
        ExportForm::ClusterKnownHosts => format!("@cert-authority *.{cluster} "),
        ExportForm::KnownHosts => "@cert-authority * ".to_owned(),
    };
    let comment = comment(trusted.kind(), &cluster);
    let mut lines = String::new();
    for key in trusted.keys() {
        lines.extend([prefix.as_str(), &key.line(), " ", comment.as_str(), "\n"]);
    }
    lines
}

/// The comment that Teleport's exports have, which some tools read.
fn comment(kind: CaKind, cluster: &str) -> String {
    format!("clustername={cluster}&type={kind}")
}
