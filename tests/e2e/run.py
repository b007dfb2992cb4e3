#!/usr/bin/env python3
"""End-to-end cases: one exchange, SIPp on both of its sides.

A case passes if every SIPp saw what its scenario demands in that order, the messages of both legs are what a
back-to-back user agent owes (wire.py), and then no session, leg, timer or transaction remains.
"""

import argparse
import os
import queue
import re
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts"))
sys.path.insert(0, HERE)
from harness import exchange, log_server, processes, sipp  # noqa: E402
import asking  # noqa: E402
import digits  # noqa: E402
import doubler  # noqa: E402
import tcp_peer  # noqa: E402
import timers  # noqa: E402
import transfers  # noqa: E402
import wire  # noqa: E402

# RFC 3261's T1 shortened from 500 ms, so that each case can be watched to its last timer.
T1_MS = 50
# SIPp speaks MD5 alone, and reads the first challenge only.
SETTINGS = f'[sip]\nt1_ms = {T1_MS}\ndigest = ["MD5"]\n'
# No session timer is shorter (RFC 4028): the exchange refreshes after 45 s, and gives up after 60 s who does not.
SHORT_TIMERS = "session_expires_s = 90\n"
# Ports of a stage.
BLOCK = 200
# Exchanges that ordinary cases run on: they mostly wait.
LANES = 3
GAUGES = ("live_sessions", "sessions_in_memory", "legs", "timers", "transactions")
ANSWERED, ANSWERED_BY_TCP, NOBODY = "+15550000001", "+15550000002", "+15550009999"
FAILING_OVER, SILENT_OVER, RINGING_LONG = "+17770000001", "+17880000001", "+17990000001"
IN_ORDER, AT_ONCE = "+15550000003", "+15550000004"
DOMAIN, USERS = "pbx.example", {"alice": "alice-secret", "ordered": "unused-secret-1", "together": "unused-secret-2"}
# Whose port a case's caller sends from: a carrier to the listener for carriers, others to the public one.
CALLS_FROM = {"carrier": "caller", "pbx": "pbx", "public": "stranger", "other": "other"}
MARKS = {
    "caller": ["callertag", "caller-contact", "caller-agent", "caller-private", "caller.example"],
    "callee": ["calleetag", "callee-contact", "callee-agent", "callee-private"],
}


@dataclass
class Case:
    """One case. `callees` maps a place (callee, carrier_a …) to its scenario, or to a part of tcp_peer. The roles in `plain` run without SIPp's own
    repeats and its recognition of repeats; `doubled` sends everything of the caller's twice; those in `tcp` speak TCP;
    `sees` judges the legs; `key` is the password of a caller that is a user; `seconds` is what it may take. `first` is a call that
    stands before the caller's begins: its scenario, what it dials, what its phone (`consult`) has seen when it stands, and whose
    dialog the caller's scenario names, where not that phone's."""

    name: str
    caller: str
    callees: dict
    dialled: str = ANSWERED
    place: str = "carrier"
    plain: tuple = ()
    sees: object = None
    doubled: bool = False
    tcp: tuple = ()
    key: str = USERS["alice"]
    first: tuple = ()
    seconds: int = 15

    def transport(self, role):
        """What a role speaks."""
        return "tcp" if role in self.tcp else "udp"


def count(legs, role, sent, method, status=0, distinct=False):
    """How many such messages a role sent or received; distinct ones only where asked."""
    raws = [message.raw for message in legs.get(role, [])
            if message.sent == sent and message.method == method and message.status == status]
    return len(set(raws)) if distinct else len(raws)


def one_call(legs):
    """The doubled INVITE made one call."""
    calls = {message.one("call-id") for message in legs["callee"]}
    return [] if len(calls) == 1 else [f"the callee saw {len(calls)} calls, one is owed"]


def repeats_answer(legs):
    """The 200 that was not acknowledged came again, byte for byte."""
    times = count(legs, "caller", False, "INVITE", 200)
    kinds = count(legs, "caller", False, "INVITE", 200, distinct=True)
    return [] if times >= 3 and kinds == 1 else [f"the caller got {times} answers of {kinds} kinds, at least 3 of one are owed"]


