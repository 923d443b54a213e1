//! Landlock: a rule set that allows nothing. The kernel's version decides how much it covers; each part that it does not is named.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetError, RulesetStatus, Scope,
};

use crate::report::{Protection, Report};

/// The newest version that was tried out; a kernel with a newer one enforces this much.
const NEWEST: ABI = ABI::V6;

/// The parts, with the version that brought each.
const PARTS: [(Protection, ABI); 3] =
    [(Protection::Files, ABI::V1), (Protection::Network, ABI::V4), (Protection::Processes, ABI::V6)];

pub(super) fn enclose(report: &mut Report) {
    let status = allow_nothing();
    for (part, since) in PARTS {
        if let Err(why) = covers(&status, since) {
            report.lack(part, why);
        }
    }
}

fn allow_nothing() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()
}

fn covers(status: &Result<RestrictionStatus, RulesetError>, since: ABI) -> Result<(), String> {
    let status = status.as_ref().map_err(|error| format!("Landlock: {error}"))?;
    match &status.landlock {
        LandlockStatus::NotEnabled => Err("Landlock is not enabled in this kernel".to_owned()),
        LandlockStatus::NotImplemented => Err("this kernel has no Landlock".to_owned()),
        LandlockStatus::Available { effective_abi, .. } if *effective_abi < since => {
            Err(format!("Landlock {} of this kernel cannot", *effective_abi as i32))
        }
        LandlockStatus::Available { .. } if status.ruleset == RulesetStatus::NotEnforced => {
            Err("Landlock did not take the rules".to_owned())
        }
        LandlockStatus::Available { .. } => Ok(()),
    }
}
