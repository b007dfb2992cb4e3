//! Every machine as one grid, so that a change of a transition is seen in the diff.

use super::{Class, client_invite, client_other, server_invite, server_other};
use std::fmt::{Debug, Write};

fn grid<S: Copy + Debug + PartialEq, I: Copy + Debug>(
    states: &[S],
    inputs: &[I],
    step: impl Fn(S, I) -> (S, &'static [super::Action]),
) -> String {
    let mut text = String::new();
    for &state in states {
        for &input in inputs {
            let (next, actions) = step(state, input);
            if next != state || !actions.is_empty() {
                let _ = writeln!(text, "{state:?} + {input:?} -> {next:?} {actions:?}");
            }
        }
    }
    text
}

const CLASSES: [Class; 3] = [Class::Provisional, Class::Success, Class::Failure];

#[test]
fn invite_client() {
    use client_invite::{Input, State, step};
    let states = [State::Calling, State::Proceeding, State::Completed, State::Accepted, State::Terminated];
    let mut inputs = CLASSES.map(Input::Response).to_vec();
    inputs.extend([Input::Retransmit, Input::Timeout, Input::Linger, Input::TransportError]);
    insta::assert_snapshot!(grid(&states, &inputs, step));
}

#[test]
fn other_client() {
    use client_other::{Input, State, step};
    let states = [State::Trying, State::Proceeding, State::Completed, State::Terminated];
    let mut inputs = CLASSES.map(Input::Response).to_vec();
    inputs.extend([Input::Retransmit, Input::Timeout, Input::Linger, Input::TransportError]);
    insta::assert_snapshot!(grid(&states, &inputs, step));
}

#[test]
fn invite_server() {
    use server_invite::{Input, State, step};
    let states = [State::Proceeding, State::Completed, State::Confirmed, State::Accepted, State::Terminated];
    let mut inputs = CLASSES.map(Input::Respond).to_vec();
    inputs.extend([Input::Repeat, Input::Ack, Input::Retransmit, Input::Timeout, Input::Linger]);
    insta::assert_snapshot!(grid(&states, &inputs, |state, input| step(state, input, false)));
    let reliable = grid(&states, &inputs, |state, input| step(state, input, true));
    insta::assert_snapshot!("invite_server_reliable", reliable);
}

#[test]
fn other_server() {
    use server_other::{Input, State, step};
    let states = [State::Trying, State::Completed, State::Terminated];
    let mut inputs = CLASSES.map(Input::Respond).to_vec();
    inputs.extend([Input::Repeat, Input::Linger]);
    insta::assert_snapshot!(grid(&states, &inputs, step));
}

#[test]
fn requests_start() {
    let starts = [client_invite::start, client_other::start].map(|start| [start(false), start(true)]);
    insta::assert_snapshot!(format!("{:?}\n{:?}", starts[0], starts[1]));
}
