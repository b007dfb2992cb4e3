#!/usr/bin/env python3
"""End-to-end: what an auditor gets of calls, on a running exchange and after its end.

Each call is made by SIPp and exported. tshark must show every message of the log, in both dialogs, without a fault; the hash
chain of the JSON lines is proved here; the scenario for SIPp must run, and the call that it makes must look like the first. The
state at instants between events is asked of the API and of `strowger replay`, which must agree. `strowger replay --decide` must
decide each call as it was decided, and find a build that is set otherwise.
"""

import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts"))
sys.path.insert(0, HERE)
from harness import exchange, processes, sipp  # noqa: E402
import asking  # noqa: E402
import chain  # noqa: E402
import timers  # noqa: E402
import transfers  # noqa: E402

# SIPp speaks MD5 alone, and reads the first challenge only.
SETTINGS = '[sip]\nt1_ms = 50\ndigest = ["MD5"]\n'
NUMBER, BY_TCP, DOMAIN, USER, PASSWORD = "+15550000001", "+15550000002", "pbx.example", "alice", "alice-secret"
CHECKING = ("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE")
SHOWN = ("frame.time_epoch", "sip.CSeq.method", "sip.Status-Code", "sip.Call-ID", "ip.src", "udp.srcport", "tcp.srcport")
# What tshark finds wrong with a packet: 0 is a bad sum, the others are there only where something is.
FAULTS = ("ip.checksum.status", "udp.checksum.status", "tcp.checksum.status", "_ws.malformed", "tcp.analysis.flags")
OWN = re.compile(rb"(Via|From|To|Call-ID|RAck|Proxy-Authorization|Content-Length):")
MESSAGES = ("SipMessageReceived", "SipMessageCommitted")


@dataclass
class Case:
    """A call: the caller's and the callee's scenario, what is dialled, from whose port, how it ends."""

    name: str
    caller: str
    callee: str
    ends: str
    dialled: str = NUMBER
    user: bool = False

    @property
    def tcp(self):
        """Whether both sides speak TCP."""
        return self.dialled == BY_TCP


CASES = (
    Case("answered, the caller hangs up", "calls.xml", "answers.xml", "completed"),
    Case("the callee hangs up", "bye_by_callee.caller.xml", "bye_by_callee.callee.xml", "completed"),
    Case("the caller cancels", "cancel.caller.xml", "cancel.callee.xml", "cancelled"),
    Case("hold and resume", "hold_by_caller.caller.xml", "hold_by_caller.callee.xml", "completed"),
    Case("held by the callee", "hold_by_callee.caller.xml", "hold_by_callee.callee.xml", "completed"),
    Case("busy", "busy.caller.xml", "busy.callee.xml", "busy"),
    Case("a user with a password", "user.caller.xml", "answers.xml", "completed", user=True),
    Case("PRACK on both legs", "prack_both.caller.xml", "prack.callee.xml", "completed"),
    Case("INFO within the call", "info.caller.xml", "info.callee.xml", "completed"),
    Case("a subject that SIPp could take amiss", "odd_subject.caller.xml", "answers.xml", "completed"),
    Case("TCP on both sides", "calls.xml", "answers.xml", "completed", BY_TCP),
)


