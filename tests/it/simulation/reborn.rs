//! Calls are taken up from the log: beside the exchange that runs them, whenever all is quiet.

use super::course_of;
use crate::ladder::{self, Scenario};
use tests::world::{Course, Ended, Fate, Sabotage, under};

/// Wherever a scenario stands, the log tells where. Each is a test of this (see the macro `scenarios` of the ladder).
pub(crate) fn taken_up((name, scenario): Scenario) {
    let ended = under(Fate { replays: true, ..Fate::default() }, scenario);
    assert!(matches!(ended, Ended::Well(_)), "{name}, taken up beside: {ended:?}");
}

/// Scenarios in which somebody would notice, and why that is as it should be.
const NOTICED: &[(&str, &[&str])] = &[
    (
        "what is known of strangers and of pings is in memory alone, and their counts are those of one start",
        &[
            "a_flood_of_strangers_leaves_nothing_but_counts",
            "a_flood_without_credentials_is_answered_a_burst_and_summarised",
            "a_flow_by_datagrams_that_was_kept_alive_and_is_no_more_is_gone",
            "a_registered_phone_goes_on_while_its_neighbour_guesses",
            "credentials_serve_once",
            "empty_lines_by_datagram_are_answered_by_one_and_counted",
            "invites_without_credentials_are_limited_too",
            "scanners_get_no_answer",
            "who_answered_before_and_answers_no_more_is_not_called_until_it_does",
            "wrong_passwords_make_a_source_unheard_and_time_forgives",
        ],
    ),
    (
        "how many calls began in the last second is in memory alone",
        &["no_more_calls_of_a_trunk_begin_in_a_second", "where_every_carrier_is_full_the_caller_may_try_later"],
    ),
    (
        "a 100 that was to leave with a final response is not sent after it",
        &[
            "a_picker_that_never_acknowledges_ends_the_call_as_lost",
            "a_stream_that_the_picker_lacks_is_rejected_toward_the_caller",
            "after_early_media_the_picker_is_heard",
            "all_that_ring_beside_it_are_cancelled",
            "an_answer_that_crosses_the_pickup_is_hung_up_on",
            "another_tenants_call_that_rings_is_as_unknown_as_none",
            "what_was_said_reliably_stands_where_it_serves_and_else_the_pickers_offer_follows",
            "who_names_the_dialog_of_a_phone_that_rings_answers_in_its_place",
            "who_picked_up_can_be_held_and_hung_up_on",
            "whom_the_caller_transfers_is_shown_as_who_picked_up",
            "without_free_ports_the_caller_hears_500_and_every_port_returns",
        ],
    ),
    (
        "the log has the repeat that came of it, and the snapshot has not",
        &[
            "a_call_rings_is_answered_and_ends",
            "a_callee_that_never_says_anything_gets_seven_invites_with_doubling_gaps",
            "a_challenged_invite_goes_again_with_credentials",
            "a_user_says_something_to_another_and_hears_the_answer",
            "who_asks_is_rung_first_then_whom_it_named",
        ],
    ),
    (
        "it has a start of its own, or counts what is read at one",
        &[
            "a_long_stream_is_taken_up_from_its_last_summary",
            "a_register_that_comes_again_gets_the_same_bytes_again",
            "a_stream_that_is_elsewhere_than_thought_is_read_and_who_waited_is_answered",
            "who_comes_before_everything_is_loaded_may_come_again",
        ],
    ),
];

/// Deaths of each scenario, evenly spread, where not all are asked for.
const DEATHS: usize = 4;

/// Whenever the process dies and begins anew, its calls go on, and nobody who is in one notices. Each is a test of this.
pub(crate) fn reborn((name, scenario): Scenario) {
    let Course { effects, .. } = course_of((name, scenario));
    if NOTICED.iter().any(|(_, names)| names.contains(&name)) {
        return;
    }
    let all = std::env::var_os("STROWGER_LONG_TESTS").is_some();
    let step = if all { 1 } else { effects.div_ceil(DEATHS).max(1) };
    for effect in (1..=effects).rev().step_by(step) {
        let ended = under(Fate { reborn_after: Some(effect), ..Fate::default() }, scenario);
        assert!(
            matches!(ended, Ended::Well(_)),
            "{name}, beginning anew after effect {effect} of {effects}: {ended:?}"
        );
    }
}

#[test]
fn a_path_that_was_being_closed_at_the_death_is_over_and_its_ports_are_back() {
    let call = ladder::all().find(|(name, _)| *name == "the_callee_may_hang_up_too").unwrap();
    let Course { effects, .. } = course_of(call);
    // The media threads die before they say that it is closed: the last effect of all ordered that.
    let fate = Fate { reborn_after: Some(effects), sabotage: Some(Sabotage::ClosedUnreported), ..Fate::default() };
    let ended = under(fate, call.1);
    assert!(matches!(ended, Ended::Well(_)), "{ended:?}");
}

#[test]
fn scenarios_in_which_somebody_notices_are_there() {
    let all: Vec<&str> = crate::ladder::all().map(|(name, _)| name).collect();
    let noticed = NOTICED.iter().flat_map(|(_, names)| names.iter());
    let gone: Vec<&&str> = noticed.filter(|name| !all.contains(name)).collect();
    assert!(gone.is_empty(), "no such scenarios: {gone:?}");
}
