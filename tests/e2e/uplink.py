#!/usr/bin/env python3
"""End-to-end: the exchange keeps itself registered at a carrier that asks for its password, loses it, and comes back.

The carrier's registrar is a SIPp; each step says what the API must tell of the trunk meanwhile.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts"))
sys.path.insert(0, HERE)
from harness import exchange, processes, sipp  # noqa: E402
import asking  # noqa: E402
import messages  # noqa: E402
import wire  # noqa: E402

SETTINGS = "[sip]\nt1_ms = 50\n"
GAUGES = ("transactions", "timers", "legs", "trunks_registered", "trunks_down")


class Stage:
    """The exchange, and the registrar of a carrier at a port of its own."""

    def __init__(self, folder, binary):
        self.folder, self.count, self.sipp = folder, 0, None
        carrier = processes.free_port(15260)
        self.port = processes.free_port(carrier + 2)
        self.exchange = exchange.Exchange(os.path.join(folder, "exchange"), carrier, processes.free_port(18380), "21100-21199",
                                          None, SETTINGS, binary)
        self.trunk = None

    def registrar(self, scenario):
        """A SIPp as the carrier's registrar from here on, instead of the one before; none where no scenario is named."""
        if self.sipp:
            self.sipp.finish(0.5)
            self.sipp = None
        if not scenario:
            return []
        self.count += 1
        folder = os.path.join(self.folder, f"{self.count:02d}-{scenario.split('.')[0]}")
        os.makedirs(folder)
        with open(os.path.join(HERE, "cases", scenario), encoding="utf-8") as file:
            text = messages.expand(file.read(), vars(asking))
        path, self.trace = os.path.join(folder, "registrar.xml"), os.path.join(folder, "registrar.messages")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        extra = [*asking.KEYS, "-trace_msg", "-message_file", self.trace]
        self.sipp = sipp.Sipp(path, folder, self.port, extra, "registrar")
        sipp.wait_listening(self.port, self.sipp.process, "SIPp as registrar")
        return []

    def heard(self):
        """The REGISTERs that the registrar got."""
        return [message for message in wire.read(self.trace) if not message.sent]

    def add(self):
        """A trunk that registers there."""
        here = f"127.0.0.1:{self.port}"
        made = self.exchange.trunk(name="carrier", kind="carrier", destination=f"sip:{here}", prefixes=["+1"], health="options",
                                   health_interval=5, health_failures=2,
                                   register={"registrar": f"sip:{here}", "aor": "sip:strowger@carrier.example", "expires": 60}, **asking.LOGIN)
        self.trunk = made["id"]
        return []

    def shown(self):
        """What the API says of the trunk's registration."""
        return self.exchange.request("GET", f"/v1/trunks/{self.trunk}")["registration"]

    def becomes(self, state, seconds, error=""):
        """Waits until the registration is like this, and its last error holds this text."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            shown = self.shown() or {"state": None, "last_error": None}
            if shown["state"] == state and error in (shown["last_error"] or ""):
                return []
            time.sleep(0.1)
        return [f"after {seconds} s the registration is {shown}, {state} with '{error}' is owed"]

    def stays(self, seconds):
        """It is refreshed for so long, and never anything but registered; each REGISTER counts its nonce up."""
        end, until = time.monotonic() + seconds, set()
        while time.monotonic() < end:
            shown = self.shown()
            until.add(shown["until"])
            if shown["state"] != "registered" or shown["last_error"]:
                return [f"the registration is {shown}"]
            time.sleep(0.2)
        wrong = [] if len(until) >= 3 else [f"it was refreshed {len(until) - 1} times in {seconds} s"]
        numbers = [int(message.one("cseq").split()[0]) for message in self.heard() if message.method == "REGISTER"]
        same = {message.one("call-id") for message in self.heard() if message.method == "REGISTER"}
        if numbers != sorted(numbers) or len(same) != 1:
            wrong.append(f"REGISTERs have the numbers {numbers} in {len(same)} calls")
        return wrong

    def metric(self, name, value):
        """A gauge has this value."""
        found = self.exchange.metric(f"strowger_{name}")
        return [] if found == value else [f"{name} is {found}, {value} is owed"]

    def reach(self, state, seconds):
        """Waits until the trunk is up or down."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            shown = self.exchange.request("GET", f"/v1/trunks/{self.trunk}")["reach"]
            if shown["state"] == state:
                return []
            time.sleep(0.1)
        return [f"after {seconds} s the trunk is {shown}"]

    def remove(self):
        """The trunk goes; the registrar is told."""
        before = len(self.heard())
        self.exchange.request("DELETE", f"/v1/trunks/{self.trunk}")
        end = time.monotonic() + 5
        while time.monotonic() < end:
            last = [message for message in self.heard()[before:] if message.one("expires") == "0"]
            if last:
                return [] if last[-1].one("contact").endswith(";expires=0") else ["its Contact does not say that we leave"]
            time.sleep(0.1)
        return ["the registrar was not told"]

    def tells(self, seconds=5):
        """The history of the trunk, which is gone by now, has all of that, oldest first; the rows are written a little later."""
        end, told = time.monotonic() + seconds, []
        while time.monotonic() < end and told[-1:] != ["ended"]:
            time.sleep(0.1)
            page = self.exchange.request("GET", f"/v1/trunks/{self.trunk}/history?limit=200")
            told = [happened["what"] for happened in reversed(page["items"])]
        registration = [what for what in told if what in ("begun", "registered", "lost", "ended")]
        health = [what for what in told if what in ("down", "up")]
        wrong = [] if registration == ["begun", "registered", "lost", "registered", "ended"] else [f"the registration was {registration}"]
        return wrong + ([] if health == ["down", "up"] and "refused" in told else [f"it is told as {told}"])

    def remains(self, seconds=15):
        """Gauges that are not zero after the last timer."""
        end = time.monotonic() + seconds
        while True:
            left = {gauge: self.exchange.metric(f"strowger_{gauge}") for gauge in GAUGES}
            wrong = [f"{gauge} left: {value}" for gauge, value in left.items() if value != 0]
            if not wrong or time.monotonic() > end:
                return wrong
            time.sleep(0.1)

    def drains(self):
        """SIGTERM: the registrar is told before the process ends."""
        before = len(self.heard())
        if not self.exchange.stop():
            return ["the exchange did not end after SIGTERM"]
        time.sleep(0.5)
        told = [message for message in self.heard()[before:] if message.one("expires") == "0"]
        return [] if told else ["the registrar was not told"]


