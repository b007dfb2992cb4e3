//! What every engine of the log promises; the text is in `domain::log`. An engine calls [`all`], it does not choose. What the
//! engines of our own promise beyond that, which a store elsewhere does not, is in [`own`].

mod appends;
mod follows;
mod life;
mod reads;

use domain::log::{EventLog, PortFuture};
use std::sync::Arc;

/// Where one log of the engine lives.
pub trait Home: Send {
    /// Opens the log; the first time it is empty. What the last call answered was dropped before.
    fn open(&mut self) -> PortFuture<'_, Arc<dyn EventLog>>;
}

/// Runs a rule on a log of its own and names it if it fails.
macro_rules! hold {
    ($make:ident: $($rule:path),* $(,)?) => {
        $(
            eprintln!("rule: {}", stringify!($rule));
            $rule(&mut *$make()).await;
        )*
    };
}

/// Holds an engine to every rule.
pub async fn all(make: impl Fn() -> Box<dyn Home>) {
    hold!(make:
        appends::a_new_stream_begins_at_revision_0_and_the_head_is_there,
        appends::an_existing_stream_is_not_new,
        appends::a_missing_stream_has_no_revision,
        appends::only_the_exact_revision_is_accepted,
        appends::a_repeat_answers_what_the_first_answered_and_writes_nothing,
        appends::a_repeat_is_known_after_later_appends_and_after_reopening,
        appends::the_same_ids_with_other_content_are_no_repeat,
        appends::a_repeat_belongs_to_its_own_stream,
        appends::a_batch_is_written_whole_and_without_gaps,
        appends::a_refused_append_leaves_the_others_of_its_group_alone,
        appends::outcomes_come_in_the_order_of_submission,
        appends::appends_of_one_call_can_build_on_each_other,
        appends::what_is_malformed_is_refused_and_leaves_nothing,
        appends::the_largest_batch_is_accepted,
        appends::positions_go_on_after_reopening,
        reads::everything_that_was_written_is_read_unchanged,
        reads::hashes_survive_and_chain,
        reads::a_stream_is_read_both_ways_within_bounds_and_limits,
        reads::a_missing_stream_reads_as_empty,
        reads::many_streams_are_read_together_as_each_alone,
        reads::the_whole_log_is_read_both_ways_within_bounds_and_limits,
        reads::filters_choose_by_category_and_type,
        follows::a_follower_catches_up_then_is_live,
        follows::a_follower_resumes_inside_a_batch,
        follows::a_checkpoint_moves_though_nothing_matches,
        follows::a_live_follower_gets_a_checkpoint_though_nothing_matches,
        follows::a_long_way_is_handed_over_in_pages,
        follows::a_follower_misses_nothing_under_concurrent_appends,
        follows::a_checkpoint_of_another_log_is_noticed,
        life::open_streams_come_in_the_order_of_their_opening,
        life::a_closed_stream_is_not_recovered_and_can_open_again,
        life::a_refused_append_opens_and_closes_nothing,
        life::open_streams_survive_reopening,
    );
}

/// Holds an engine of our own to this as well: positions begin at 1 and have no gaps, and it knows where appends begin.
pub async fn own(make: impl Fn() -> Box<dyn Home>) {
    hold!(make:
        appends::positions_begin_at_1_and_have_no_gaps,
        appends::a_part_of_an_append_is_no_repeat_of_it,
        reads::the_whole_log_is_read_by_positions_without_gaps,
    );
}