def repeats_ack(legs):
    """Each 200 of the callee got the same ACK."""
    times, kinds = (count(legs, "callee", False, "ACK", distinct=distinct) for distinct in (False, True))
    return [] if times >= 3 and kinds == 1 else [f"the callee got {times} ACK of {kinds} kinds, at least 3 of one are owed"]


def repeats_provisional(legs):
    """The 183 that was not acknowledged came again, byte for byte, and the 200 after its PRACK."""
    times, kinds = (count(legs, "caller", False, "INVITE", 183, distinct) for distinct in (False, True))
    wrong = [] if times >= 3 and kinds == 1 else [f"the caller got {times} 183 of {kinds} kinds, at least 3 of one are owed"]
    order = [(message.method, message.status) for message in legs["caller"] if not message.sent]
    if ("INVITE", 200) in order and order.index(("INVITE", 200)) < order.index(("PRACK", 200)):
        wrong.append("the 200 did not wait for the PRACK")
    return wrong


def one_bye(legs):
    """The callee was hung up on once, though the caller's BYE came three times."""
    kinds = count(legs, "callee", False, "BYE", distinct=True)
    return [] if kinds == 1 else [f"the callee got {kinds} kinds of BYE, one is owed"]


def same_refusal(legs):
    """A stateless answer has the same tag each time (RFC 3261 section 8.2.7); the nonce may be another."""
    tags = {message.one("to") for message in legs.get("caller", [])
            if not message.sent and message.method == "INVITE" and message.status == 407}
    return [] if len(tags) == 1 else [f"the caller got 407s with {len(tags)} tags, one is owed"]


def one_dialog(legs):
    """However many phones there are, the caller sees one (RFC 3261 section 16.7 is the exchange's own affair)."""
    tags = {message.tag("to") for message in legs["caller"] if not message.sent and message.status > 100}
    return [] if len(tags) == 1 else [f"the caller saw {len(tags)} To tags, one is owed"]


def refreshes_say_nothing_new(legs):
    """What the exchange tells a peer by re-INVITE is what it told it before, byte for byte."""
    told = {message.body for message in legs["callee"] if not message.sent and message.method == "INVITE" and message.is_request}
    return [] if len(told) == 1 else [f"the callee was told {len(told)} kinds of SDP, one is owed"]


def loser_hung_up(legs):
    """Both answers were acknowledged and both dialogs ended; the caller saw one."""
    ended = [message.tag("to")[-1] for message in legs["callee"] if not message.sent and message.method == "BYE"]
    acked = [message.tag("to")[-1] for message in legs["callee"] if not message.sent and message.method == "ACK"]
    wrong = [] if ended == ["2", "1"] else [f"BYE went to phones {ended}, to the second and then to the first is owed"]
    return wrong + ([] if acked == ["1", "2"] else [f"ACK went to phones {acked}"]) + one_dialog(legs)


def not_before(legs):
    """A CANCEL never goes to a carrier that answered nothing (RFC 3261 section 9.1)."""
    wrong = count(legs, "carrier_a", False, "CANCEL")
    return ["the silent carrier got a CANCEL"] if wrong else []


