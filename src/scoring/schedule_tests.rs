use chrono::NaiveDate;

use super::{DailySlot, due, overdue};
use crate::domain::calendar::{Calendar, shanghai};
use crate::domain::run::Trigger;
use crate::storage::schedule::{Failures, ScheduleFacts};

fn slot() -> DailySlot {
    let times = "12:00-13:00".parse().expect("a slot");
    DailySlot { calendar: Calendar::new(chrono_tz::Asia::Shanghai), times }
}

fn date(text: &str) -> NaiveDate {
    text.parse().expect(text)
}

fn facts() -> ScheduleFacts {
    ScheduleFacts { first_subject_at: Some(shanghai("2026-10-01T00:00:00")), ..ScheduleFacts::default() }
}

fn due_at(facts: &ScheduleFacts, now: &str) -> Option<(NaiveDate, Trigger)> {
    due(&slot(), facts, shanghai(now)).map(|request| (request.date, request.trigger))
}

#[test]
fn a_run_is_due_from_the_start_of_the_slot_and_once() {
    let mut facts = facts();
    assert_eq!(due_at(&facts, "2026-11-20T11:59:59"), None);
    assert_eq!(due_at(&facts, "2026-11-20T12:00:00"), Some((date("2026-11-20"), Trigger::Scheduled)));
    facts.published.push(date("2026-11-20"));
    assert_eq!(due_at(&facts, "2026-11-20T12:00:00"), None);
}

#[test]
fn a_process_that_starts_after_the_slot_catches_up_today_then_the_missed_days_in_order() {
    let mut facts = facts();
    facts.first_published = Some(date("2026-11-16"));
    facts.published = vec![date("2026-11-16"), date("2026-11-18")];
    assert_eq!(due_at(&facts, "2026-11-20T13:00:00"), Some((date("2026-11-20"), Trigger::CatchUp)));
    facts.published.push(date("2026-11-20"));
    assert_eq!(due_at(&facts, "2026-11-20T13:00:00"), Some((date("2026-11-17"), Trigger::Backfill)));
    facts.published.push(date("2026-11-17"));
    assert_eq!(due_at(&facts, "2026-11-20T13:00:00"), Some((date("2026-11-19"), Trigger::Backfill)));
    facts.published.push(date("2026-11-19"));
    assert_eq!(due_at(&facts, "2026-11-20T13:00:00"), None, "nothing before the first published date");
}

#[test]
fn backfill_reaches_seven_days_back_and_no_further() {
    let mut facts = facts();
    facts.first_published = Some(date("2026-10-10"));
    facts.published = vec![date("2026-11-20")];
    assert_eq!(due_at(&facts, "2026-11-20T13:00:00"), Some((date("2026-11-13"), Trigger::Backfill)));
}

#[test]
fn a_database_without_subjects_before_the_end_of_a_slot_owes_no_run_for_it() {
    let mut facts = facts();
    facts.first_subject_at = None;
    assert_eq!(due_at(&facts, "2026-11-20T12:30:00"), None);
    facts.first_subject_at = Some(shanghai("2026-11-20T13:00:00"));
    assert_eq!(due_at(&facts, "2026-11-20T14:00:00"), None);
    assert_eq!(due_at(&facts, "2026-11-21T12:00:00"), Some((date("2026-11-21"), Trigger::Scheduled)));
}

#[test]
fn a_failed_run_is_tried_again_after_a_growing_pause_even_when_the_slot_is_over() {
    let mut facts = facts();
    let failed = |attempts| {
        let last_at = shanghai("2026-11-20T12:59:58");
        vec![Failures { date: date("2026-11-20"), trigger: Trigger::Scheduled, attempts, last_at }]
    };
    facts.failures = failed(1);
    assert_eq!(due_at(&facts, "2026-11-20T13:00:02"), None);
    assert_eq!(due_at(&facts, "2026-11-20T13:00:03"), Some((date("2026-11-20"), Trigger::Scheduled)));
    facts.failures = failed(3);
    assert_eq!(due_at(&facts, "2026-11-20T13:00:17"), None);
    assert_eq!(due_at(&facts, "2026-11-20T13:00:18"), Some((date("2026-11-20"), Trigger::Scheduled)));
    facts.failures = failed(60);
    assert_eq!(due_at(&facts, "2026-11-20T13:04:58"), Some((date("2026-11-20"), Trigger::Scheduled)));
}

#[test]
fn a_clock_that_went_backwards_owes_nothing_that_is_published() {
    let mut facts = facts();
    facts.first_published = Some(date("2026-11-19"));
    facts.published = vec![date("2026-11-19"), date("2026-11-20")];
    assert_eq!(due_at(&facts, "2026-11-19T12:30:00"), None);
}

fn overdue_at(facts: &ScheduleFacts, now: &str) -> Option<NaiveDate> {
    overdue(&slot(), facts, shanghai(now))
}

#[test]
fn a_run_that_is_owed_is_overdue_from_the_end_of_the_slot_until_it_is_published() {
    let mut facts = facts();
    let today = date("2026-11-20");
    assert_eq!(overdue_at(&facts, "2026-11-20T12:59:59"), None);
    assert_eq!(overdue_at(&facts, "2026-11-20T13:00:00"), Some(today));
    facts.under_way = vec![today];
    assert_eq!(overdue_at(&facts, "2026-11-20T13:00:00"), Some(today), "nobody can read what is under way");
    assert_eq!(due_at(&facts, "2026-11-20T13:00:00"), None, "and it is not begun twice");
    facts.under_way.clear();
    facts.published = vec![today];
    assert_eq!(overdue_at(&facts, "2026-11-20T13:00:00"), None);
    facts.published.clear();
    facts.first_subject_at = None;
    assert_eq!(overdue_at(&facts, "2026-11-20T13:00:00"), None, "a database without subjects owes nothing");
}
