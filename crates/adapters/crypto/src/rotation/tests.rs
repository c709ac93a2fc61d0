use super::*;
use crate::SystemEntropy;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// A list of keys, as the configuration splits it, and a clock.
struct Installation {
    list: KeyList,
    good_for: Duration,
    entries: Vec<SecretString>,
    now: Timestamp,
}

impl Installation {
    fn new(list: KeyList, good_for: Duration, entries: Vec<SecretString>) -> Self {
        Self { list, good_for, entries, now: Timestamp::from_unix_millis(1_793_534_400_999).unwrap() }
    }

    fn rotate(&mut self) -> (RotationAction, String) {
        let step = next_rotation_step(self.list, &self.entries, self.good_for, self.now, &SystemEntropy).unwrap();
        assert!(step.advice.ends_with('.'), "{}", step.advice);
        self.entries = step.value().expose_secret().split(',').map(SecretString::from).collect();
        assert_eq!(self.entries.len(), step.list.len());
        self.list.check(&self.entries).unwrap();
        (step.action, step.advice)
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now.plus(span);
    }

    fn keys(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.expose_secret().split('@').next().unwrap().to_owned()).collect()
    }

    fn marks(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| entry.expose_secret().split_once('@').map_or("", |(_, mark)| mark)).collect()
    }
}

fn signing() -> Installation {
    Installation::new(KeyList::SigningKeys, 15 * MINUTE, vec![SigningKeys::generate_one(&SystemEntropy)])
}

fn secrets() -> Installation {
    let secret = ServerSecrets::generate_one(&SystemEntropy);
    let named = SecretString::from(format!("k1:{}", secret.expose_secret()));
    Installation::new(KeyList::ServerSecrets, 90 * DAY, vec![named])
}

#[test]
fn signing_keys_go_round_in_three_steps() {
    let mut us = signing();
    let [old] = us.keys().try_into().unwrap();

    let (action, advice) = us.rotate();
    assert_eq!(action, RotationAction::Added);
    assert!(advice.contains("SIGNING_KEYS") && advice.contains("5 minutes"), "{advice}");
    let [first, new] = us.keys().try_into().unwrap();
    assert!(first == old && new != old);
    assert_eq!(us.marks(), ["", "next-20261101T120000Z"]);

    us.wait(4 * MINUTE);
    let before = us.keys();
    let (action, advice) = us.rotate();
    assert!(matches!(action, RotationAction::Waiting(_)) && advice.contains("2026-11-01T12:05:00.000Z"), "{advice}");
    assert_eq!(us.keys(), before);

    us.wait(MINUTE);
    let (action, advice) = us.rotate();
    assert_eq!(action, RotationAction::Moved);
    assert!(advice.contains("15 minutes"), "{advice}");
    assert_eq!(us.keys(), [&*new, &*old]);
    assert_eq!(us.marks(), ["", "old-20261101T120500Z"]);

    us.wait(14 * MINUTE);
    assert!(matches!(us.rotate().0, RotationAction::Waiting(_)));
    assert_eq!(us.keys(), [&*new, &*old]);

    us.wait(MINUTE);
    assert_eq!(us.rotate().0, RotationAction::Dropped);
    assert_eq!(us.keys(), [new]);
    assert_eq!(us.marks(), [""]);

    assert_eq!(us.rotate().0, RotationAction::Added);
}

#[test]
fn server_secrets_go_round_and_keep_their_ids() {
    let mut us = secrets();
    let [old] = us.keys().try_into().unwrap();

    let (action, advice) = us.rotate();
    assert_eq!(action, RotationAction::Added);
    assert!(advice.contains("SERVER_SECRETS") && advice.contains("as soon as the last"), "{advice}");

    let (action, advice) = us.rotate();
    assert_eq!(action, RotationAction::Moved);
    assert!(advice.contains("90 days"), "{advice}");
    let [new, second] = us.keys().try_into().unwrap();
    assert!(second == old && new != old);
    let live = ServerSecrets::parse(&us.entries).unwrap();
    assert!(live.by_id(crate::Purpose::Refresh, "k1").is_some());

    us.wait(89 * DAY);
    assert!(matches!(us.rotate().0, RotationAction::Waiting(_)));
    us.wait(DAY);
    assert_eq!(us.rotate().0, RotationAction::Dropped);
    assert_eq!(us.keys(), [new]);
}