BOTH, CALLING = ("caller", "callee"), ("caller", "consult")
CASES = (
    Case("basic", "calls.xml", {"callee": "answers.xml"}),
    Case("late offer", "late_offer.caller.xml", {"callee": "late_offer.callee.xml"}),
    Case("early media", "early_media.caller.xml", {"callee": "early_media.callee.xml"}),
    Case("busy", "busy.caller.xml", {"callee": "busy.callee.xml"}),
    Case("failover on 503", "calls.xml", {"carrier_a": "failover.refuses.xml", "carrier_b": "answers.xml"}, FAILING_OVER, "pbx"),
    Case("failover on silence", "calls.xml", {"carrier_a": "failover.silent.xml", "carrier_b": "answers.xml"}, SILENT_OVER, "pbx",
         sees=not_before),
    Case("no answer, the caller cancels", "cancel.caller.xml", {"callee": "cancel.callee.xml"}),
    Case("no answer, the exchange gives up", "ring_timeout.caller.xml", {"carrier_c": "cancel.callee.xml"}, RINGING_LONG, "pbx"),
    Case("CANCEL crosses the callee's 200", "cancel.caller.xml", {"callee": "cancel_crosses_answer.callee.xml"}),
    Case("CANCEL crosses the exchange's 200", "answer_crosses_cancel.caller.xml", {"callee": "answers.xml"}),
    Case("hold and resume by the caller", "hold_by_caller.caller.xml", {"callee": "hold_by_caller.callee.xml"}),
    Case("hold and resume by the callee", "hold_by_callee.caller.xml", {"callee": "hold_by_callee.callee.xml"}),
    Case("INFO by the caller", "info.caller.xml", {"callee": "info.callee.xml"}),
    Case("UPDATE by the caller", "update.caller.xml", {"callee": "update.callee.xml"}),
    Case("UPDATE by the caller to who does not take it", "update.caller.xml", {"callee": "update_as_invite.callee.xml"}),
    Case("PRACK on both legs", "prack_both.caller.xml", {"callee": "prack.callee.xml"}),
    Case("PRACK on the callee's leg", "prack_unaware.caller.xml", {"callee": "prack.callee.xml"}),
    Case("PRACK on the caller's leg", "prack.caller.xml", {"callee": "early_media.callee.xml"}),
    Case("PRACK required by the caller", "prack_required.caller.xml", {"callee": "rings_long.callee.xml"}),
    Case("PRACK with the answer to a late offer", "prack_late.caller.xml", {"callee": "prack_late.callee.xml"}),
    Case("183 repeated until its PRACK, the 200 held", "lost_prack.caller.xml", {"callee": "answers_early.callee.xml"},
         plain=("caller",), sees=repeats_provisional),
    Case("TCP: PRACK on both legs", "prack_both.caller.xml", {"callee": "prack.callee.xml"}, ANSWERED_BY_TCP, tcp=BOTH),
    Case("session timers too short on both legs", "timer_too_short.caller.xml", {"callee": "timer_too_short.callee.xml"}),
    Case("MESSAGE by the caller", "message.caller.xml", {"callee": "message.callee.xml"}),
    Case("forked 18x", "forked.caller.xml", {"callee": "forked.callee.xml"}, sees=one_dialog),
    Case("two 200s", "two_answers.caller.xml", {"callee": "two_answers.callee.xml"}, sees=loser_hung_up),
    Case("overlapping re-INVITE", "overlap.caller.xml", {"callee": "overlap.callee.xml"}),
    Case("glare", "glare.caller.xml", {"callee": "glare.callee.xml"}),
    Case("BYE against re-INVITE", "bye_against_invite.caller.xml", {"callee": "bye_against_invite.callee.xml"}),
    Case("devices in order of q", "calls.xml", {"callee": "refused.callee.xml", "carrier_a": "answers.xml"}, IN_ORDER),
    Case("devices at once", "calls.xml", {"carrier_a": "cancel.callee.xml", "carrier_b": "answers_later.xml"}, AT_ONCE),
    Case("INVITE with a password", "user.caller.xml", {"callee": "answers.xml"}, place="public"),
    Case("INVITE with a wrong password", "user_wrong.caller.xml", {}, place="public", key="guessed"),
    Case("replayed nonce", tcp_peer.caller_that_replays, {"callee": "busy.callee.xml"}, place="public", tcp=("caller",)),
    Case("doubled INVITE", "doubled_invite.caller.xml", {"callee": "merged.callee.xml"}, sees=one_call),
    Case("every request of the caller doubled", "calls.xml", {"callee": "answers.xml"}, sees=one_call, doubled=True),
    Case("200 lost towards the caller", "lost_answer_at_caller.caller.xml", {"callee": "answers.xml"}, plain=("caller",),
         sees=repeats_answer),
    Case("200 repeated by the callee", "calls.xml", {"callee": "lost_answer_at_callee.callee.xml"}, plain=("callee",),
         sees=repeats_ack),
    Case("ACK lost for good", "lost_ack.caller.xml", {"callee": "answers.xml"}),
    Case("BYE by the callee", "bye_by_callee.caller.xml", {"callee": "bye_by_callee.callee.xml"}),
    Case("BYE twice", "bye_twice.caller.xml", {"callee": "answers.xml"}, plain=("caller",), sees=one_bye),
    Case("BYE crosses BYE", "calls.xml", {"callee": "bye_crossing.callee.xml"}),
    Case("BYE from both at once", "bye_simultaneous.caller.xml", {"callee": "bye_simultaneous.callee.xml"}),
    Case("unknown dialog", "unknown_dialog.caller.xml", {}),
    Case("Max-Forwards 0", "max_forwards.caller.xml", {}),
    Case("loop", "loop.caller.xml", {"callee": "loop.callee.xml"}),
    Case("merged request", "merged.caller.xml", {"callee": "merged.callee.xml"}),
    Case("OPTIONS", "options.caller.xml", {}),
    Case("public INVITE challenged", "public_refused.caller.xml", {}, place="public", plain=("caller",), sees=same_refusal),
    Case("no route", "no_route.caller.xml", {}, NOBODY),
    Case("not supported", "not_supported.caller.xml", {}),
    Case("TCP on both sides", "calls.xml", {"callee": "answers.xml"}, ANSWERED_BY_TCP, tcp=BOTH),
    Case("TCP to UDP", "calls.xml", {"callee": "answers.xml"}, tcp=("caller",)),
    Case("UDP to TCP", "calls.xml", {"callee": "answers.xml"}, ANSWERED_BY_TCP, tcp=("callee",)),
    Case("TCP: late offer", "late_offer.caller.xml", {"callee": "late_offer.callee.xml"}, ANSWERED_BY_TCP, tcp=BOTH),
    Case("TCP: busy", "busy.caller.xml", {"callee": "busy.callee.xml"}, ANSWERED_BY_TCP, tcp=BOTH),
    Case("TCP: the caller cancels", "cancel.caller.xml", {"callee": "cancel.callee.xml"}, ANSWERED_BY_TCP, tcp=BOTH),
    Case("TCP: hold and resume by the callee", "hold_by_callee.caller.xml", {"callee": "hold_by_callee.callee.xml"},
         ANSWERED_BY_TCP, tcp=BOTH),
    Case("TCP: BYE by the callee", "bye_by_callee.caller.xml", {"callee": "bye_by_callee.callee.xml"}, ANSWERED_BY_TCP, tcp=BOTH),
    Case("TCP: 200 lost towards the caller", "lost_answer_at_caller.caller.xml", {"callee": "answers.xml"}, ANSWERED_BY_TCP,
         plain=("caller",), sees=repeats_answer, tcp=BOTH),
    Case("TCP: the callee's connection ends, the caller hangs up", "calls.xml", {"callee": tcp_peer.callee_that_closes},
         ANSWERED_BY_TCP, tcp=BOTH),
    Case("TCP: the caller's connection ends, the callee hangs up", tcp_peer.caller_that_closes,
         {"callee": "bye_by_callee.callee.xml"}, ANSWERED_BY_TCP, tcp=BOTH),
    Case("TCP: the caller's connection ends, it hangs up by another", tcp_peer.caller_that_comes_back, {"callee": "answers.xml"},
         ANSWERED_BY_TCP, tcp=BOTH),
    Case("TCP: OPTIONS", "options.caller.xml", {}, tcp=("caller",)),
    Case("TCP: public INVITE challenged", "public_refused.caller.xml", {}, place="public", plain=("caller",), tcp=("caller",)),
    Case("digits in RTP, both ways", digits.caller, {"callee": digits.callee}, ANSWERED_BY_TCP, tcp=BOTH),
    *asking.cases(Case),
    *transfers.cases(Case, ANSWERED_BY_TCP, ANSWERED),
)