class Stage:
    """The exchange, and a port for each peer."""

    def __init__(self, folder, binary):
        self.folder, self.count = folder, 0
        self.binary = binary or exchange.default_binary()
        self.carrier = processes.free_port(15460)
        self.public = processes.free_port(self.carrier + 1)
        self.caller = processes.free_port(self.public + 1)
        self.callee = processes.free_port(self.caller + 1)
        self.user = processes.free_port(self.callee + 1)
        self.exchange = exchange.Exchange(os.path.join(folder, "exchange"), self.carrier, processes.free_port(18480), "34000-34199",
                                          self.public, SETTINGS, self.binary)
        api = self.exchange
        api.trunk(name="carrier", kind="carrier", addresses=[f"127.0.0.1:{self.caller}"])
        api.trunk(name="pbx", kind="pbx", addresses=[f"127.0.0.1:{self.callee}"], destination=f"sip:127.0.0.1:{self.callee}")
        api.request("POST", "/v1/domains", {"name": DOMAIN})
        api.request("POST", "/v1/credentials", {"domain": DOMAIN, "username": USER, "password": PASSWORD})
        self.number = api.number(NUMBER, f"sip:pbx@127.0.0.1:{self.callee}")
        api.number(BY_TCP, f"sip:pbx@127.0.0.1:{self.callee};transport=tcp")
        api.wait_caught_up()

    def lines_at_rest(self, session):
        """The session's events, by the command."""
        return self.strowger("export", session, "--format", "jsonl").splitlines()

    def call(self, case, scenario=None):
        """Makes a call, by the case's own scenario or an exported one. Returns its session, and what is wrong."""
        self.count += 1
        folder = os.path.join(self.folder, f"call-{self.count}")
        os.makedirs(folder)
        transport = ["-t", "t1"] if case.tcp else []
        common = ["-m", "1", "-recv_timeout", "8000", *transport]
        callee = sipp.Sipp(self.scenario(folder, "callee", case.callee), folder, self.callee,
                           [*common, "-mp", "34600", *asking.KEYS], "callee")
        sipp.wait_listening(self.callee, callee.process, "SIPp as callee", "tcp" if case.tcp else "udp")
        path = scenario or self.scenario(folder, "caller", case.caller)
        towards = self.public if case.user else self.carrier
        caller = sipp.Sipp(path, folder, self.user if case.user else self.caller,
                           [f"127.0.0.1:{towards}", *common, "-mp", "34700", "-s", case.dialled, "-key", "domain", DOMAIN,
                            "-au", USER, "-ap", PASSWORD, "-auth_uri", f"{case.dialled}@{DOMAIN}", *asking.KEYS], "caller")
        wrong = []
        for role, phone in (("caller", caller), ("callee", callee)):
            status = phone.wait(15)
            if status != 0:
                wrong.append(f"{role}: SIPp's status {status}; {phone.errors(600)}")
            phone.finish(0.5)
        processes.wait_until(lambda: self.exchange.metric("strowger_live_sessions") == 0, 10, "the call's end")
        head = int(self.exchange.metric("strowger_log_position"))
        newest = self.exchange.request("GET", f"/v1/sessions?limit=1&at_least={head}")["items"]
        return newest[0]["id"] if newest else None, wrong

    @staticmethod
    def scenario(folder, role, name):
        """A scenario of cases/ as SIPp's XML."""
        path = os.path.join(folder, f"{role}.xml")
        with open(os.path.join(HERE, "cases", name), encoding="utf-8") as source, open(path, "w", encoding="utf-8") as file:
            file.write(transfers.expand(source.read(), asking, timers))
        return path

    def fetch(self, path):
        """An answer of the API as bytes, with its headers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.exchange.http_port}{path}", headers=self.exchange.headers())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read(), answer.headers

    def export(self, session, form):
        """An export, in a file of the name that it asks for."""
        body, headers = self.fetch(f"/v1/sessions/{session}/export?format={form}")
        path = os.path.join(self.folder, re.search(r'filename="([^"/]+)"', headers["Content-Disposition"])[1])
        with open(path, "wb") as file:
            file.write(body)
        return path, headers

    def lines(self, session):
        """The session's events."""
        with open(self.export(session, "jsonl")[0], encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def strowger(self, *arguments):
        """What a command prints."""
        command = [self.binary, *arguments, "--config", self.exchange.config]
        done = subprocess.run(command, capture_output=True, timeout=30, check=False, env=dict(os.environ, STROWGER_LOG="error"))
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)}: status {done.returncode}, {done.stderr.decode()[:300]}")
        return done.stdout

    def ladder(self, session):
        """What was said on each leg, in order, repeats left out. How the legs interleave is a matter of chance."""
        legs = {}
        for entry in self.exchange.request("GET", f"/v1/sessions/{session}/timeline")["entries"]:
            if "message" in entry:
                legs.setdefault(entry["role"], []).append((entry["direction"], entry["text"]))
        return legs


