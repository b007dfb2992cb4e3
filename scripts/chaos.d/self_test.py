"""Does the verdict find every kind of fault, and nothing where there is none?"""

import base64

import capture
import history
import pcap
import verdict
from gateway import cut
from peers import by_name

EXCHANGE, CALLER, CALLEE = "127.0.0.1:5060", "127.0.0.1:5080", "127.0.0.1:5090"
PLACES = {CALLER: ("short", "caller"), CALLEE: ("short", "callee")}
SECOND = 1_000_000
KILL, BACK = 100 * SECOND, 101 * SECOND


def request(method, call, cseq=1, branch="b", tag="", more=""):
    """A request's bytes."""
    to = f";tag={tag}" if tag else ""
    return (f"{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{branch}\r\nFrom: <sip:f@b>;tag=f\r\nTo: <sip:a@b>{to}\r\n"
            f"Call-ID: {call}\r\nCSeq: {cseq} {method}\r\n{more}Content-Length: 0\r\n\r\n").encode()


def response(status, method, call, cseq=1, branch="b", more=""):
    """A response's bytes."""
    return request(method, call, cseq, branch, "t", more).replace(f"{method} sip:a@b SIP/2.0".encode(), f"SIP/2.0 {status} Said".encode(), 1)


class Run:
    """A made-up run: what is on the wire, and what is in the log."""

    def __init__(self):
        self.packets, self.events, self.ids = [], [], {}

    def log(self, at, sent, peer, raw, session="CA1", leg="l1"):
        """A message in the log."""
        self.event(at, "SipMessageCommitted" if sent else "SipMessageReceived", session, leg=leg,
                   flow={"local": EXCHANGE, "remote": peer}, raw=base64.b64encode(raw).decode())
        self.ids[sent, peer, raw] = self.events[-1]["id"]

    def event(self, at, kind, session="CA1", **data):
        """Any event."""
        number = len(self.events) + 1
        self.events.append({"position": number, "id": f"e{number}", "type": kind, "session": session, "at": at, "data": data})

    def wire(self, at, sent, peer, raw):
        """A message on the wire."""
        self.packets.append(pcap.Packet(at, EXCHANGE if sent else peer, peer if sent else EXCHANGE, raw))

    def both(self, at, sent, peer, raw, **where):
        """In the log, and then on the wire; or the other way round."""
        self.log(at if sent else at + 5, sent, peer, raw, **where)
        self.wire(at + 5 if sent else at, sent, peer, raw)

    def judged(self):
        """How many of each fault there are: lost, hung, events lost, twice, mismatches."""
        messages = [verdict.seen(packet, EXCHANGE, PLACES) for packet in self.packets]
        story, windows = verdict.Story(), verdict.Windows([(KILL, BACK)])
        for event in self.events:
            story.add(event, history.logged(event))
        lost_events, wrong, _ = verdict.against_log(messages, story, windows)
        _, lost, hung, _ = verdict.calls(messages, lambda address: by_name(PLACES[address]), windows)
        return len(lost), len(hung), len(lost_events), len(verdict.duplicates(messages, story)), len(wrong)


def call(run, at, name="c", bye=True):
    """A call that the caller ends, as it should be."""
    run.both(at, False, CALLER, request("INVITE", name))
    run.both(at + 10, True, CALLEE, request("INVITE", f"{name}-2"))
    run.both(at + 20, False, CALLEE, response(200, "INVITE", f"{name}-2"))
    run.both(at + 30, True, CALLER, response(200, "INVITE", name))
    if bye:
        run.both(at + 40, False, CALLER, request("BYE", name, 2, "d", "t"))
        run.both(at + 50, True, CALLER, response(200, "BYE", name, 2, "d"))
        run.both(at + 60, True, CALLEE, request("BYE", f"{name}-2", 2, "d", "t"))
        run.both(at + 70, False, CALLEE, response(200, "BYE", f"{name}-2", 2, "d"))


# Each case: its name, the faults owed (as `judged` gives them), and what happens beside a good call.
def nothing(_run):
    """A good call alone."""


def never_hung_up(run):
    call(run, SECOND, "x", bye=False)


def no_final(run):
    run.both(SECOND, False, CALLER, request("INVITE", "x"))


def refused_at_ease(run):
    run.both(SECOND, False, CALLER, request("INVITE", "x"))
    run.both(SECOND + 9, True, CALLER, response(503, "INVITE", "x"))


def refused_at_a_kill(run):
    run.both(KILL - 9, False, CALLER, request("INVITE", "x"))
    run.both(BACK, True, CALLER, response(503, "INVITE", "x"))


def out_of_turn(run):
    call(run, SECOND, "x", bye=False)
    for peer, name in ((CALLER, "x"), (CALLEE, "x-2")):
        run.both(2 * SECOND, True, peer, request("BYE", name, 7, "d", "t"))
        run.both(2 * SECOND + 9, False, peer, response(200, "BYE", name, 7, "d"))


def unlogged_of_ours(run):
    run.wire(KILL, True, CALLEE, request("INFO", "c-2", 5, "i", "t"))


def unlogged_of_theirs(run):
    run.wire(SECOND, False, CALLEE, request("INFO", "c-2", 5, "i", "t"))


def unheard_at_a_kill(run):
    run.wire(KILL - 9, False, CALLEE, request("INFO", "c-2", 5, "i", "t"))


