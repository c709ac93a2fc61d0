//! Tests of objections: claims that return forbidden jobs, and tenants that get more than their turn.

use tenantry_jobs::{Claims, NewJob};

use super::{Expected, LEASE, objects_to};
use crate::jobs::MILLISECOND;

#[test]
fn each_job_is_claimed_by_one_at_a_time() {
    let mut told = Expected::nothing();
    let job = told.job(None);
    told.enqueued(&[&job]);
    objects_to(told.clone().claim(&[(&job, 1), (&job, 2)]).map(drop), "not to be claimed");
    told.claim(&[(&job, 1)]).unwrap();
    objects_to(told.clone().claim(&[(&job, 2)]).map(drop), "not to be claimed");
    told.lease_ends();
    objects_to(told.clone().claim(&[(&job, 2)]).map(drop), "not to be claimed");
    told.model.advance(told.now, &[]).unwrap();
    told.claim(&[(&job, 2)]).unwrap();
}

#[test]
fn each_claim_counts_one_attempt() {
    let mut told = Expected::nothing();
    let job = told.job(None);
    told.enqueued(&[&job]);
    for attempt in [0, 2] {
        objects_to(told.clone().claim(&[(&job, attempt)]).map(drop), "should be");
    }
    told.claim(&[(&job, 1)]).unwrap();
}

#[test]
fn only_what_is_ready_and_committed_is_claimed_as_it_was_enqueued() {
    let mut told = Expected::nothing();
    let job = told.job(None);
    let later = NewJob { run_at: told.now.plus(MILLISECOND), ..told.job(None) };
    let parcel = NewJob { queue: "parcels", ..told.job(None) };
    let (dropped, altered) = (told.job(None), NewJob { payload: "[]".to_owned(), ..job.clone() });
    let moved = NewJob { run_at: job.run_at.minus(MILLISECOND), ..job.clone() };
    told.enqueued(&[&job, &later, &parcel]);
    for (wrong, objection) in [
        (&later, "not to be claimed"),
        (&parcel, "not to be claimed"),
        (&dropped, "no unit has committed"),
        (&altered, "should be"),
        (&moved, "should be"),
    ] {
        objects_to(told.clone().claim(&[(wrong, 1)]).map(drop), objection);
    }
    told.claim(&[(&job, 1)]).unwrap();
}

#[test]
fn a_claim_brings_no_more_than_was_asked_for_and_by_its_own_token() {
    let mut told = Expected::nothing();
    let jobs = [told.job(None), told.job(None)];
    told.enqueued(&[&jobs[0], &jobs[1]]);
    let asked = told.asked(1);
    let both = Expected::brought(&asked, &[(&jobs[0], 1), (&jobs[1], 1)]);
    objects_to(told.clone().model.claim(&asked, &both), "of at most 1");
    let mut foreign = Expected::brought(&asked, &[(&jobs[0], 1)]);
    foreign.jobs[0].claim.token = told.context.uuid_v7();
    objects_to(told.clone().model.claim(&asked, &foreign), "no right");
    let unreadable = Claims { unreadable: vec![Expected::dead_letter(&jobs[0])], ..Claims::default() };
    objects_to(told.clone().model.claim(&asked, &unreadable), "unreadable");
    told.model.claim(&asked, &Expected::brought(&asked, &[(&jobs[0], 1)])).unwrap();
}

#[test]
fn greater_priority_goes_first_and_then_the_oldest() {
    let mut told = Expected::nothing();
    let young = told.job(None);
    let old = NewJob { run_at: told.now.minus(LEASE), ..told.job(None) };
    let urgent = NewJob { priority: 1, ..told.job(None) };
    told.enqueued(&[&young, &old, &urgent]);
    objects_to(told.clone().claim(&[(&old, 1)]).map(drop), "passed over");
    told.claim(&[(&urgent, 1)]).unwrap();
    objects_to(told.clone().claim(&[(&young, 1)]).map(drop), "passed over");
    told.claim(&[(&old, 1)]).unwrap();
}

#[test]
fn no_tenant_runs_more_than_it_may() {
    let mut told = Expected::nothing();
    let jobs = [told.job(None), NewJob { queue: "parcels", ..told.job(None) }];
    told.enqueued(&[&jobs[0], &jobs[1]]);
    told.claim(&[(&jobs[0], 1)]).unwrap();
    let mut asked = told.asked(1);
    (asked.command.queue, asked.command.tenant_limit) = ("parcels", Some(1));
    let brought = Expected::brought(&asked, &[(&jobs[1], 1)]);
    objects_to(told.clone().model.claim(&asked, &brought), "may have 0 more");
    asked.command.tenant_limit = Some(2);
    told.model.claim(&asked, &brought).unwrap();
}

#[test]
fn a_claim_is_shared() {
    let mut told = Expected::nothing();
    let acme = told.tenant();
    let [one, two, three, other] = [acme, acme, acme, None].map(|tenant_key| told.job(tenant_key));
    told.enqueued(&[&one, &two, &three, &other]);
    objects_to(told.clone().claim(&[(&one, 1), (&two, 1)]).map(drop), "no equal share");
    told.claim(&[(&one, 1), (&other, 1)]).unwrap();
    told.claim(&[(&two, 1), (&three, 1)]).unwrap();
}

#[test]
fn nobody_has_its_turn_twice_while_another_waits() {
    let mut told = Expected::nothing();
    let (acme, globex) = (told.tenant(), told.tenant());
    let [one, two, other, third] = [acme, acme, globex, None].map(|tenant_key| told.job(tenant_key));
    told.enqueued(&[&one, &two, &other, &third]);
    told.claim(&[(&one, 1)]).unwrap();
    objects_to(told.clone().claim(&[(&two, 1)]).map(drop), "twice while");
    told.claim(&[(&other, 1)]).unwrap();
    told.claim(&[(&third, 1)]).unwrap();
    told.claim(&[(&two, 1)]).unwrap();
}

#[test]
fn nobody_waits_for_more_than_one_round() {
    let mut told = Expected::nothing();
    let [job, other] = [told.job(None), told.job(told.tenant())];
    told.enqueued(&[&job, &other]);
    objects_to(told.clone().model.claim(&told.asked(2), &Claims::default()), "more than one round");
    told.model.claim(&told.asked(0), &Claims::default()).unwrap();
    told.model.claim(&told.asked(1), &Claims::default()).unwrap();
    objects_to(told.clone().model.claim(&told.asked(1), &Claims::default()), "more than one round");
}
