//! Whether all connections were served alike.

/// With fewer answers per connection than this, chance alone decides who gets how many.
const JUDGED_FROM_MEAN: f64 = 3.0;
/// The share of connections that has to lie between half and twice the mean.
const SHARE_EXPECTED: f64 = 0.99;

/// How the answers of the measured time spread over the connections.
#[derive(Clone, Debug, PartialEq)]
pub struct Fairness {
    /// Fewest answers of one connection.
    pub min: u64,
    /// Answers per connection.
    pub mean: f64,
    /// Most answers of one connection.
    pub max: u64,
    /// The share of connections with at least half and at most twice the mean.
    pub share_near_mean: f64,
    /// The verdict; None if the run allows none.
    pub fair: Option<bool>,
    /// Why, in one sentence.
    pub reason: String,
}

/// What is known of one connection: its answers in the measured time, and whether it was ever answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) answers: u32,
    pub(crate) ever: bool,
}

/// Judges what every connection got that was opened. `answers_expected` is false where the load asks for none.
pub(crate) fn judge(services: &[Service], answers_expected: bool, stopped: bool) -> Fairness {
    let counts = || services.iter().map(|service| u64::from(service.answers));
    let total: u64 = counts().sum();
    let mean = total as f64 / services.len().max(1) as f64;
    let is_near = |&count: &u64| count as f64 >= mean / 2.0 && count as f64 <= mean * 2.0;
    let near = counts().filter(is_near).count();
    let share_near_mean = near as f64 / services.len().max(1) as f64;
    let mut fairness = Fairness {
        min: counts().min().unwrap_or(0),
        mean,
        max: counts().max().unwrap_or(0),
        share_near_mean,
        fair: None,
        reason: String::new(),
    };
    (fairness.fair, fairness.reason) =
        verdict(services, &fairness, near, answers_expected, stopped);
    fairness
}

fn verdict(
    services: &[Service],
    fairness: &Fairness,
    near: usize,
    answers_expected: bool,
    stopped: bool,
) -> (Option<bool>, String) {
    let all = services.len();
    let Fairness { min, mean, max, .. } = *fairness;
    let never = services.iter().filter(|service| !service.ever).count();
    if all == 0 {
        return (None, "not judged: no connection was opened".to_owned());
    }
    if !answers_expected {
        return (
            None,
            "not judged: this mode does not wait for answers".to_owned(),
        );
    }
    if stopped {
        return (None, "not judged: the run was stopped".to_owned());
    }
    if never > 0 {
        return (
            Some(false),
            format!("{never} of {all} connections were never answered"),
        );
    }
    if mean < JUDGED_FROM_MEAN {
        let reason = format!("not judged: {mean:.1} answers per connection are fewer than three");
        return (None, reason);
    }
    let fair = min > 0 && fairness.share_near_mean >= SHARE_EXPECTED;
    let reason = format!(
        "{near} of {all} connections got between half and twice the mean of {mean:.1} answers; \
         the least got {min}, the most {max}"
    );
    (Some(fair), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(answers: &[u32]) -> Fairness {
        let services: Vec<_> = answers
            .iter()
            .map(|&answers| Service {
                answers,
                ever: true,
            })
            .collect();
        judge(&services, true, false)
    }

    #[test]
    fn equal_service_is_fair() {
        let fairness = judged(&[100, 90, 110, 100]);
        assert_eq!(fairness.fair, Some(true), "{fairness:?}");
        assert_eq!((fairness.min, fairness.max), (90, 110));
        assert!((fairness.mean - 100.0).abs() < 1e-9);
        assert!((fairness.share_near_mean - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_hot_subset_is_unfair() {
        let fairness = judged(&[[1_000; 50], [0; 50]].concat());
        assert_eq!(fairness.fair, Some(false));
        assert!(
            fairness.reason.starts_with("50 of 100"),
            "{}",
            fairness.reason
        );
    }

    #[test]
    fn one_starved_connection_among_thousands_is_unfair() {
        let mut answers = vec![50; 5_000];
        assert_eq!(judged(&answers).fair, Some(true));
        answers[17] = 0;
        assert_eq!(judged(&answers).fair, Some(false));
    }

    #[test]
    fn too_few_answers_are_not_judged() {
        assert_eq!(judged(&[2, 3, 3, 2]).fair, None);
        assert_eq!(judged(&[]).fair, None);
        assert_eq!(judged(&[3, 3, 3]).fair, Some(true));
    }

    #[test]
    fn who_was_never_answered_is_told_however_few_answers_there_were() {
        let services = [true, false, false].map(|ever| Service { answers: 0, ever });
        let fairness = judge(&services, true, false);
        assert_eq!(fairness.fair, Some(false));
        assert_eq!(fairness.reason, "2 of 3 connections were never answered");
        assert_eq!(judge(&services, false, false).fair, None);
        assert_eq!(judge(&services, true, true).fair, None);
    }
}