#[test]
fn the_waits_follow_the_configured_times() {
    let mut us = Installation { good_for: 2 * DAY, ..signing() };
    us.rotate();
    us.wait(5 * MINUTE);
    assert!(us.rotate().1.contains("2 days"));
    us.wait(DAY);
    assert!(matches!(us.rotate().0, RotationAction::Waiting(_)));
}

#[test]
fn a_list_without_keys_gets_its_first() {
    for list in [KeyList::SigningKeys, KeyList::ServerSecrets] {
        let mut us = Installation::new(list, DAY, vec![]);
        assert_eq!(us.rotate().0, RotationAction::Made);
        assert_eq!((us.keys().len(), us.marks()), (1, vec![""]));
    }
}

#[test]
fn keys_put_there_by_hand_are_held_for_old_and_dropped_in_time() {
    let mut us = signing();
    us.entries.push(SigningKeys::generate_one(&SystemEntropy));
    us.entries.push(SigningKeys::generate_one(&SystemEntropy));
    let keys = us.keys();
    assert_eq!(us.rotate().0, RotationAction::Marked);
    assert_eq!(us.keys(), keys);
    assert_eq!(us.marks(), ["", "old-20261101T120000Z", "old-20261101T120000Z"]);
    us.wait(15 * MINUTE);
    assert_eq!(us.rotate().0, RotationAction::Dropped);
    assert_eq!(us.keys(), [&*keys[0]]);
}

#[test]
fn a_new_key_moved_to_the_front_by_hand_leaves_the_other_old() {
    let mut us = signing();
    us.rotate();
    us.entries.reverse();
    let keys = us.keys();
    assert_eq!(us.rotate().0, RotationAction::Marked);
    assert_eq!(us.keys(), keys);
    assert_eq!(us.marks(), ["", "old-20261101T120000Z"]);
}

#[test]
fn only_the_old_keys_whose_time_is_over_are_dropped() {
    let mut us = signing();
    for mark in ["@old-20261101T110000Z", "@old-20261101T115900Z"] {
        let key = SigningKeys::generate_one(&SystemEntropy);
        us.entries.push(SecretString::from(format!("{}{mark}", key.expose_secret())));
    }
    let keys = us.keys();
    assert_eq!(us.rotate().0, RotationAction::Dropped);
    assert_eq!(us.keys(), [&*keys[0], &*keys[2]]);
    assert!(matches!(us.rotate().0, RotationAction::Waiting(_)));
}

#[test]
fn a_list_that_cannot_be_read_is_not_rotated_and_not_repeated() {
    let planted = [SigningKeys::generate_one(&SystemEntropy), SecretString::from("planted")];
    for list in [KeyList::SigningKeys, KeyList::ServerSecrets] {
        let error = next_rotation_step(list, &planted, DAY, signing().now, &SystemEntropy).unwrap_err();
        assert!(!error.to_string().contains("planted"));
    }
    let step = next_rotation_step(KeyList::SigningKeys, &[], DAY, signing().now, &SystemEntropy).unwrap();
    let value = step.value();
    let secret = value.expose_secret();
    assert!(!step.advice.contains(secret) && !format!("{step:?}").contains(secret));
}

#[test]
fn spans_are_told_in_their_greatest_whole_unit() {
    let told = |seconds| spoken(Duration::from_secs(seconds));
    assert_eq!(told(0), None);
    assert_eq!(told(1).as_deref(), Some("1 second"));
    assert_eq!(told(90).as_deref(), Some("90 seconds"));
    assert_eq!(told(900).as_deref(), Some("15 minutes"));
    assert_eq!(told(3_600).as_deref(), Some("1 hour"));
    assert_eq!(told(90 * 86_400).as_deref(), Some("90 days"));
}
