"""Calls between phones: in both directions, through numbers, held, refused, given up; who hears whom each time."""

from dataclasses import dataclass

import sound

# Seconds that are heard before a verdict, and that a change of the media may take to be heard.
TALK, SETTLE = 1.5, 0.5
# Samples that a phone's recorder may keep from before a mark, where nothing came since.
KEPT = int(0.3 * sound.RATE)


@dataclass
class Talk:
    """A call that was answered: each phone with its call."""

    caller: object
    outgoing: object
    callee: object
    incoming: object

    def sides(self):
        """Each phone with its call and the other phone."""
        return ((self.caller, self.outgoing, self.callee), (self.callee, self.incoming, self.caller))

    def of(self, phone):
        """That phone's call."""
        return next(call for one, call, _ in self.sides() if one is phone)

    def hang_up(self, phone):
        """One hangs up; it is over for both."""
        phone.hang_up(self.of(phone))
        for one, call, _ in self.sides():
            one.over(call)


def call(caller, callee, uri):
    """One calls, the other picks up."""
    outgoing = caller.call(uri)
    incoming = callee.incoming()
    callee.answer(incoming)
    talk = Talk(caller, outgoing, callee, incoming)
    for phone, one, _ in talk.sides():
        phone.established(one)
    return talk


def hear(stage, *pairs, kind="heard"):
    """What is wrong with what the first of each pair hears of the second. Phones stutter on a busy machine: they get three tries."""
    for _ in range(3):
        wrong = hear_once(stage, pairs, kind)
        if not wrong:
            break
    return wrong


def hear_once(stage, pairs, kind):
    """What is wrong with what the first of each pair hears of the second from now on."""
    marks = [listener.mark() for listener, _ in pairs]
    for (listener, _), mark in zip(pairs, marks):
        listener.wait_recorded(mark, kind, SETTLE + TALK + 0.5)
    return [f"{listener.name} should hear {speaker.name}: {fault}" for (listener, speaker), mark in zip(pairs, marks)
            for fault in sound.faults(listener.since(mark, kind)[int(SETTLE * sound.RATE):], stage.voices, speaker.name, TALK)]


def both_hear(stage, one, other, kind="heard"):
    """What is wrong with what two phones hear of each other."""
    return hear(stage, (one, other), (other, one), kind=kind)


def nobody_hears(stage, *phones):
    """What is heard although nobody speaks: after the line has settled, for a time that alice's clock tells."""
    clock = stage.phone("alice")
    clock.wait_recorded(clock.mark(), "said", SETTLE)
    marks = [phone.mark() for phone in phones]
    clock.wait_recorded(clock.mark(), "said", TALK)
    return [f"{phone.name} hears something" for phone, mark in zip(phones, marks)
            if sound.is_audible(phone.since(mark, "arrived")[KEPT:])]


def calls(stage, caller, callee, ender, number=False):
    """A call, both hear each other, one hangs up."""
    one, other = stage.phone(caller), stage.phone(callee)
    talk = call(one, other, stage.number_of(callee) if number else stage.uri(callee))
    wrong = both_hear(stage, one, other)
    talk.hang_up(stage.phones[ender])
    return wrong


def holds(stage, caller, callee, holder):
    """A call is held and resumed, twice: nobody hears anything meanwhile, and both do afterwards."""
    one, other = stage.phone(caller), stage.phone(callee)
    talk = call(one, other, stage.uri(callee))
    wrong = both_hear(stage, one, other)
    for _ in range(2):
        stage.phones[holder].hold(talk.of(stage.phones[holder]))
        wrong += nobody_hears(stage, one, other)
        stage.phones[holder].resume(talk.of(stage.phones[holder]))
        wrong += both_hear(stage, one, other, kind="arrived")
    talk.hang_up(other)
    return wrong


def refuses(stage, caller, callee, status):
    """The callee refuses a call that rings: the caller learns the status."""
    one, other = stage.phone(caller), stage.phone(callee)
    outgoing = one.call(stage.uri(callee))
    incoming = other.incoming()
    other.decline(incoming, status)
    return ended_with(one, outgoing, status)


def ended_with(phone, call, status):
    """What is wrong with how a call ended."""
    found = phone.status_of(phone.over(call))
    return [] if found == status else [f"{phone.name}'s call ended with {found}, {status} is owed"]


def gives_up(stage, caller, callee):
    """The caller hangs up while it rings: it rings no longer."""
    one, other = stage.phone(caller), stage.phone(callee)
    outgoing = one.call(stage.uri(callee))
    incoming = other.incoming()
    one.rings_there(outgoing)
    one.hang_up(outgoing)
    other.over(incoming)
    one.over(outgoing)
    return []


def nobody_there(stage, caller):
    """A user that does not exist."""
    one = stage.phone(caller)
    return ended_with(one, one.call(stage.uri("nobody")), 404)


def sends_digits(stage, caller, callee):
    """Digits (RFC 4733) by either side are heard by the other."""
    one, other = stage.phone(caller), stage.phone(callee)
    talk = call(one, other, stage.uri(callee))
    for phone, outgoing, listener in talk.sides():
        for digit in "5#":
            phone.send_digit(outgoing, digit)
            listener.wait("digit", digit=digit)
    talk.hang_up(one)
    return []


def cases(make, complete):
    """The cases by their names. Not `complete`: only those that tell whether credentials and transport are right."""
    def between(first, second):
        pair = f"{make[first]} calls {make[second]}"
        return [
            (f"{pair} and hangs up", lambda stage: calls(stage, first, second, first)),
            (f"{pair}, which hangs up", lambda stage: calls(stage, first, second, second)),
            (f"{pair} by its number", lambda stage: calls(stage, first, second, first, number=True)),
        ]
    found = between("alice", "bob") + between("bob", "alice") + between("alice", "carol")[:1]
    if not complete:
        return found
    for first, second in (("alice", "bob"), ("bob", "alice")):
        pair = f"{make[first]} calls {make[second]}"
        found += [(f"{pair}, {make[holder]} holds and resumes", lambda stage, first=first, second=second, holder=holder:
                   holds(stage, first, second, holder)) for holder in (first, second)]
        found += [
            (f"{pair}, which is busy", lambda stage, first=first, second=second: refuses(stage, first, second, 486)),
            (f"{pair} and gives up", lambda stage, first=first, second=second: gives_up(stage, first, second)),
            (f"{pair}, digits both ways", lambda stage, first=first, second=second: sends_digits(stage, first, second)),
            (f"{make[first]} calls nobody", lambda stage, first=first: nobody_there(stage, first)),
        ]
    found.append((f"{make['bob']} calls {make['alice']}, which declines", lambda stage: refuses(stage, "bob", "alice", 603)))
    return found
