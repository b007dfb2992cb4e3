#!/usr/bin/env python3
"""End-to-end: phones of two independent makes, pjsua2 and baresip, register and call each other through the exchange.

Three phones each time, with a voice of its own each: alice and carol are pjsua2's, bob is baresip's; where SHA-256 is asked
for bob is pjsua2's too, since baresip 1.0 knows MD5 alone and gives up where it is not offered alone. Who hears whom is
judged by cross-correlation (sound.py), each direction by its own recording.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts"))
sys.path.insert(0, HERE)
from harness import baresip, exchange, phone, pjsua, processes  # noqa: E402
import phone_calls  # noqa: E402
import phone_transfers  # noqa: E402
import sound  # noqa: E402

DOMAIN = "pbx.example"
USERS = ("alice", "bob", "carol")
NUMBERS = {user: f"+1555000000{place}" for place, user in enumerate(USERS)}
T1_MS = 100
GAUGES = ("live_sessions", "sessions_in_memory", "legs", "timers", "transactions")


@dataclass(frozen=True)
class Group:
    """What all cases of a group share: the digest algorithm that is asked for, and what the phones speak."""

    algorithm: str
    transport: str

    @property
    def name(self):
        """For people."""
        return f"{self.algorithm} over {self.transport.upper()}"


GROUPS = tuple(Group(algorithm, transport) for algorithm in ("MD5", "SHA-256") for transport in ("udp", "tcp"))


class Stage:
    """The exchange with a domain, its users, a number for each, and their phones."""

    def __init__(self, folder, binary, group):
        self.folder, self.group, self.phones, self.started = folder, group, {}, 0
        self.voices = {user: sound.Voice(user, seed) for seed, user in enumerate(USERS, 1)}
        self.wavs = {user: os.path.join(folder, f"{user}.wav") for user in USERS}
        for user, voice in self.voices.items():
            # baresip does not begin again where a file ends: its voice lasts for all of its calls.
            sound.write(self.wavs[user], voice.samples, 10)
        carrier = processes.free_port(15360)
        self.port = processes.free_port(carrier + 1)
        self.exchange = exchange.Exchange(
            os.path.join(folder, "exchange"), carrier, processes.free_port(18480), "24000-24499", self.port,
            f'[sip]\nt1_ms = {T1_MS}\ndigest = ["{group.algorithm}"]\n', binary)
        try:
            self.provision()
        except Exception:
            self.exchange.stop()
            raise

    def provision(self):
        """Domain, users and numbers, over the API."""
        self.exchange.request("POST", "/v1/domains", {"name": DOMAIN})
        for user in USERS:
            self.exchange.request("POST", "/v1/credentials", {"domain": DOMAIN, "username": user, "password": f"{user}-secret"})
            self.exchange.number(NUMBERS[user], f"sip:{user}@{DOMAIN}")

    def make(self, user):
        """The make of a user's phone."""
        return baresip.Baresip if user == "bob" and self.group.algorithm == "MD5" else pjsua.Pjsua

    def start(self, user, make, password=None):
        """Starts a phone; it is not registered yet."""
        self.started += 1
        started = make(os.path.join(self.folder, f"{self.started}-{user}"), name=user, password=password or f"{user}-secret",
                       domain=DOMAIN, proxy=f"127.0.0.1:{self.port}", port=processes.free_port(15400 + 20 * self.started),
                       media=25000 + 200 * self.started, transport=self.group.transport, wav=self.wavs[user],
                       control=processes.free_port(15900 + 20 * self.started))
        return started

    def phone(self, user):
        """The phone of a user, registered."""
        if user not in self.phones:
            made = self.phones[user] = self.start(user, self.make(user))
            status = made.register()
            if status != 200:
                raise phone.Silent(f"{user} could not register: {status}")
        self.phones[user].forget()
        return self.phones[user]

    def uri(self, user):
        """Where a user is called."""
        return f"sip:{user}@{DOMAIN}"

    def number_of(self, user):
        """The number of a user, as it is dialled."""
        return f"sip:{NUMBERS[user]}@{DOMAIN}"

    def online(self):
        """What the API says is registered: user and transport of each binding."""
        head = int(self.exchange.metric("strowger_log_position"))
        listed = self.exchange.request("GET", f"/v1/registrations?domain={DOMAIN}&online=1&at_least={head}")["items"]
        return {(item["aor"].partition("@")[0], item["transport"]) for item in listed}

    def remains(self, seconds):
        """Gauges that are not zero after the last timer."""
        end = time.monotonic() + seconds
        while True:
            left = {gauge: self.exchange.metric(f"strowger_{gauge}") for gauge in GAUGES}
            wrong = [f"{gauge} left: {value}" for gauge, value in left.items() if value != 0]
            if not wrong or time.monotonic() > end:
                return wrong
            time.sleep(0.1)

    def clear(self):
        """After a case that failed: phones begin anew, so that the next case does not inherit its calls."""
        for user in list(self.phones):
            self.phones.pop(user).finish()

    def stop(self):
        """Ends everything; returns what did not end by itself."""
        wrong = [f"the phone of {user} did not end by itself" for user, one in self.phones.items() if not one.finish()]
        return wrong + ([] if self.exchange.stop() else ["the exchange did not end after SIGTERM"])