# Cases that wait for most of a minute: each has an exchange of its own, and runs beside the others.
SLOW = (
    Case("session timers refreshed by the exchange", "timer_refreshed.caller.xml", {"callee": "timer_refreshed.callee.xml"},
         sees=refreshes_say_nothing_new, seconds=75),
    Case("a session timer expires", "timer_expires.caller.xml", {"callee": "timer_expires.callee.xml"},
         sees=refreshes_say_nothing_new, seconds=90),
)


class Stage:
    """The exchange, its provisioning, and the ports of all peers: a block from `start` on."""

    def __init__(self, folder, binary, start, settings=SETTINGS):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.media, self.media_of_peers = range(start + 100, start + 150), start + 150
        http = start + 90
        self.ports = {}
        for name in ("carrier", "public", "caller", "pbx", "stranger", "other", "consult", "callee", "target", "carrier_a", "carrier_b",
                     "carrier_c"):
            self.ports[name] = start = processes.free_port(start + 2)
        self.doubler = doubler.Doubler(self.ports["carrier"])
        self.doubler.start()
        self.exchange = exchange.Exchange(
            os.path.join(folder, "exchange"), self.ports["carrier"], processes.free_port(http),
            f"{self.media.start}-{self.media.stop - 1}", self.ports["public"], settings, binary)
        self.provision()
        addresses = [f"127.0.0.1:{self.ports[name]}" for name in ("carrier", "public")]
        self.world = wire.World(tuple(addresses), self.media)

    def provision(self):
        """Trunks and numbers of all cases."""
        def at(name):
            return f"127.0.0.1:{self.ports[name]}"
        api = self.exchange
        api.trunk(name="carrier", kind="carrier", addresses=[at("caller"), f"127.0.0.1:{self.doubler.port}"])
        api.trunk(name="pbx", kind="pbx", addresses=[at("callee")], destination=f"sip:{at('callee')}", refer="internal")
        api.trunk(name="pbx-out", kind="pbx", addresses=[at("pbx"), at("consult")], refer="any")
        other = api.request("POST", "/v1/accounts", {"name": "Other"})["id"]
        api.request("POST", f"/v1/trunks?account={other}", {"name": "other", "kind": "pbx", "addresses": [at("other")]})
        api.trunk(name="carrier-a", kind="carrier", addresses=[at("carrier_a")], destination=f"sip:{at('carrier_a')}",
                  prefixes=["+1777", "+1788"], priority=1)
        api.trunk(name="carrier-b", kind="carrier", addresses=[at("carrier_b")], destination=f"sip:{at('carrier_b')}",
                  prefixes=["+1777", "+1788"], priority=2)
        api.trunk(name="carrier-c", kind="carrier", addresses=[at("carrier_c")], destination=f"sip:{at('carrier_c')}",
                  prefixes=["+1799"], ring_timeout=2)
        asking.provision(api, at)
        api.number(ANSWERED, f"sip:pbx@{at('callee')}")
        api.number(ANSWERED_BY_TCP, f"sip:pbx@{at('callee')};transport=tcp")
        api.number(transfers.TARGET, f"sip:target@{at('target')}")
        self.provision_users(at)
        api.wait_caught_up()

    def provision_users(self, at):
        """A domain, its users, and where those are that numbers lead to."""
        api = self.exchange
        api.request("POST", "/v1/domains", {"name": DOMAIN})
        for username, password in USERS.items():
            api.request("POST", "/v1/credentials", {"domain": DOMAIN, "username": username, "password": password})
        for user, places in (("ordered", (("callee", 1.0), ("carrier_a", 0.5))), ("together", (("carrier_a", 0.7), ("carrier_b", 0.7)))):
            for place, q in places:
                api.request("POST", "/v1/registrations", {"aor": f"{user}@{DOMAIN}", "contact": f"sip:{user}@{at(place)}", "q": q})
        api.number(IN_ORDER, f"sip:ordered@{DOMAIN}")
        api.number(AT_ONCE, f"sip:together@{DOMAIN}")

    def port(self, case, role):
        """Where a role of a case sends from."""
        return self.ports[CALLS_FROM[case.place] if role == "caller" else role]

    def phone(self, case, folder, role, scenario, media, keys=()):
        """Starts one SIPp, or other peer, of a case."""
        towards, dialled = self.ports["carrier" if case.place == "carrier" and role == "caller" else "public"], case.dialled
        if callable(scenario):
            return tcp_peer.Peer(role, scenario, self.port(case, role), towards, dialled)
        if role == "consult":
            dialled = case.first[1]
        with open(os.path.join(HERE, "cases", scenario), encoding="utf-8") as file:
            text = transfers.expand(file.read(), asking, timers)
        path = os.path.join(folder, f"{role}.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        extra = ["-m", "1", "-mp", str(media), "-s", dialled, "-key", "domain", DOMAIN, "-recv_timeout", str(max(8000, 900 * case.seconds)),
                 "-trace_msg", "-message_file", os.path.join(folder, f"{role}.messages"), *asking.KEYS, *keys]
        if role in case.plain:
            extra.append("-nr")
        if role in case.tcp:
            extra += ["-t", "t1"]
        if role in CALLING:
            towards = self.doubler.port if case.doubled else towards
            # By whom is asked of others: SIPp would judge their credentials by this URI too.
            extra += [f"127.0.0.1:{towards}", "-cid_str", "%u-%p@caller.example", "-au", "alice", "-ap", case.key,
                      "-auth_uri", f"{dialled}@{DOMAIN}"]
        return sipp.Sipp(path, folder, self.port(case, role), extra, role)

    def left_over(self):
        """Gauges that are not zero."""
        metrics = self.exchange.metrics()
        found = {}
        for gauge in GAUGES:
            values = [value for (name, _), value in metrics.items() if name == f"strowger_{gauge}"]
            if not values or sum(values):
                found[gauge] = int(sum(values)) if values else "not exported"
        return found

    def remains(self, seconds):
        """What is left after the last timer; empty as soon as nothing is."""
        end = time.monotonic() + seconds
        while True:
            found = self.left_over()
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.05)


