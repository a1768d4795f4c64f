//! The phases of a rotation, and which step leads from one to another. Pure.

use mezite_api::rotation::{RotationPhase as Phase, RotationStep as Step};

/// Where a step leads from a phase; nothing where it is none.
pub fn after(phase: Phase, step: Step) -> Option<Phase> {
    match (phase, step) {
        (Phase::Standby, Step::Prepare) => Some(Phase::Prepare),
        (Phase::Prepare, Step::Activate) => Some(Phase::Activate),
        (Phase::Activate, Step::Finish) | (Phase::Prepare | Phase::Activate, Step::Rollback) => {
            Some(Phase::Standby)
        }
        _ => None,
    }
}

/// What can be done in a phase, the next step in order first.
pub fn possible(phase: Phase) -> Vec<Step> {
    Step::ALL.into_iter().filter(|step| after(phase, *step).is_some()).collect()
}

/// The next step in order.
pub fn next(phase: Phase) -> Step {
    match phase {
        Phase::Standby => Step::Prepare,
        Phase::Prepare => Step::Activate,
        Phase::Activate => Step::Finish,
    }
}

/// Why a step is not possible, and what is.
pub fn impossible(ca: &str, phase: Phase, step: Step) -> String {
    let possible: Vec<_> = possible(phase).iter().map(|step| format!("--phase {step}")).collect();
    let stands = match phase {
        Phase::Standby => format!("the {ca} CA is not being rotated"),
        Phase::Prepare | Phase::Activate => format!("the {ca} CA is in phase {phase}"),
    };
    format!("{stands}: {step} is not possible; possible is {}", possible.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 3] = [Phase::Standby, Phase::Prepare, Phase::Activate];

    #[test]
    fn the_steps_in_order_go_round() {
        let mut phase = Phase::Standby;
        let mut gone = Vec::new();
        for _ in 0..3 {
            phase = after(phase, next(phase)).unwrap();
            gone.push(phase);
        }
        assert_eq!(gone, [Phase::Prepare, Phase::Activate, Phase::Standby]);
    }

    #[test]
    fn hostile_095_no_phase_is_skipped_and_nothing_is_rolled_back_twice() {
        let possible_pairs = [
            (Phase::Standby, Step::Prepare),
            (Phase::Prepare, Step::Activate),
            (Phase::Prepare, Step::Rollback),
            (Phase::Activate, Step::Finish),
            (Phase::Activate, Step::Rollback),
        ];
        for phase in PHASES {
            for step in Step::ALL {
                let expected = possible_pairs.contains(&(phase, step));
                assert_eq!(after(phase, step).is_some(), expected, "{step} in {phase}");
            }
        }
    }

    #[test]
    fn a_refusal_says_what_is_possible() {
        let text = impossible("openssh", Phase::Prepare, Step::Finish);
        assert_eq!(
            text,
            "the openssh CA is in phase prepare: finish is not possible; possible is --phase activate or --phase rollback"
        );
        let text = impossible("user", Phase::Standby, Step::Rollback);
        assert!(text.ends_with("not being rotated: rollback is not possible; possible is --phase prepare"));
        for phase in PHASES {
            assert_eq!(possible(phase)[0], next(phase));
        }
    }
}
