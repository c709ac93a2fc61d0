use secrecy::SecretString;
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use super::*;

const CHEAP: Argon2Parameters = Argon2Parameters { memory_kib: 16, iterations: 2 };

/// From the test suite of the reference implementation (phc-winner-argon2, src/test.c): `password`, `somesalt`, 2^8
/// KiB.
const REFERENCE: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

fn pool(parameters: Argon2Parameters, capacity: usize) -> Argon2Pool {
    Argon2Pool::new(parameters, 1, capacity).unwrap()
}

fn password(text: &str) -> Password {
    Password::parse(SecretString::from(text)).unwrap()
}

async fn verdict(pool: &Argon2Pool, text: &str, phc: &str) -> Result<PasswordMatch, HasherError> {
    pool.verify(password(text), Some(PasswordHash::new(phc))).await
}

/// Occupies the pool's only thread until the sender is used or dropped.
async fn occupy(pool: &Arc<Argon2Pool>) -> (Sender<()>, tokio::task::JoinHandle<Result<(), HasherError>>) {
    let (release, gate) = channel();
    let (begin, begun) = oneshot::channel();
    let pool = Arc::clone(pool);
    let task = tokio::spawn(async move {
        pool.run(move |_| {
            let _ = begin.send(());
            let _ = gate.recv();
            Ok(())
        })
        .await
    });
    begun.await.unwrap();
    (release, task)
}

#[tokio::test]
async fn a_hash_fits_its_password_only() {
    let pool = pool(CHEAP, 8);
    let hash = pool.hash(password("correct horse")).await.unwrap();
    assert!(hash.phc().starts_with("$argon2id$v=19$m=16,t=2,p=1$"), "{}", hash.phc());
    assert_eq!(verdict(&pool, "correct horse", hash.phc()).await.unwrap(), PasswordMatch::Right);
    assert_eq!(verdict(&pool, "correct Horse", hash.phc()).await.unwrap(), PasswordMatch::Wrong);
    assert_ne!(pool.hash(password("correct horse")).await.unwrap().phc(), hash.phc());
    assert_eq!(pool.verify(password("correct horse"), None).await.unwrap(), PasswordMatch::Wrong);
}

#[tokio::test]
async fn the_reference_hash_is_understood_in_memory_that_grows_and_shrinks() {
    let pool = pool(CHEAP, 8);
    let small = pool.hash(password("password")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(verdict(&pool, "password", REFERENCE).await.unwrap(), PasswordMatch::Right);
        assert_eq!(pool.run(|worker| Ok(worker.blocks.len())).await.unwrap(), 256);
        assert_eq!(verdict(&pool, "Password", REFERENCE).await.unwrap(), PasswordMatch::Wrong);
        assert_eq!(verdict(&pool, "password", small.phc()).await.unwrap(), PasswordMatch::Right);
        assert_eq!(pool.run(|worker| Ok(worker.blocks.len())).await.unwrap(), 16);
    }
}

#[tokio::test]
async fn si3_every_byte_of_the_password_counts() {
    let pool = pool(CHEAP, 8);
    let long = "я".repeat(128);
    let hash = pool.hash(password(&long)).await.unwrap();
    assert_eq!(verdict(&pool, &long, hash.phc()).await.unwrap(), PasswordMatch::Right);
    for changed in [36, 37, 127] {
        let other: String = long.chars().enumerate().map(|(at, c)| if at == changed { 'ю' } else { c }).collect();
        assert_eq!(verdict(&pool, &other, hash.phc()).await.unwrap(), PasswordMatch::Wrong, "character {changed}");
    }
    let hash = pool.hash(password(&format!("{}b", "a".repeat(72)))).await.unwrap();
    assert_eq!(verdict(&pool, &format!("{}c", "a".repeat(72)), hash.phc()).await.unwrap(), PasswordMatch::Wrong);
    assert_eq!(verdict(&pool, &"a".repeat(72), hash.phc()).await.unwrap(), PasswordMatch::Wrong);
}

#[tokio::test]
async fn a_hash_of_weaker_parameters_is_outdated_and_one_of_stronger_is_not() {
    let hash = pool(CHEAP, 8).hash(password("correct horse")).await.unwrap();
    for (memory_kib, iterations, expected) in [
        (16, 2, PasswordMatch::Right),
        (32, 2, PasswordMatch::RightButOutdated),
        (16, 3, PasswordMatch::RightButOutdated),
        (8, 3, PasswordMatch::RightButOutdated),
        (8, 1, PasswordMatch::Right),
    ] {
        let pool = pool(Argon2Parameters { memory_kib, iterations }, 8);
        assert_eq!(verdict(&pool, "correct horse", hash.phc()).await.unwrap(), expected, "{memory_kib} {iterations}");
        assert_eq!(verdict(&pool, "wrong horse", hash.phc()).await.unwrap(), PasswordMatch::Wrong);
    }
}