def never_left(run):
    run.log(SECOND, True, CALLEE, request("INFO", "c-2", 5, "i", "t"))


def never_left_at_a_kill(run):
    run.log(KILL - 9, True, CALLEE, request("INFO", "c-2", 5, "i", "t"))


def sent_too_soon(run):
    raw = request("INFO", "c-2", 5, "i", "t")
    run.wire(SECOND, True, CALLEE, raw)
    run.log(SECOND + 1, True, CALLEE, raw)


def unnoted_repeat(run):
    for at in (SECOND, 3 * SECOND):
        run.wire(at, True, CALLEE, request("INVITE", "c-2"))


def repeat_at_a_kill(run):
    run.wire(BACK - 1, True, CALLEE, request("INVITE", "c-2"))


def other_bytes(run):
    run.both(SECOND, True, CALLEE, request("INVITE", "c-2", more="Subject: other\r\n"))


def other_branch(run):
    run.both(SECOND, True, CALLEE, request("BYE", "c-2", 2, "e", "t"))


def second_bye(run):
    run.both(SECOND, True, CALLEE, request("BYE", "c-2", 3, "e", "t"))


def second_final(run):
    run.both(SECOND, True, CALLER, response(486, "INVITE", "c"))


def second_leg(run):
    raw = request("INVITE", "c-3")
    run.log(SECOND, True, CALLEE, raw, leg="l2")
    run.wire(SECOND + 5, True, CALLEE, raw)
    run.both(SECOND + 9, False, CALLEE, response(200, "INVITE", "c-3"))
    run.both(SECOND + 20, True, CALLEE, request("BYE", "c-3", 2, "d", "t"))
    run.both(SECOND + 30, False, CALLEE, response(200, "BYE", "c-3", 2, "d"))


def ended_twice(run):
    run.event(SECOND, "SessionEnded")
    run.event(SECOND, "SessionEnded")


def repeat_of_nothing(run):
    run.event(SECOND, "SipMessageRepeated", of="e999", way="sent", times=1)


def stateless(run):
    run.wire(SECOND, False, CALLER, request("OPTIONS", "o", 1, "o"))
    run.wire(SECOND + 9, True, CALLER, response(200, "OPTIONS", "o", 1, "o"))


CASES = (
    (nothing, (0, 0, 0, 0, 0)), (never_hung_up, (2, 0, 0, 0, 0)), (no_final, (0, 1, 0, 0, 0)), (refused_at_ease, (1, 0, 0, 0, 0)),
    (refused_at_a_kill, (0, 0, 0, 0, 0)), (out_of_turn, (1, 0, 0, 0, 0)), (unlogged_of_ours, (0, 0, 1, 0, 0)),
    (unlogged_of_theirs, (0, 0, 0, 0, 1)), (unheard_at_a_kill, (0, 0, 0, 0, 0)), (never_left, (0, 0, 0, 0, 1)),
    (never_left_at_a_kill, (0, 0, 0, 0, 0)), (sent_too_soon, (0, 0, 0, 0, 1)), (unnoted_repeat, (0, 0, 0, 0, 1)),
    (repeat_at_a_kill, (0, 0, 0, 0, 0)), (other_bytes, (0, 0, 0, 1, 0)), (other_branch, (0, 0, 0, 1, 0)), (second_bye, (0, 0, 0, 1, 0)),
    (second_final, (0, 0, 0, 1, 0)), (second_leg, (0, 0, 0, 1, 0)), (ended_twice, (0, 0, 0, 1, 0)), (repeat_of_nothing, (0, 0, 0, 0, 1)),
    (stateless, (0, 0, 0, 0, 0)),
)


def case_failed(happens, owed):
    """What is found where this happens beside a good call, if it is not what is owed."""
    run = Run()
    call(run, SECOND // 2)
    happens(run)
    run.packets.sort(key=lambda packet: packet.at_us)
    found = run.judged()
    return [] if found == owed else [f"{happens.__name__}: {found}, {owed} is owed"]


def streams_failed():
    """A stream is put together again, whatever its segments are."""
    first, second = request("INVITE", "a"), request("BYE", "b")
    data = b"\r\n\r\n" + first + second
    found, stream = [], capture.Stream(0xFFFFFFF0)
    for start, end in ((0, 9), (50, 60), (5, 52), (60, len(data)), (60, len(data))):
        found += stream.take((0xFFFFFFF0 + start) & 0xFFFFFFFF, data[start:end])
    wrong = [] if found == [first, second] else [f"a stream was read as {found}"]
    return wrong + ([] if cut(first[:20]) == (None, first[:20]) else ["half a message was taken as whole"])


def gaps_failed():
    """The longest silence is found, at a kill and apart from kills."""
    arrived = [*range(0, KILL, 20_000), *range(KILL + 300_000, KILL + 20 * SECOND, 20_000), KILL + 21 * SECOND]
    found = verdict.gaps_ms(arrived, [(KILL, BACK)])
    return [] if 300 <= found[0] <= 320 and 1000 <= found[1] <= 1020 else [f"gaps of {found} ms were found"]


def main():
    """Runs every case; returns the exit code."""
    wrong = [line for happens, owed in CASES for line in case_failed(happens, owed)] + streams_failed() + gaps_failed()
    for line in wrong:
        print(f"FAILED self-test: {line}")
    print(f"{len(CASES) + 2 - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0