def said(lines):
    """What the caller said: start lines, headers and bodies, but for what is SIPp's own in each call."""
    caller = lines[0]["data"]["leg"]
    raws = [base64.b64decode(line["data"]["raw"]) for line in lines if line["type"] == MESSAGES[0] and line["data"]["leg"] == caller]
    heads = [raw.partition(b"\r\n\r\n") for raw in raws]
    return [(start.split(b" ")[0], sorted(line for line in headers if not OWN.match(line)), body)
            for (start, *headers), body in ((head.split(b"\r\n"), body) for head, _, body in heads)]


def tshark(path, *arguments):
    """Lines that tshark prints of a capture."""
    done = subprocess.run(["tshark", "-r", path, *arguments], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"tshark: {done.stderr[:300]}")
    return done.stdout.splitlines()


def capture(stage, session, lines):
    """The capture, as tshark sees it, against the log."""
    path, headers = stage.export(session, "pcap")
    messages = [line for line in lines if line["type"] in MESSAGES]
    repeats = sum(line["type"] == "SipMessageRepeated" for line in lines)
    wrong = []
    if (headers["Strowger-Messages"], headers["Strowger-Erased-Messages"]) != (str(len(messages)), "0"):
        wrong.append(f"the headers count {headers['Strowger-Messages']} messages, the log has {len(messages)}")
    fields = [word for name in (*SHOWN, *FAULTS) for word in ("-e", name)]
    packets = [(line + "\t" * len(FAULTS)).split("\t") for line in tshark(path, *CHECKING, "-T", "fields", *fields)]
    bad = [row for row in packets if "0" in row[7:10] or any(row[10:12])]
    wrong += [f"tshark finds fault: {row}" for row in bad[:3]]
    shown = [row for row in packets if row[1]]
    if len(shown) != len(messages) + repeats:
        wrong.append(f"tshark shows {len(shown)} messages, the log has {len(messages)} and {repeats} notes of repeats")
    told = [(chain.micros(line["at"]), line["data"]["method"], str(line["data"].get("status") or ""),
             line["data"]["flow"]["remote" if line["type"] == "SipMessageReceived" else "local"]) for line in messages]
    seen = [(round(float(row[0]) * 1_000_000), row[1], row[2], f"{row[4]}:{row[5] or row[6]}") for row in shown]
    if not repeats and seen != told:
        wrong.append(f"tshark shows {seen}, the log has {told}")
    if len({row[3] for row in shown}) != 2:
        wrong.append(f"tshark shows the dialogs {sorted({row[3] for row in shown})}, two are owed")
    return wrong


def expected_status(lines, before):
    """What the status should be after this many events."""
    kinds = [line["type"] for line in lines[:before]]
    for kind, status in (("SessionEnded", "ended"), ("ModeEntered", "answered"), ("LegAlerted", "ringing")):
        if kind in kinds:
            return status
    return "offered"


def at_time(stage, session, at):
    """How the API says the session stood; None and the error's field where it says nothing."""
    try:
        return stage.exchange.request("GET", f"/v1/sessions/{session}?at={at.replace('+', '%2B')}"), None
    except exchange.Refused as refused:
        return None, refused


def instants(stage, session, lines):
    """The state between any two events that did not happen at one time, by the API and by `strowger replay`."""
    wrong, asked = [], 0
    for number in range(1, len(lines) + 1):
        here = chain.micros(lines[number - 1]["at"])
        following = chain.micros(lines[number]["at"]) if number < len(lines) else here + 2_000_000
        if following <= here:
            continue
        between = (here + following) // 2
        at = f"{chain.datetime.datetime.fromtimestamp(between // 1_000_000, chain.datetime.timezone.utc):%Y-%m-%dT%H:%M:%S}.{between % 1_000_000:06d}Z"
        state, refused = at_time(stage, session, at)
        if refused:
            return [*wrong, f"at {at}: {refused}"]
        asked += 1
        if (state["status"], state["last_event"]["revision"]) != (expected_status(lines, number), number - 1):
            wrong.append(f"at {at} after {lines[number - 1]['type']}: {state['status']}, revision {state['last_event']['revision']}")
        talking = [leg.get("talks_with") for leg in state["legs"]] == [leg["leg"] for leg in reversed(state["legs"])]
        if talking != (state["status"] == "answered" and all(leg["status"] in ("answered", "confirmed") for leg in state["legs"])):
            wrong.append(f"at {at}: {state['legs']}")
        if asked % 4 == 1 and json.loads(stage.strowger("replay", session, "--at", at, "--json")) != state:
            wrong.append(f"at {at}: strowger replay says otherwise than the API")
    for at, field in (("2020-01-01T00:00:00Z", "at"), ("yesterday", "at")):
        _, refused = at_time(stage, session, at)
        if refused is None or refused.status != 422 or f'"field":"{field}"' not in str(refused):
            wrong.append(f"at {at}: {refused}")
    return wrong if asked >= 3 else [*wrong, f"only {asked} instants lie between events"]