#[tokio::test]
async fn a_broken_hash_is_a_failure_and_not_a_wrong_password() {
    let pool = pool(CHEAP, 8);
    for broken in [
        String::new(),
        "planted".into(),
        "$".into(),
        "$argon2id".into(),
        "$argon2id$v=19$m=256,t=2,p=1".into(),
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".into(),
        "$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234".into(),
        REFERENCE.replace("argon2id", "argon2i"),
        REFERENCE.replace("$v=19", ""),
        REFERENCE.replace("v=19", "v=16"),
        REFERENCE.replace("m=256", "m=7"),
        REFERENCE.replace("m=256", "m=4294967295"),
        REFERENCE.replace("m=256", "m=99999999999"),
        REFERENCE.replace("t=2", "t=0"),
        REFERENCE.replace("t=2", "t=4294967295"),
        REFERENCE.replace("p=1", "p=0"),
        REFERENCE.replace("p=1", "p=33"),
        REFERENCE.replace("p=1", "p=16777215"),
        REFERENCE.replace("p=1", "q=1"),
        REFERENCE.replace("c29tZXNhbHQ", "c2Fs"),
        REFERENCE.replace("nf65", "n!65"),
        format!("{REFERENCE}$planted"),
    ] {
        let Err(HasherError::Failed(told)) = verdict(&pool, "password", &broken).await else { panic!("{broken}") };
        assert!(!told.contains("planted") && !told.contains("nf65"), "{told}");
    }
}

#[tokio::test]
async fn a_full_queue_answers_at_once() {
    let pool = Arc::new(pool(CHEAP, 1));
    let (release, occupied) = occupy(&pool).await;
    let waiting = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.hash(password("correct horse")).await }
    });
    tokio::task::yield_now().await;
    assert!(matches!(pool.hash(password("one too many")).await, Err(HasherError::Busy)));
    assert!(matches!(pool.verify(password("one too many"), None).await, Err(HasherError::Busy)));
    release.send(()).unwrap();
    assert!(occupied.await.unwrap().is_ok());
    assert!(waiting.await.unwrap().is_ok());
    assert!(pool.hash(password("there is room again")).await.is_ok());
}

#[tokio::test]
async fn who_has_gone_away_is_not_hashed_for() {
    let pool = Arc::new(pool(CHEAP, 8));
    let (release, occupied) = occupy(&pool).await;
    let ran = Arc::new(AtomicBool::new(false));
    let abandoned = tokio::spawn({
        let (pool, ran) = (Arc::clone(&pool), Arc::clone(&ran));
        async move {
            pool.run(move |_| {
                ran.store(true, Ordering::SeqCst);
                Ok(())
            })
            .await
        }
    });
    tokio::task::yield_now().await;
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    assert!(occupied.await.unwrap().is_ok());
    assert!(pool.hash(password("the one after")).await.is_ok());
    assert!(!ran.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_no_thread() {
    let pool = pool(CHEAP, 8);
    let answer: Result<(), _> = pool.run(|_| panic!("planted")).await;
    assert!(matches!(answer, Err(HasherError::Failed(_))));
    assert!(pool.hash(password("correct horse")).await.is_ok());
}

#[tokio::test]
async fn dropping_the_pool_waits_for_the_hash_under_way_and_ends_the_threads() {
    let pool = Arc::new(pool(CHEAP, 8));
    let (release, occupied) = occupy(&pool).await;
    occupied.abort();
    assert!(occupied.await.is_err());
    let dropped = Arc::new(AtomicBool::new(false));
    let dropping = thread::spawn({
        let dropped = Arc::clone(&dropped);
        move || {
            drop(pool);
            dropped.store(true, Ordering::SeqCst);
        }
    });
    thread::sleep(Duration::from_millis(50));
    assert!(!dropped.load(Ordering::SeqCst));
    release.send(()).unwrap();
    dropping.join().unwrap();
    assert!(dropped.load(Ordering::SeqCst));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_are_named_and_yield_to_others() {
    let pool = pool(CHEAP, 8);
    let own = rustix::process::getpriority_process(None).unwrap();
    let (name, nice) = pool
        .run(|_| Ok((thread::current().name().map(str::to_owned), rustix::process::getpriority_process(None).unwrap())))
        .await
        .unwrap();
    assert_eq!(name.as_deref(), Some("argon2-0"));
    assert_eq!(nice, (own + 10).min(19));
    assert_eq!(rustix::process::getpriority_process(None).unwrap(), own);
}

#[tokio::test]
async fn several_threads_share_one_queue() {
    let pool = Arc::new(Argon2Pool::new(CHEAP, 3, 64).unwrap());
    let hashes: Vec<_> = (0..40)
        .map(|_| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { verdict(&pool, "password", REFERENCE).await })
        })
        .collect();
    for hash in hashes {
        assert_eq!(hash.await.unwrap().unwrap(), PasswordMatch::Right);
    }
}

#[test]
fn parameters_that_argon2_cannot_work_with_are_refused() {
    for (memory_kib, iterations) in [(7, 1), (0, 1), (8, 0)] {
        let parameters = Argon2Parameters { memory_kib, iterations };
        assert!(matches!(Argon2Pool::new(parameters, 1, 1), Err(Argon2Error::Parameters(_))));
    }
}

#[test]
fn about_two_seconds_of_work_may_wait() {
    assert_eq!(Argon2Parameters::default().queue_capacity(1), 77);
    assert_eq!(Argon2Parameters::default().queue_capacity(3), 231);
    assert_eq!(Argon2Parameters { memory_kib: 65_536, iterations: 3 }.queue_capacity(1), 15);
    assert_eq!(Argon2Parameters { memory_kib: u32::MAX, iterations: u32::MAX }.queue_capacity(1), 2);
    assert_eq!(CHEAP.queue_capacity(1), 1_000);
}