def steps(stage):
    """Every step by its name, in order."""
    return (
        ("registered at a carrier that asks for a password",
         lambda: stage.registrar("registrar.xml") + stage.add() + stage.becomes("registered", 5) + stage.metric("trunks_registered", 1)),
        ("refreshed with the same nonce", lambda: stage.stays(12)),
        ("lost where the registrar falls silent", lambda: stage.registrar(None) + stage.becomes("lost", 15, "no answer")
         + stage.metric("trunks_registered", 0) + stage.reach("down", 20)),
        ("refused with 503", lambda: stage.registrar("registrar_away.xml") + stage.becomes("lost", 65, "503")),
        ("back", lambda: stage.registrar("registrar.xml") + stage.becomes("registered", 125) + stage.reach("up", 30)),
        ("removed", stage.remove),
        ("its history tells all of that", stage.tells),
        ("nothing remains", stage.remains),
        ("registered again, and left at the end",
         lambda: stage.registrar("registrar.xml") + stage.add() + stage.becomes("registered", 5) + stage.drains()),
    )


def main():
    """Runs the steps, one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with traces")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="strowger-uplink-", dir="/var/tmp")
    passed = failed = 0
    stage = None
    try:
        stage = Stage(folder, options.binary)
        for name, step in steps(stage):
            began = time.monotonic()
            wrong = step()
            passed, failed = passed + (not wrong), failed + bool(wrong)
            print(f"{'FAILED' if wrong else 'ok':6} {name} ({time.monotonic() - began:.1f} s)", flush=True)
            for line in wrong:
                print(f"       {line}", flush=True)
    finally:
        if stage:
            stage.registrar(None)
            stage.exchange.stop()
        if options.keep or failed:
            print(f"traces: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
