"""Transfers: phones ask the exchange by REFER to connect the other end with somebody else (RFC 3515, RFC 3891)."""

import phone_calls


def connected(stage, one, other):
    """What is wrong where two phones should hear each other after a transfer: what arrives counts, for the media has changed."""
    return phone_calls.both_hear(stage, one, other, kind="arrived")


def talking(stage, caller, callee):
    """A call in which both were heard: who asks for a transfer, or a hold, the instant it answers meets the other's ACK (491)."""
    talk = phone_calls.call(caller, callee, stage.uri(callee.name))
    return talk, phone_calls.both_hear(stage, caller, callee)


def told(transferor, call, status):
    """What is wrong with what the transferor is told of its transfer."""
    found = transferor.transferred(call)
    return [] if found == status else [f"{transferor.name} was told {found} of its transfer, {status} is owed"]


def blind(stage, caller, callee, transferor):
    """The caller or the callee transfers the other one to carol, without asking her."""
    one, other, carol = stage.phone(caller), stage.phone(callee), stage.phone("carol")
    talk, wrong = talking(stage, one, other)
    mover, moved = (one, other) if transferor == caller else (other, one)
    mover.transfer(talk.of(mover), stage.uri("carol"))
    incoming = carol.incoming()
    carol.answer(incoming)
    carol.established(incoming)
    wrong += told(mover, talk.of(mover), 200)
    if wrong:
        return wrong
    mover.left(talk.of(mover))
    wrong += connected(stage, moved, carol)
    carol.hang_up(incoming)
    moved.over(talk.of(moved))
    return wrong


def refused(stage, caller, callee, transferor):
    """Carol is busy: the transferor is told so, and both talk on, unless it is a phone that hangs up then."""
    one, other, carol = stage.phone(caller), stage.phone(callee), stage.phone("carol")
    talk, wrong = talking(stage, one, other)
    mover = one if transferor == caller else other
    mover.transfer(talk.of(mover), stage.uri("carol"))
    carol.decline(carol.incoming(), 486)
    wrong += told(mover, talk.of(mover), 486)
    if mover.gives_up_with_a_transfer:
        moved = other if mover is one else one
        moved.over(talk.of(moved))
        return wrong
    wrong += connected(stage, one, other)
    talk.hang_up(other)
    return wrong


def attended(stage, first, second):
    """Alice talks to bob, asks carol, and connects the two. `first` and `second` say who called whom before."""
    alice, bob, carol = (stage.phone(user) for user in ("alice", "bob", "carol"))
    with_bob, wrong = talking(stage, stage.phones[first], stage.phones[second])
    alice.hold(with_bob.of(alice))
    with_carol, found = talking(stage, alice, carol)
    wrong += found
    alice.transfer_attended(with_bob.of(alice), with_carol.of(alice))
    wrong += told(alice, with_bob.of(alice), 200)
    if wrong:
        return wrong
    alice.left(with_bob.of(alice))
    alice.left(with_carol.of(alice))
    wrong += connected(stage, bob, carol)
    bob.hang_up(with_bob.of(bob))
    carol.wait("over")
    return wrong


def cases(make):
    """The cases by their names."""
    found = []
    for first, second in (("alice", "bob"), ("bob", "alice")):
        pair = f"{make[first]} calls {make[second]}"
        for mover in (first, second):
            found.append((f"{pair}, {make[mover]} transfers", lambda stage, first=first, second=second, mover=mover:
                          blind(stage, first, second, mover)))
        found.append((f"{pair} and transfers to who is busy", lambda stage, first=first, second=second:
                      refused(stage, first, second, first)))
        found.append((f"{pair}, attended transfer", lambda stage, first=first, second=second: attended(stage, first, second)))
    return found
