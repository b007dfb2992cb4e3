"""What is true of a run, seen from outside: its capture, and its log as the API tells it.

Faults, of which none is allowed:

- calls lost: an answered call, on either leg, that nobody or the wrong side ended by a BYE that was answered with 2xx; a call
  that did not get the final response it was to get, though no kill fell into its setup.
- set-ups hung: an INVITE without a final response.
- events lost: a message of ours on the wire that no event of the log is about.
- duplicate actions: one request of ours (Call-ID, CSeq and method) with different bytes; two final responses that differ to one
  request; two CSeq of BYE in one dialog; two legs of one session to one callee; a session whose log says twice what is only once.
- capture mismatches: sent before it was logged; logged as received more often than it came, or as sent more often than it left,
  or a message that came and is not in the log, each outside of the time around a kill.

Around a kill (from `DYING_US` before it until the exchange serves again) some differences are owed to it, and only counted:
packets that a dying or dead worker got and never logged, decisions that never left and were overtaken, repeats not noted.
"""

import bisect
import hashlib
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import history
import wire
from capture_equals_log import without_credentials

# Commits and notes of repeats that a kill can cut off are younger than this.
DYING_US = 1_000_000
# Of what a session's log may say once a leg, or once at all.
ONCE = {"SessionOffered", "SessionEnded", "LegInvited", "LegAnswered", "LegConfirmed", "LegRefused", "TransferCompleted"}
TO_TAG = re.compile(rb"^(?:to|t)[ \t]*:[^\r\n]*;tag=", re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class Seen:
    """One message on the wire."""

    at_us: int
    sent: bool
    local: str
    remote: str
    digest: str
    request: bool
    method: str
    status: int
    call_id: str
    cseq: str
    branch: str
    to_tag: str

    @property
    def key(self):
        """What it has in common with its event."""
        return (self.sent, self.local, self.remote, self.digest)

    def title(self):
        """In words."""
        way = "sent" if self.sent else "received"
        return f"{way} {self.method if self.request else f'{self.status} to {self.method}'} (CSeq {self.cseq}, {self.call_id}, peer {self.remote})"


def seen(packet, local, peers):
    """A packet as one of the exchange's, whose peers have these addresses; None of what is no SIP. Connections that the exchange
    makes leave from any port: the log names its listener."""
    sent = packet.destination in peers
    remote = packet.destination if sent else packet.source
    message = wire.parse(packet.payload, sent)
    if not message or remote not in peers:
        return None
    branch = re.search(r";\s*branch=([^;,\s]+)", message.one("via"))
    digest = hashlib.sha256(without_credentials(packet.payload)).hexdigest()
    return Seen(packet.at_us, sent, local, remote, digest, message.is_request, message.method, message.status,
                message.one("call-id"), message.one("cseq").split()[0], branch[1] if branch else "", message.tag("to"))


@dataclass
class Story:
    """What the log says, as far as it is judged: messages by key, how often and since when, and what sessions say once."""

    times: Counter = field(default_factory=Counter)
    first_us: dict = field(default_factory=dict)
    position: dict = field(default_factory=dict)
    said: Counter = field(default_factory=Counter)
    legs: dict = field(default_factory=lambda: defaultdict(set))
    wrong: list = field(default_factory=list)
    of_event: dict = field(default_factory=dict)

    def add(self, event, logged):
        """One more event; `logged` is what it says about the wire."""
        session, kind, data = event.get("session"), event["type"], event["data"]
        if kind in ONCE:
            self.said[session, kind, data.get("leg", "")] += 1
        if not logged:
            return
        if logged.repeats:
            key = self.of_event.get(logged.repeats)
            if key is None or key[0] != logged.sent:
                self.wrong.append(f"event {logged.id} at {logged.position} repeats {logged.repeats}, which is no such message")
                return
        else:
            key = (logged.sent, logged.local, logged.remote, hashlib.sha256(logged.raw).hexdigest())
            self.of_event[logged.id] = key
            self.first_us.setdefault(key, logged.at_us)
            self.position.setdefault(key, logged.position)
            if logged.sent and logged.raw.startswith(b"INVITE ") and not TO_TAG.search(logged.raw):
                self.legs[session, logged.remote].add(data.get("leg", ""))
        self.times[key] += logged.times


def story_of(path):
    """The log as it was kept: an event a line."""
    story = Story()
    with open(path, encoding="utf-8") as file:
        for event in map(json.loads, file):
            story.add(event, history.logged(event))
    return story


class Windows:
    """The times around kills: (killed, serves again) in microseconds."""

    def __init__(self, kills):
        self.bounds = sorted((kill - DYING_US, back) for kill, back in kills)
        self.starts = [start for start, _ in self.bounds]

    def hold(self, at_us):
        """Whether a moment is around a kill."""
        place = bisect.bisect_right(self.starts, at_us) - 1
        return place >= 0 and at_us <= self.bounds[place][1]

    def touch(self, begin, end):
        """Whether a span of time meets one."""
        return any(start <= end and begin <= back for start, back in self.bounds)


def against_log(messages, story, windows):
    """(events lost, mismatches, what was counted only)."""
    on_wire, outside, first, shown = Counter(), Counter(), {}, {}
    heard, noted = set(), Counter()
    for one in messages:
        on_wire[one.key] += 1
        outside[one.key] += not windows.hold(one.at_us)
        first.setdefault(one.key, one.at_us)
        shown.setdefault(one.key, one)
        if one.request and not one.sent and one.key in story.times:
            heard.add((one.call_id, one.branch))
    # A response of ours to what is not in the log was stateless, and so are its request and the ACK to it.
    stateless = {(one.call_id, one.branch) for one in shown.values()
                 if one.sent and not one.request and one.key not in story.times and (one.call_id, one.branch) not in heard}
    lost, wrong = [], list(story.wrong)
    for key, one in shown.items():
        times = story.times[key]
        if not times and (one.call_id, one.branch) in stateless:
            noted[f"stateless: {one.title().split(' (')[0]}"] += 1
        elif not times and one.sent:
            lost.append(f"not in the log: {one.title()} at {first[key]}")
        elif not times and outside[key]:
            wrong.append(f"not in the log, and no kill is to blame: {one.title()} at {first[key]}")
        elif not times:
            noted[f"never logged by a dying or dead worker: {one.method if one.request else 'response to ' + one.method}"] += 1
        elif times < outside[key]:
            wrong.append(f"{outside[key]} times on the wire outside of kills, {times} in the log: {one.title()}")
        elif times < on_wire[key]:
            noted["repeats that a kill left unnoted"] += on_wire[key] - times
        if times and one.sent and story.first_us[key] > first[key]:
            wrong.append(f"sent {story.first_us[key] - first[key]} us before it was logged: {one.title()}")
    for key, times in story.times.items():
        if times > on_wire[key]:
            at = story.first_us[key]
            what = shown[key].title() if key in shown else f"{'sent' if key[0] else 'received'} {key[1]} {key[2]}"
            if key[0] and (windows.hold(at) or key in shown):
                noted["decided and never left, or overtaken" if key not in shown else "repeats noted that never left"] += 1
            else:
                wrong.append(f"{on_wire[key]} times on the wire, {times} in the log at {story.position[key]}: {what}")
    return lost, wrong, noted


def duplicates(messages, story):
    """What was done twice."""
    requests, finals, byes, found = defaultdict(dict), defaultdict(dict), defaultdict(set), []
    for one in messages:
        if not one.sent:
            continue
        if one.request:
            requests[one.call_id, one.cseq, one.method].setdefault(one.digest, one)
            if one.method == "BYE":
                byes[one.call_id].add(one.cseq)
        elif one.status >= 200:
            finals[one.call_id, one.cseq, one.method, one.branch].setdefault(one.digest, one)
    for kinds in requests.values():
        if len(kinds) > 1:
            found.append(f"one request with {len(kinds)} contents: {', '.join(one.title() for one in kinds.values())}")
    for kinds in finals.values():
        if len(kinds) > 1:
            found.append(f"one request answered in {len(kinds)} ways: {', '.join(one.title() for one in kinds.values())}")
    found.extend(f"hung up {len(numbers)} times (CSeq {', '.join(sorted(numbers))}): {call}" for call, numbers in byes.items() if len(numbers) > 1)
    found.extend(f"{session} has {len(legs)} legs to {remote}" for (session, remote), legs in story.legs.items() if len(legs) > 1)
    found.extend(f"{session} says {times} times {kind} {leg}" for (session, kind, leg), times in story.said.items() if times > 1)
    return found


@dataclass
class Leg:
    """One dialog, as its peer sees it."""

    place: tuple
    asked_us: int
    by_peer: bool
    cseq: str
    final: int = 0
    final_us: int = 0
    bye_by_peer: list = field(default_factory=list)
    bye_answers: list = field(default_factory=list)


def legs_of(messages, place_of):
    """Every dialog that began with an INVITE."""
    legs = {}
    for one in messages:
        leg = legs.get(one.call_id)
        if one.request and one.method == "INVITE" and not one.to_tag:
            if leg is None:
                legs[one.call_id] = Leg(place_of(one.remote), one.at_us, not one.sent, one.cseq)
        elif leg is None:
            continue
        elif one.request and one.method == "BYE":
            leg.bye_by_peer.append(not one.sent)
        elif not one.request and one.method == "BYE":
            leg.bye_answers.append(one.status)
        elif not one.request and one.method == "INVITE" and one.cseq == leg.cseq and one.status >= 200 and not leg.final:
            leg.final, leg.final_us = one.status, one.at_us
    return legs


def calls(messages, place_of, windows):
    """(calls, lost, hung, what was counted only); `place_of` says of a peer's address which (kind, side) it is."""
    count, lost, hung, noted = 0, {}, {}, Counter()
    for call, leg in legs_of(messages, place_of).items():
        kind, side = leg.place
        count += leg.by_peer
        wanted = kind.final if kind else 200
        if not leg.final:
            (hung if leg.by_peer else lost)[call] = (kind, f"{side}: no final response")
        elif leg.final != wanted:
            if leg.by_peer and leg.final >= 300 and windows.touch(leg.asked_us, leg.final_us):
                noted[f"set-ups that a kill ended with {leg.final}"] += 1
            elif leg.by_peer:
                lost[call] = (kind, f"{side}: {leg.final}, {wanted} was to come")
        elif leg.final == 200:
            wrong = bad_end(leg, kind, side)
            if wrong:
                lost[call] = (kind, f"{side}: {wrong}")
    return count, lost, hung, noted


def bad_end(leg, kind, side):
    """How an answered dialog did not end well; empty where it did."""
    # Who asks for a transfer is hung up on once it is done; a target hangs up.
    by_peer = (kind.ends == side and not kind.refers) if kind else True
    if not leg.bye_by_peer:
        return "answered, and never hung up"
    if leg.bye_by_peer[0] != by_peer:
        return f"hung up by {'the peer' if leg.bye_by_peer[0] else 'the exchange'}, out of turn"
    if not any(200 <= status < 300 for status in leg.bye_answers):
        return f"BYE was answered {leg.bye_answers or 'by nothing'}"
    return ""


def gaps_ms(arrived, kills):
    """The longest time without a packet, in ms, at a kill and else."""
    at_kill, else_ms = 0.0, 0.0
    windows = Windows([(kill + DYING_US, back + 1_000_000) for kill, back in kills])
    for before, after in zip(arrived, arrived[1:]):
        gap = (after - before) / 1000
        if windows.touch(before, after):
            at_kill = max(at_kill, gap)
        else:
            else_ms = max(else_ms, gap)
    return at_kill, else_ms