def algorithms(path):
    """The digest algorithms by which a phone proved itself, as its trace of messages tells."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line for line in file if re.match(r"(Proxy-)?Authorization:\s*Digest", line, re.IGNORECASE)]
    # Where none is named it is MD5 (RFC 7616, section 3.3).
    return {(re.search(r'algorithm="?([\w-]+)', line) or [None, "MD5"])[1] for line in lines}


def registers(stage, user):
    """A phone registers by the transport and the algorithm of its group."""
    one, wanted = stage.phone(user), (user, stage.group.transport)
    wrong = [] if algorithms(one.trace) == {stage.group.algorithm} else [f"{user} used {algorithms(one.trace)}"]
    return wrong + ([] if wanted in stage.online() else [f"registered is {stage.online()}, {wanted} is not among it"])


def wrong_password(stage, user):
    """A phone with a wrong password is told so, and not registered."""
    one = stage.start(user, stage.make(user), "guessed")
    try:
        before, status = stage.online(), one.register()
        wrong = [] if status in (401, 403) else [f"the wrong password got {status}"]
        return wrong + ([] if stage.online() == before else [f"registered is now {stage.online()}"])
    finally:
        one.finish()


def unregisters(stage, user):
    """A phone that is switched off is no longer registered."""
    stage.phone(user)
    one = stage.phones.pop(user)
    try:
        status = one.unregister()
        wrong = [] if status == 200 else [f"unregistering got {status}"]
        left = {bound for bound in stage.online() if bound[0] == user}
        return wrong + ([f"still registered: {left}"] if left else [])
    finally:
        one.finish()


def cases(group):
    """The cases of a group by their names, in order."""
    make = {"alice": "pjsua2", "bob": "baresip" if group.algorithm == "MD5" else "pjsua2 too", "carol": "another pjsua2"}
    found = [(f"{make[user]} is refused with a wrong password", lambda stage, user=user: wrong_password(stage, user)) for user in ("alice", "bob")]
    found += [(f"{make[user]} registers", lambda stage, user=user: registers(stage, user)) for user in USERS]
    found += phone_calls.cases(make, group.algorithm == "MD5")
    found += phone_transfers.cases(make)
    found.append(("nothing remains", lambda stage: stage.remains(64 * T1_MS / 1000 + 10)))
    return found + [(f"{make[user]} unregisters", lambda stage, user=user: unregisters(stage, user)) for user in USERS]


def run_case(stage, case):
    """Runs one case; returns what is wrong."""
    try:
        return case(stage)
    except (phone.Silent, TimeoutError, RuntimeError, exchange.Refused) as error:
        return [str(error)]


def run_group(folder, group, options, count):
    """Runs the cases of one group, one line each."""
    chosen = [(name, case) for name, case in cases(group)
              if not options.names or any(part.lower() in f"{group.name}: {name}".lower() for part in options.names)]
    if not chosen:
        return
    os.makedirs(folder)
    stage = Stage(folder, options.binary, group)
    try:
        for name, case in chosen:
            began = time.monotonic()
            wrong = run_case(stage, case)
            count["failed" if wrong else "passed"] += 1
            print(f"{'FAILED' if wrong else 'ok':6} {group.name}: {name} ({time.monotonic() - began:.1f} s)", flush=True)
            for line in wrong:
                print(f"       {line}", flush=True)
            if wrong:
                stage.clear()
    finally:
        for line in stage.stop():
            count["failed"] += 1
            print(f"FAILED {line}")


def main():
    """Runs all groups."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only cases whose group and name contain one of these")
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with traces and recordings")
    options = parser.parse_args()
    # So that a run that is ended ends its phones too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder, count = tempfile.mkdtemp(prefix="strowger-phones-", dir="/var/tmp"), {"passed": 0, "failed": 0}
    try:
        for group in GROUPS:
            run_group(os.path.join(folder, group.name.replace(" ", "-")), group, options, count)
        left = processes.tree_of(os.getpid())[1:]
        if left:
            count["failed"] += 1
            print(f"FAILED processes are left: {left}")
    finally:
        if options.keep or count["failed"]:
            print(f"traces and recordings: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{count['passed']} passed, {count['failed']} failed")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
