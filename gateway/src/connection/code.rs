//! The second factor in band: after the certificate, roles may want a code, which any stock client asks for by
//! `keyboard-interactive`.

use mezite_access::MfaMode;
use zeroize::Zeroizing;

use super::authentication::{Authentication, Decided, Judgement};
use super::events;
use crate::people::{CodeRefusal, SecondFactor};

/// How often a client may come as far as the code, or have it asked for.
pub(super) const MAX_QUESTIONS: u32 = 12;

impl Authentication<'_> {
    /// Whether the roles ask for a code and none that was given before holds.
    pub(super) fn code_is_due(&self, decided: &Decided) -> Result<bool, CodeRefusal> {
        let permits = &decided.grant.permits;
        if permits.session_mfa == MfaMode::No {
            return Ok(false);
        }
        self.second_factor(decided).is_due(self.services, permits.mfa_grace)
    }

    fn second_factor<'d>(&self, decided: &'d Decided) -> SecondFactor<'d> {
        SecondFactor {
            user: &decided.grant.user,
            source: self.origin.source.ip(),
            key: decided.certificate.key.fingerprint(),
        }
    }

    pub(super) fn question(&mut self) -> Judgement {
        let Some(decided) = self.half.as_ref().filter(|_| self.questions < MAX_QUESTIONS) else {
            return Judgement::Refuse(None);
        };
        self.questions += 1;
        let (login, node) = (&decided.grant.login, &decided.grant.node.spec.hostname);
        Judgement::Ask(format!("mezite: the code of your authenticator app, for {login} on {node}"))
    }

    /// The answer to the question for the code.
    pub(super) async fn code_given(
        &mut self,
        decided: Box<Decided>,
        answers: &[Zeroizing<String>],
    ) -> Judgement {
        let code = answers.first().map_or("", |answer| answer.trim());
        let taken = self.second_factor(&decided).take(self.services, code).await;
        match taken {
            Ok(()) => Box::pin(self.entering(*decided)).await,
            Err(refusal) => {
                self.audited = true;
                if refusal != CodeRefusal::Wrong {
                    let event = events::refused("auth.fail", &self.origin, refusal.reason());
                    let event = events::about_grant(event, &decided.grant);
                    self.services.refusals.note(self.origin.source.ip(), event);
                }
                self.half = Some(decided);
                Judgement::Refuse(Some(refusal.line()))
            }
        }
    }
}