def run_case(stage, case, patience):
    """Runs one case; returns what is wrong with it."""
    folder = os.path.join(stage.folder, re.sub(r"\W+", "-", case.name))
    os.makedirs(folder)
    phones, wrong, media, keys = {}, [], stage.media_of_peers, ()
    try:
        for role, scenario in case.callees.items():
            media += 10
            phones[role] = stage.phone(case, folder, role, scenario, media)
            sipp.wait_listening(stage.ports[role], phones[role].process, f"SIPp as {role}", case.transport(role))
        if case.first:
            phones["consult"] = stage.phone(case, folder, "consult", case.first[0], media + 10)
            whose = "".join(case.first[3:]) or "consult"
            keys = transfers.dialog(os.path.join(folder, f"{whose}.messages"), case.first[2])
        phones["caller"] = stage.phone(case, folder, "caller", case.caller, stage.media_of_peers, keys)
        end = time.monotonic() + case.seconds
        for role in ("caller", *(role for role in phones if role != "caller")):
            status = phones[role].wait(max(1.0, end - time.monotonic()))
            if status is None:
                wrong.append(f"{role}: not done within its time")
            elif status != 0:
                wrong.append(f"{role}: SIPp's status {status}; {reason(phones[role])}")
    finally:
        for phone in phones.values():
            phone.finish(0.5)
    legs = {role: phone.seen if isinstance(phone, tcp_peer.Peer) else wire.read(os.path.join(folder, f"{role}.messages"))
            for role, phone in phones.items()}
    wrong += judge(stage, case, legs)
    wrong += [f"{gauge} left: {value}" for gauge, value in stage.remains(patience).items()]
    if wrong:
        wrong += [wire.ladder(role, found) for role, found in legs.items()]
    return wrong


