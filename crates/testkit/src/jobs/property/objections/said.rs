//! Tests of objections: late reports that count, keys that two jobs hold, dead letters that go unreported, and jobs in
//! forbidden states.

use tenantry_jobs::{AttemptOutcome, DeadLetter, Enqueued, JobState, JobStatus, NewJob, Settlement};

use super::{Expected, LEASE, objects_to};
use crate::jobs::MILLISECOND;

#[test]
fn a_late_word_is_refused_and_a_good_one_is_not() {
    let mut told = Expected::nothing();
    let job = told.job(None);
    told.enqueued(&[&job]);
    let late = told.claim(&[(&job, 1)]).unwrap();
    told.lease_ends();
    told.model.advance(told.now, &[]).unwrap();
    let good = told.claim(&[(&job, 2)]).unwrap();
    let until = told.now.plus(LEASE);
    for outcome in
        [AttemptOutcome::Completed, AttemptOutcome::HandedBack, AttemptOutcome::Dead { error: String::new() }]
    {
        let said = [late, good].map(|claim| Settlement { claim, outcome: outcome.clone() });
        for wrong in [&[][..], &[good], &[late, good], &[late, late]] {
            objects_to(told.clone().model.settle(&said, told.now, wrong), "refused were");
        }
        told.clone().model.settle(&said, told.now, &[late]).unwrap();
    }
    for wrong in [&[][..], &[good], &[late, good]] {
        objects_to(told.clone().model.extend(&[late, good], until, wrong), "refused were");
    }
    told.model.extend(&[late, good], until, &[late]).unwrap();
    objects_to(told.clone().model.complete(late, told.now, true), "refused were");
    objects_to(told.clone().model.complete(good, told.now, false), "refused were");
    told.model.complete(good, told.now, true).unwrap();
    objects_to(told.clone().model.complete(good, told.now, true), "refused were");
}

#[test]
fn a_key_has_one_live_job_of_its_tenant_and_kind() {
    let mut told = Expected::nothing();
    let keyed = |told: &Expected| NewJob { unique_key: Some("weekly".to_owned()), ..told.job(None) };
    let (first, duplicate) = (keyed(&told), keyed(&told));
    let (kind, tenant) = (NewJob { kind: "parcel", ..keyed(&told) }, NewJob { tenant: told.tenant(), ..keyed(&told) });
    objects_to(told.clone().model.enqueue(std::slice::from_ref(&first), &[Enqueued::Duplicate]), "should be Added");
    told.enqueued(&[&first]);
    objects_to(told.clone().model.enqueue(std::slice::from_ref(&duplicate), &[Enqueued::Added]), "should be Duplicate");
    objects_to(told.clone().model.enqueue(std::slice::from_ref(&duplicate), &[]), "it said");
    told.model.enqueue(std::slice::from_ref(&duplicate), &[Enqueued::Duplicate]).unwrap();
    told.enqueued(&[&kind, &tenant]);
    told.model.cancel(first.id, told.now, true).unwrap();
    told.enqueued(&[&duplicate]);
    objects_to(told.clone().model.retry(first.id, told.now, true), "reviving");
    told.model.retry(first.id, told.now, false).unwrap();
}

#[test]
fn only_waiting_jobs_are_cancelled_and_only_ended_ones_are_retried() {
    let mut told = Expected::nothing();
    let job = told.job(None);
    told.enqueued(&[&job]);
    objects_to(told.clone().model.cancel(job.id, told.now, false), "calling");
    objects_to(told.clone().model.retry(job.id, told.now, true), "reviving");
    told.claim(&[(&job, 1)]).unwrap();
    objects_to(told.clone().model.cancel(job.id, told.now, true), "calling");
}

#[test]
fn deaths_are_told_of_exactly_those_whose_lease_ended_at_the_last_attempt() {
    let mut told = Expected::nothing();
    let [deadly, again, other] = [1, 2, 1].map(|max_attempts| NewJob { max_attempts, ..told.job(None) });
    told.enqueued(&[&deadly, &again]);
    told.claim(&[(&deadly, 1), (&again, 1)]).unwrap();
    told.enqueued(&[&other]);
    let dead_letter = Expected::dead_letter(&deadly);
    objects_to(told.clone().model.advance(told.now, std::slice::from_ref(&dead_letter)), "dead letters");
    told.lease_ends();
    let anothers = DeadLetter { tenant: told.tenant(), ..dead_letter.clone() };
    for wrong in [
        vec![],
        vec![dead_letter.clone(), dead_letter.clone()],
        vec![dead_letter.clone(), Expected::dead_letter(&again)],
        vec![dead_letter.clone(), Expected::dead_letter(&other)],
        vec![anothers],
    ] {
        objects_to(told.clone().model.advance(told.now, &wrong), "dead letters");
    }
    told.model.advance(told.now, &[dead_letter]).unwrap();
}

#[test]
fn every_job_is_there_once_as_it_stands() {
    let mut told = Expected::nothing();
    let job = told.job(None);
    told.enqueued(&[&job]);
    let (right, dropped) = (told.status(), JobStatus { id: told.job(None).id, ..told.status() });
    objects_to(told.model.compare(&[]), "lost");
    objects_to(told.model.compare(&[right.clone(), right.clone()]), "twice");
    objects_to(told.model.compare(&[right.clone(), dropped]), "no unit has committed");
    for wrong in [
        JobStatus { tenant: told.tenant(), ..right.clone() },
        JobStatus { state: JobState::Completed, ..right.clone() },
        JobStatus { attempt: 1, ..right.clone() },
        JobStatus { max_attempts: 3, ..right.clone() },
        JobStatus { run_at: told.now.plus(MILLISECOND), ..right.clone() },
        JobStatus { finished_at: Some(told.now), ..right.clone() },
    ] {
        objects_to(told.model.compare(&[wrong]), "should be");
    }
    told.model.compare(&[right]).unwrap();
}

#[test]
fn what_is_due_is_known() {
    let mut told = Expected::nothing();
    let later = NewJob { run_at: told.now.plus(LEASE), ..told.job(None) };
    told.enqueued(&[&later]);
    assert!(!told.model.has_due("errands", told.now));
    assert!(told.model.has_due("parcels", told.now.plus(LEASE)), "time brings something about");
    told.lease_ends();
    told.model.advance(told.now, &[]).unwrap();
    assert_eq!(["errands", "parcels"].map(|queue| told.model.has_due(queue, told.now)), [true, false]);
    told.claim(&[(&later, 1)]).unwrap();
    assert!(!told.model.is_over() && !told.model.has_due("errands", told.now));
}