def replayed(stage, session, lines):
    """`strowger replay` and `strowger export`, with whatever state the exchange is in."""
    wrong = []
    told = [json.loads(line) for line in stage.strowger("replay", session, "--json").splitlines()]
    if [step["event"]["event"] for step in told] != [line["type"] for line in lines]:
        wrong.append("strowger replay --json has other events than the export")
    statuses = [step["state"]["status"] for step in told]
    if statuses != [expected_status(lines, number + 1) for number in range(len(lines))]:
        wrong.append(f"strowger replay --json says {statuses}")
    text = stage.strowger("replay", session).decode()
    drawn = sum(line.count("▶") + line.count("◀") for line in text.splitlines())
    if drawn < sum(line["type"] in MESSAGES for line in lines):
        wrong.append(f"strowger replay draws {drawn} arrows:\n{text}")
    if stage.strowger("replay", session, "--step").decode().count("state after") != len(lines):
        wrong.append("strowger replay --step does not show the state after each event")
    for session, at, why in ((f"CA{0:032x}", "2026-01-01T00:00:00Z", "no session"), (session, "2020-01-01T00:00:00Z", "nothing of the session")):
        try:
            wrong.append(f"strowger replay {session} --at {at} says {stage.strowger('replay', session, '--at', at)}")
        except RuntimeError as refused:
            wrong += [] if why in str(refused) else [str(refused)]
    return wrong


def decide(stage, *arguments, expires=None):
    """Exit code and object of `strowger replay --decide`, as this build would decide, or one that asks for other session timers."""
    settings = {"STROWGER_SIP__SESSION_EXPIRES_S": str(expires)} if expires else {}
    ran = subprocess.run([stage.binary, "replay", *arguments, "--decide", "--json", "--config", stage.exchange.config], check=False,
                         capture_output=True, text=True, timeout=60, env=dict(os.environ, STROWGER_LOG="off", **settings))
    return ran.returncode, json.loads(ran.stdout) if ran.stdout else {"error": ran.stderr}


def decided(stage, sessions):
    """Every call is decided alike, by itself and among all; a build that is set otherwise is found out."""
    wrong, events = [], 0
    for session in sessions:
        code, told = decide(stage, session)
        if code != 0 or not told["alike"] or told["events"] != len(stage.lines_at_rest(session)) or told["rewritten"]:
            wrong.append(f"{session}: exit code {code}, {told}")
        events += told.get("events", 0)
    code, told = decide(stage)
    if code != 0 or told["sessions"] < len(sessions) or told["events"] < events or told["unplayable"]:
        wrong.append(f"all: exit code {code}, {told}")
    code, told = decide(stage, "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z")
    if code != 2 or "the range is empty" not in told.get("error", ""):
        wrong.append(f"of another time: exit code {code}, {told}")
    code, told = decide(stage, sessions[0], expires=600)
    first = told["different"][0]["first"] if code == 1 else {}
    if first.get("this_build", {}).get("event") != "SessionTimerSet" or "200 to INVITE" not in first["input"]:
        wrong.append(f"another build: exit code {code}, {told}")
    text = stage.strowger("replay", sessions[0], "--decide").decode()
    if not re.search(r"^same decisions: \d+ events, \d+ turns", text):
        wrong.append(text)
    code, told = decide(stage, f"CA{0:032x}")
    if code != 2 or "no session" not in told.get("error", ""):
        wrong.append(f"no such session: exit code {code}, {told}")
    return wrong


