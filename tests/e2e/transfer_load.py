#!/usr/bin/env python3
"""Transfers, blind and attended, while other calls stand: none fails, and afterwards nothing of them is left.

A carrier calls a PBX, which has it connected with a target by REFER; another calls a desk, which calls the target and has
both joined by REFER with Replaces. Then no session lives, no call holds a media port, no transaction or timer runs, memory
has not grown from the first half to the second, and every session's timeline tells its whole story.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "scripts"))
sys.path.insert(0, HERE)
from harness import exchange, processes, sipp  # noqa: E402
import desk  # noqa: E402
import transfers  # noqa: E402

GAUGES = ("live_sessions", "sessions_in_memory", "legs", "timers", "transactions", "frozen_streams", "media_ports")
PEERS = ("standing_caller", "standing_callee", "caller", "asker", "target", "attended_caller", "desk", "attended_target")
STANDING, ASKED, DESK, JOINED = "+15550000011", "+15550000012", "+15550000013", "+15550000014"
MEDIA = range(30000, 34000)
# A call's first event, and what each kind of session must have in its history beside its end.
FIRST, LAST = "SipMessageReceived", "SessionEnded"
BLIND = {"TransferAsked", "RouteChosen", "LegReplaced", "TransferCompleted"}
TAKING = {"TransferAsked", "TransferLinked", "LegTaken", "LegReplaced", "TransferCompleted"}
GIVING = {"LegGivenAway"}
JOINS = {"taking": [("takes", True)], "giving": [("gives", True)]}
# Memory may grow by what caches and the log's tail in memory take, KiB.
GROWTH = 40_000


class Stage:
    """One exchange, its provisioning, and a port for each peer."""

    def __init__(self, folder, options):
        self.folder, self.options, self.phones = folder, options, {}
        sip = processes.free_port(25000)
        public = start = processes.free_port(sip + 2)
        self.ports = {}
        for name in PEERS:
            self.ports[name] = start = processes.free_port(start + 2)
        settings = f"[sip]\nt1_ms = {options.t1}\n"
        self.exchange = exchange.Exchange(os.path.join(folder, "exchange"), sip, processes.free_port(25500),
                                          f"{MEDIA.start}-{MEDIA.stop - 1}", public, settings, options.binary)
        self.public = public

        def at(name):
            return f"127.0.0.1:{self.ports[name]}"
        api = self.exchange
        api.trunk(name="carrier", kind="carrier", addresses=[at("standing_caller"), at("caller"), at("attended_caller")])
        for name in ("asker", "desk"):
            api.trunk(name=name, kind="pbx", addresses=[at(name)], destination=f"sip:{at(name)}", refer="internal")
        for number, name in ((STANDING, "standing_callee"), (ASKED, "asker"), (DESK, "desk"), (JOINED, "attended_target"),
                             (transfers.TARGET, "target")):
            api.number(number, f"sip:{name}@{at(name)}")
        api.wait_caught_up()

    def write(self, name, scenario):
        """A scenario as SIPp reads it."""
        with open(os.path.join(HERE, "cases", scenario), encoding="utf-8") as file:
            text = transfers.expand(file.read())
        path = os.path.join(self.folder, f"{name}.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def answering(self, name, scenario):
        """Starts a SIPp that is called."""
        self.phones[name] = phone = sipp.Sipp(self.write(name, scenario), self.folder, self.ports[name], [], name)
        sipp.wait_listening(self.ports[name], phone.process, f"SIPp as {name}")

    def calling(self, name, scenario, number, calls, rate, run=""):
        """Starts a SIPp that calls."""
        extra = [f"127.0.0.1:{self.exchange.sip_port}", "-s", number, "-r", str(rate), "-rp", "1000", "-m", str(calls),
                 "-l", "5000", "-cid_str", "%u-%p@caller.example"]
        phone = sipp.Sipp(self.write(name, scenario), self.folder, self.ports[name], extra, f"{name}{run}")
        self.phones[f"{name}{run}"] = phone
        return phone

    def stand(self, seconds):
        """Calls that stand until their time is up."""
        scenarios = os.path.join(TOP, "scripts", "bench.d")
        self.phones["standing_callee"] = phone = sipp.Sipp(
            os.path.join(scenarios, "uas.xml"), self.folder, self.ports["standing_callee"], [], "standing_callee")
        sipp.wait_listening(self.ports["standing_callee"], phone.process, "SIPp as standing_callee")
        numbers, calls = os.path.join(self.folder, "numbers.csv"), self.options.standing
        with open(numbers, "w", encoding="ascii") as file:
            file.write(f"SEQUENTIAL\n{STANDING};\n")
        self.phones["standing_caller"] = sipp.Sipp(
            os.path.join(scenarios, "uac.xml"), self.folder, self.ports["standing_caller"],
            [f"127.0.0.1:{self.exchange.sip_port}", "-inf", numbers, "-r", "100", "-rp", "1000", "-m", str(calls),
             "-d", str(int(seconds * 1000)), "-l", "5000"], "standing_caller")
        processes.wait_until(lambda: self.exchange.metric("strowger_live_sessions") == calls, 20, "the calls that stand")

    def transfer(self, run, blind, attended):
        """One half of the transfers; returns what went wrong."""
        options, wrong = self.options, []
        wanted = self.desk.done + attended
        phones = [(self.calling("caller", "bye_by_callee.caller.xml", ASKED, blind, options.rate, run), blind)] if blind else []
        if attended:
            rate = max(1, round(options.rate * attended / max(1, blind)))
            phones.append((self.calling("attended_caller", "joined.caller.xml", DESK, attended, rate, run), attended))
        for phone, calls in phones:
            status = phone.wait(calls / options.rate + 60)
            done = phone.counted().get("SuccessfulCall(C)", 0)
            if status != 0 or done != calls:
                wrong.append(f"{phone.name}: {done} of {calls} calls were transferred; SIPp's status {status}: {phone.errors(400)}")
        standing = options.standing
        try:
            processes.wait_until(lambda: self.exchange.metric("strowger_live_sessions") == standing and self.desk.done == wanted,
                                 10, "the end of all that was transferred")
        except TimeoutError as error:
            wrong.append(f"{error}: {self.exchange.metric('strowger_live_sessions')} sessions live, {standing} stand; "
                         f"the desk is done with {self.desk.done} of {wanted}")
        return wrong

    def run(self):
        """Both halves; returns what went wrong, and the memory after each."""
        options = self.options
        halves = [(count - count // 2, count // 2) for count in (options.transfers, options.attended)]
        seconds = options.transfers / options.rate + 2 * 2.5 + 2
        self.desk = self.phones["desk"] = desk.Desk(self.ports["desk"], self.public, JOINED)
        self.answering("asker", "transfer_load.callee.xml")
        self.answering("target", "transfer.target.xml")
        self.answering("attended_target", "joined.target.xml")
        self.stand(seconds)
        wrong, memory = [], []
        for half in (0, 1):
            wrong += self.transfer(f"-{half + 1}", *(each[half] for each in halves))
            memory.append(processes.pss_kib([self.exchange.process.pid]))
        wrong += self.desk.wrong[:10]
        caller = self.phones["standing_caller"]
        if caller.wait(seconds + 10) != 0 or caller.counted().get("SuccessfulCall(C)", 0) != options.standing:
            wrong.append(f"of the calls that stand {caller.counted().get('SuccessfulCall(C)', 0)} came to a good end: {caller.errors(400)}")
        return wrong, memory

    def finish(self):
        """Ends all peers."""
        for phone in self.phones.values():
            phone.finish()

    def left_over(self):
        """Gauges that are not zero."""
        values = {gauge: self.exchange.metric(f"strowger_{gauge}") for gauge in GAUGES}
        return {gauge: value for gauge, value in values.items() if value != 0}

    def sessions(self, query=""):
        """Every session that the API lists."""
        after = ""
        while True:
            page = self.exchange.request("GET", f"/v1/sessions?limit=200{query}{after}")
            yield from page["items"]
            if not page.get("next"):
                return
            after = f"&after={page['next']}"

    def untold(self):
        """Timelines that do not tell their whole story, and how many sessions there are of each kind."""
        wrong, kinds = [], {"blind": 0, "taking": 0, "giving": 0, "plain": 0}
        for session in self.sessions():
            told = self.exchange.request("GET", f"/v1/sessions/{session['id']}/timeline")
            seen = {entry["event"] for entry in told["entries"]}
            kind = ("taking" if "TransferLinked" in seen else "giving" if "LegGivenAway" in seen else
                    "blind" if "TransferAsked" in seen else "plain")
            kinds[kind] += 1
            joins = [(line["part"], line.get("completed")) for line in told["transfers"]]
            owed = {"blind": BLIND, "taking": TAKING, "giving": GIVING, "plain": set()}[kind] | {LAST}
            whole = [entry["revision"] for entry in told["entries"]] == list(range(len(told["entries"])))
            if not whole or told["truncated"] or not owed <= seen or told["entries"][0]["event"] != FIRST or not told.get("ended"):
                wrong.append(f"the timeline of {session['id']} ({kind}) is not whole: {sorted(owed - seen)} are missing")
            if joins != JOINS.get(kind, []):
                wrong.append(f"the timeline of {session['id']} ({kind}) names the transfers {told['transfers']}")
        return wrong, kinds


def judge(stage, options, memory):
    """What is left, or was not told."""
    wrong = []
    try:
        processes.wait_until(lambda: not stage.left_over(), 64 * options.t1 / 1000 + 20, "nothing left in memory")
    except TimeoutError as error:
        wrong.append(f"{error}: {stage.left_over()}")
    stage.exchange.wait_caught_up(60)
    lives = [session["id"] for state in ("offered", "ringing", "answered") for session in stage.sessions(f"&state={state}")]
    wrong += [f"{session} lives still" for session in lives]
    untold, kinds = stage.untold()
    wrong += untold
    owed = {"blind": options.transfers, "taking": options.attended, "giving": options.attended, "plain": options.standing}
    if kinds != owed:
        wrong.append(f"there are sessions {kinds}, {owed} are owed")
    if memory[1] - memory[0] > GROWTH:
        wrong.append(f"memory grew from {memory[0]} to {memory[1]} KiB from the first half to the second")
    return wrong


def main():
    """The run, and what is left of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transfers", type=int, default=1000, help="blind transfers (1000)")
    parser.add_argument("--attended", type=int, default=200, help="attended transfers (200)")
    parser.add_argument("--standing", type=int, default=100, help="calls that stand meanwhile (100)")
    parser.add_argument("--rate", type=int, default=25, help="blind transfers a second (25)")
    parser.add_argument("--t1", type=int, default=500, help="RFC 3261's T1, ms (500)")
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with traces")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="strowger-transfers-", dir="/var/tmp")
    began, wrong = time.monotonic(), []
    stage = Stage(folder, options)
    try:
        wrong, memory = stage.run()
        stage.finish()
        wrong += judge(stage, options, memory)
        print(f"{options.transfers} blind and {options.attended} attended transfers beside {options.standing} calls: "
              f"{len(wrong)} things wrong, {memory[0]} KiB after the first half, {memory[1]} KiB after the second, "
              f"{time.monotonic() - began:.1f} s")
    finally:
        stage.finish()
        if not stage.exchange.stop():
            wrong.append("the exchange did not end after SIGTERM")
    for line in wrong[:40]:
        print(f"FAILED {line}")
    if options.keep or wrong:
        print(f"traces: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{int(not wrong)} passed, {int(bool(wrong))} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