def reason(phone):
    """The telling line of SIPp's errors."""
    lines = [line for line in phone.errors().splitlines() if line.strip()]
    return " / ".join(line.strip()[:200] for line in lines[:2]) or "it wrote no reason"


def judge(stage, case, legs):
    """Both legs' messages."""
    wrong = []
    for role, found in legs.items():
        if not found:
            wrong.append(f"{role}: no message was seen")
        marks = list(MARKS["callee" if role in CALLING else "caller"])
        marks += [f"127.0.0.1:{stage.port(case, other)}" for other in legs if other != role]
        wrong += wire.faults(stage.world, role, marks, found, case.transport(role).upper())
    wrong += wire.shared(legs)
    if case.sees:
        wrong += case.sees(legs)
    return wrong


def chosen(cases, names):
    """The cases asked for."""
    return [case for case in cases if not names or any(name.lower() in case.name.lower() for name in names)]


class Judge:
    """Runs cases and counts: one line each, whichever thread it is in."""

    def __init__(self, patience):
        self.patience, self.lock = patience, threading.Lock()
        self.passed = self.failed = 0

    def run(self, stage, case):
        """One case."""
        began = time.monotonic()
        try:
            wrong = run_case(stage, case, self.patience)
        except Exception as error:  # pylint: disable=broad-exception-caught
            wrong = [f"the case broke off: {error!r}"]
        with self.lock:
            self.passed, self.failed = self.passed + (not wrong), self.failed + bool(wrong)
            print(f"{'FAILED' if wrong else 'ok':6} {case.name} ({time.monotonic() - began:.1f} s)", flush=True)
            for line in wrong:
                print(line if line.startswith("    ") else f"       {line}", flush=True)

    def run_those_left(self, stage, cases):
        """One case after the other, as long as there are any."""
        while True:
            try:
                case = cases.get_nowait()
            except queue.Empty:
                return
            self.run(stage, case)

    def stop(self, stage):
        """Ends an exchange."""
        if not stage.exchange.stop():
            self.failed += 1
            print("FAILED the exchange did not end after SIGTERM")


