//! Whether this origin can prove absence: it is asked about a key that nobody has, when a first 404 makes it matter or earlier, and
//! again whenever it comes back after it was left alone. What is not proven is asked again after a while: it may have been put right.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use afterimage_identity::{Absence, Instead, Stamp, absent_key};
use http::{Method, StatusCode};
use tokio::sync::Mutex;

use super::{Originals, Unseen};
use crate::Error;

/// How long what is not proven counts as not proven before the origin is asked again.
const UNPROVEN_FOR: Duration = Duration::from_secs(60);
/// The same where there was no answer.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// What was learnt, when, and how often the origin had recovered by then.
pub(super) struct Learnt {
    absence: Absence,
    asked_at: Stamp,
    recoveries: u64,
}

/// The one question at a time, and what it came to.
#[derive(Default)]
pub(super) struct Knowledge(Mutex<Option<Learnt>>);

impl Originals {
    /// Whether its 404 proves absence; asks the origin unless that is known.
    pub async fn absence(&self) -> Absence {
        let mut known = self.knowledge.0.lock().await;
        let (now, recoveries) = (self.now(), self.origin.recoveries());
        if let Some(learnt) = &*known
            && learnt.recoveries == recoveries
        {
            let holds = match learnt.absence {
                Absence::Proven => true,
                Absence::Unproven(_) => now.since(learnt.asked_at) < UNPROVEN_FOR,
                Absence::Unknown => now.since(learnt.asked_at) < UNKNOWN_FOR,
            };
            if holds {
                return learnt.absence;
            }
        }
        let absence = self.ask_absence().await;
        // A question that was itself the recovery is as good as one after it.
        *known = Some(Learnt { absence, asked_at: now, recoveries: self.origin.recoveries() });
        absence
    }

    /// HEAD, and a GET whose body nobody reads where HEAD is refused as a method.
    async fn ask_absence(&self) -> Absence {
        let key = absent_key(random());
        let mut answer = self.request(Method::HEAD, &key, None).await;
        if let Ok(refused) = &answer
            && matches!(refused.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
        {
            answer = self.request(Method::GET, &key, None).await;
        }
        match answer {
            Ok(answer) => judge(answer.status()),
            Err(Unseen::Failed(Error::Redirect(_))) => Absence::Unproven(Instead::Redirected),
            Err(_) => Absence::Unknown,
        }
    }

    /// What a 404 comes to.
    pub(super) async fn gone(&self) -> Unseen {
        match self.absence().await {
            Absence::Proven => Unseen::Gone,
            Absence::Unproven(instead) => Unseen::AbsenceUnproven(instead),
            Absence::Unknown => Unseen::Unprovable(afterimage_identity::Unprovable::Unreachable),
        }
    }
}

/// Bits that are new each time: the standard library keys its maps with them.
fn random() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(0u8));
    half() << 64 | half()
}

/// What the answer about a key that nobody has says of all others.
fn judge(status: StatusCode) -> Absence {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Absence::Proven,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Absence::Unproven(Instead::Refused)
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Absence::Unknown,
        status if status.is_server_error() => Absence::Unknown,
        status if status.is_success() => Absence::Unproven(Instead::Present),
        status if status.is_redirection() => Absence::Unproven(Instead::Redirected),
        status => Absence::Unproven(Instead::Other(status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_questions_are_about_one_key() {
        let keys: std::collections::HashSet<_> = (0..1000).map(|_| random()).collect();
        assert_eq!(keys.len(), 1000);
    }

    #[test]
    fn only_404_and_410_say_that_nothing_is_there() {
        use Absence::{Proven, Unknown, Unproven};
        for (status, absence) in [
            (404, Proven),
            (410, Proven),
            (200, Unproven(Instead::Present)),
            (204, Unproven(Instead::Present)),
            (206, Unproven(Instead::Present)),
            (302, Unproven(Instead::Redirected)),
            (304, Unproven(Instead::Redirected)),
            (400, Unproven(Instead::Other(400))),
            (401, Unproven(Instead::Refused)),
            (403, Unproven(Instead::Refused)),
            (407, Unproven(Instead::Refused)),
            (408, Unknown),
            (429, Unknown),
            (500, Unknown),
            (501, Unknown),
            (503, Unknown),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap()), absence, "{status}");
        }
    }
}