def same_export(stage, session, wanted):
    """What the command writes is what the API gave."""
    wrong = []
    for form, ending in (("pcap", "pcap"), ("jsonl", "jsonl"), ("svg", "svg"), ("sipp", "xml")):
        path = os.path.join(stage.folder, f"by-command-{stage.count}.{ending}")
        stage.strowger("export", session, "--format", form, "--output", path)
        with open(path, "rb") as file, open(wanted[form], "rb") as other:
            if file.read() != other.read():
                wrong.append(f"strowger export --format {form} writes something else than the API gives")
        os.unlink(path)
    return wrong


def past_numbers(stage):
    """Where a number led before it was sent elsewhere."""
    api, path = stage.exchange, f"/v1/numbers/{stage.number['id']}"
    before = api.request("GET", path)
    api.request("PATCH", path, {"target": {"sip": "sip:elsewhere@127.0.0.1"}})
    made = before["created_at"].replace("+", "%2B")
    then = api.request("GET", f"{path}?at={made}")
    wrong = [] if then["target"] == before["target"] else [f"the number led to {then['target']}, not to {before['target']}"]
    return wrong if api.request("GET", path)["target"] != before["target"] else [*wrong, "the number did not change"]


def run_case(stage, case):
    """A call, its exports, and the call that the exported scenario makes. Returns its session, and what is wrong."""
    session, wrong = stage.call(case)
    if wrong:
        return session, wrong
    lines = stage.lines(session)
    row = stage.exchange.request("GET", f"/v1/sessions/{session}")
    wrong += [] if row["end_cause"] == case.ends else [f"it ended as {row['end_cause']}"]
    wrong += chain.faults(lines) + capture(stage, session, lines) + instants(stage, session, lines)
    scenario, _ = stage.export(session, "sipp")
    again, failed = stage.call(case, scenario)
    wrong += [f"played again: {what}" for what in failed]
    first, second = stage.ladder(session), stage.ladder(again)
    if again == session or first != second:
        wrong.append(f"the second call does not look like the first:\n{first}\n{second}")
    first, second = said(lines), said(stage.lines(again))
    if first != second:
        wrong.append(f"the second caller does not say what the first said:\n{first}\n{second}")
    return session, wrong


def main():
    """Runs the cases, one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only cases whose names contain one of these")
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with exports and traces")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="strowger-audit-", dir="/var/tmp")
    passed = failed = 0
    began = time.monotonic()

    def judge(name, wrong):
        nonlocal passed, failed, began
        passed, failed = passed + (not wrong), failed + bool(wrong)
        print(f"{'FAILED' if wrong else 'ok':6} {name} ({time.monotonic() - began:.1f} s)", *(f"\n       {line}" for line in wrong), flush=True)
        began = time.monotonic()

    stage = Stage(folder, options.binary)
    try:
        sessions = []
        for case in CASES:
            if not options.names or any(name in case.name for name in options.names):
                session, wrong = run_case(stage, case)
                sessions.append(session)
                judge(case.name, wrong)
        session = sessions[0]
        lines, exports = stage.lines(session), {form: stage.export(session, form)[0] for form in ("pcap", "jsonl", "svg", "sipp")}
        judge("replay and export beside the running exchange", replayed(stage, session, lines) + same_export(stage, session, exports))
        statistics = " ".join(tshark(exports["pcap"], "-q", "-z", "sip,stat"))
        judge("sip,stat of tshark", [] if "INVITE" in statistics and "BYE" in statistics else [statistics])
        judge("where a number led before", past_numbers(stage))
        judge("all calls are decided alike, beside it", decided(stage, sessions))
        judge("the exchange ends", [] if stage.exchange.stop() else ["it did not end after SIGTERM"])
        judge("replay and export after its end", replayed(stage, session, lines) + same_export(stage, session, exports))
        judge("all calls are decided alike, after its end", decided(stage, sessions))
    finally:
        stage.exchange.stop()
        if options.keep or failed:
            print(f"files: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