def run_all(options, folder, judge):
    """All that were asked for, on some exchanges at a time, and the slow ones each on one of its own: cases mostly wait."""
    slow, start = chosen(SLOW, options.names) if options.first is None else [], options.ports
    ordinary = queue.SimpleQueue()
    for case in chosen(CASES, options.names)[:options.first]:
        ordinary.put(case)
    at_once = min(LANES, ordinary.qsize())
    stages, stores = [], []
    try:
        for number in range(at_once + len(slow)):
            start, settings = processes.free_block(start, BLOCK), SETTINGS + (SHORT_TIMERS if number >= at_once else "")
            if options.store:
                stores.append(log_server.LogServer(os.path.join(folder, f"log-{number}"), start + BLOCK - 10, options.binary))
                settings = stores[-1].settings + settings
            stages.append(Stage(os.path.join(folder, f"stage-{number}"), options.binary, start, settings))
            start += BLOCK
        beside = [threading.Thread(target=judge.run, args=(stage, case)) for stage, case in zip(stages[at_once:], slow)]
        beside += [threading.Thread(target=judge.run_those_left, args=(stage, ordinary)) for stage in stages[:at_once]]
        for thread in beside:
            thread.start()
        for thread in beside:
            thread.join()
    finally:
        for stage in stages:
            judge.stop(stage)
        for store in stores:
            store.stop()


def main():
    """Runs the cases, one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only cases whose names contain one of these")
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--ports", type=int, default=15060, help="where free ports are looked for, some hundreds of them (15060)")
    parser.add_argument("--patience", type=float, default=64 * T1_MS / 1000 + 10, help="seconds until nothing may remain")
    parser.add_argument("--store", action="store_true", help="the log is another process's: store = esdb://… at a log server")
    parser.add_argument("--first", type=int, help="only so many cases, and none of the slow ones")
    parser.add_argument("--keep", action="store_true", help="keep the folder with traces")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="strowger-e2e-", dir="/var/tmp")
    judge = Judge(options.patience)
    try:
        run_all(options, folder, judge)
    finally:
        if options.keep or judge.failed:
            print(f"traces: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{judge.passed} passed, {judge.failed} failed")
    return 1 if judge.failed or not judge.passed else 0


if __name__ == "__main__":
    sys.exit(main())
