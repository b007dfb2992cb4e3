#!/usr/bin/env python3
"""End-to-end: devices register with a password, by UDP and TCP, and stay registered when the exchange ends or is killed.

Each step is one SIPp that must see what its scenario demands, or a question to the API. What is registered is asked of the
API after each step: `/v1/registrations` says what the devices were told.
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
import messages  # noqa: E402
import referring  # noqa: E402
import texting  # noqa: E402
import wire  # noqa: E402

# SIPp speaks MD5 alone, and reads the first challenge only.
SETTINGS = '[sip]\nt1_ms = 50\ndigest = ["MD5"]\ndomain = "exchange.example"\n'
DOMAIN = "pbx.example"
OWN = "exchange.example"
# The user name and password of a PBX.
PBX = ("acme", "acme-secret")
USERS = {"alice": "alice-secret", "bob": "bob-secret"}
GAUGES = ("transactions", "timers", "sip_connections")


class Stage:
    """The exchange with a domain and its users, and a port for each of their devices."""

    def __init__(self, folder, binary):
        self.folder, self.count = folder, 0
        carrier = processes.free_port(15160)
        self.public = processes.free_port(carrier + 1)
        start, self.ports = self.public, {}
        for user in (*USERS, PBX[0], "asker"):
            self.ports[user] = start = processes.free_port(start + 2)
        self.exchange = exchange.Exchange(os.path.join(folder, "exchange"), carrier, processes.free_port(18280), "21000-21099",
                                          self.public, SETTINGS, binary)
        self.exchange.request("POST", "/v1/domains", {"name": DOMAIN})
        for username, password in USERS.items():
            self.exchange.request("POST", "/v1/credentials", {"domain": DOMAIN, "username": username, "password": password})
        trunk = {"name": "acme", "kind": "pbx", "auth": "digest", "username": PBX[0], "password": PBX[1]}
        self.trunk = self.exchange.request("POST", "/v1/trunks", trunk)["id"]

    def device(self, scenario, user, transport="udp", password=None, domain=DOMAIN, port=None):
        """Runs one SIPp as a user's device; returns what is wrong."""
        return self.end(self.begin(scenario, user, transport, password, domain, domain, port))

    def begin(self, scenario, user, transport="udp", password=None, domain=DOMAIN, proves=DOMAIN, port=None):
        """Begins a SIPp as a user's device; `proves` is what it proves who it is for, `port` whose port it has if not its own."""
        self.count += 1
        folder = os.path.join(self.folder, f"{self.count:02d}-{scenario.split('.')[0]}-{user}")
        os.makedirs(folder)
        with open(os.path.join(HERE, "cases", scenario), encoding="utf-8") as file:
            text = messages.expand(file.read(), {**vars(texting), **vars(referring)})
        path, trace = os.path.join(folder, "device.xml"), os.path.join(folder, "device.messages")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        extra = [f"127.0.0.1:{self.public}", "-m", "1", "-s", user, "-key", "domain", domain,
                 "-key", "contact", str(self.listens(user, transport)), "-au", user,
                 "-ap", password or {**USERS, PBX[0]: PBX[1]}[user], "-auth_uri", proves, "-recv_timeout", "8000", "-trace_msg", "-message_file", trace,
                 "-t", "t1" if transport == "tcp" else "u1"]
        return sipp.Sipp(path, folder, self.ports[port or user], extra, "device"), user, trace

    @staticmethod
    def end(begun):
        """Waits for a device; returns what is wrong."""
        device, user, trace = begun
        try:
            status = device.wait(15)
        finally:
            device.finish(0.5)
        if status == 0:
            return []
        lines = [line.strip()[:200] for line in device.errors().splitlines() if line.strip()][:3]
        return [f"SIPp's status {status}; {' / '.join(lines)}", wire.ladder(user, wire.read(trace))]

    def online(self):
        """What the API says is registered: user, contact and transport of each binding."""
        self.exchange.wait_caught_up()
        listed = self.exchange.request("GET", f"/v1/registrations?domain={DOMAIN}&online=1")["items"]
        return sorted((item["aor"].split("@")[0], item["contact"], item["transport"] or "api") for item in listed)

    def listens(self, user, transport):
        """The port of a device's contact. SIPp connects from its own: nobody would listen there by TCP."""
        return self.ports[user] + (transport == "tcp")

    def bound(self, user, transport="udp"):
        """The binding that a user's device has."""
        return (user, f"sip:{user}@127.0.0.1:{self.listens(user, transport)}", transport)

    def expect(self, *wanted):
        """What the API should say."""
        found = self.online()
        return [] if found == sorted(wanted) else [f"registered is {found}, expected {sorted(wanted)}"]

    def until(self, *wanted, seconds=5):
        """What the API should say a little later: nobody is told when a connection was seen to end."""
        end = time.monotonic() + seconds
        while (wrong := self.expect(*wanted)) and time.monotonic() < end:
            time.sleep(0.05)
        return wrong

    def restart(self, kill):
        """Ends the process, or kills it, and starts it again."""
        if kill:
            self.exchange.process.kill()
            self.exchange.process.wait()
        elif not self.exchange.stop():
            return ["the exchange did not end after SIGTERM"]
        self.exchange.start()
        return []

    def remains(self, seconds=15):
        """Gauges that are not zero after the last timer."""
        end = time.monotonic() + seconds
        while True:
            left = {gauge: self.exchange.metric(f"strowger_{gauge}") for gauge in GAUGES}
            wrong = [f"{gauge} left: {value}" for gauge, value in left.items() if value != 0]
            if not wrong or time.monotonic() > end:
                return wrong
            time.sleep(0.1)


def by_api(stage):
    """A binding by API is seen by the device, which cannot end it; the API can."""
    api, aor = stage.exchange, f"alice@{DOMAIN}"
    made = api.request("POST", "/v1/registrations", {"aor": aor, "contact": "sip:alice@192.0.2.9"})
    wrong = stage.expect(("alice", "sip:alice@192.0.2.9", "api"))
    wrong += stage.device("register_fetch.device.xml", "alice")
    api.request("DELETE", f"/v1/registrations/{aor}/bindings/{made['id']}")
    return wrong + stage.expect()


def reaches(stage):
    """Whose connection is gone is called where its contact listens."""
    stage.exchange.wait_caught_up()
    listed = stage.exchange.request("GET", f"/v1/registrations?domain={DOMAIN}&online=1")["items"]
    found = sorted((item["aor"].split("@")[0], item["reach"]) for item in listed)
    return [] if found == [("alice", "flow"), ("bob", "contact")] else [f"reached is {found}"]


def lost(stage):
    """Whom only a connection led to is gone with it."""
    wrong = stage.device("register_flow.device.xml", "bob", "tcp") + stage.until(stage.bound("alice"))
    last = stage.exchange.request("GET", f"/v1/registrations?aor=bob@{DOMAIN}&online=0")["items"][0]
    return wrong + ([] if last["state"] == "flow-lost" else [f"bob's binding ended as {last['state']}"])


def trunk(stage):
    """A PBX registers as the trunk that it is, and is seen as one."""
    wrong = stage.device("register_trunk.device.xml", PBX[0], domain=OWN)
    stage.exchange.wait_caught_up()
    listed = stage.exchange.request("GET", f"/v1/registrations?aor={PBX[0]}@{OWN}&online=1")["items"]
    found = [(item["trunk"], item["domain"], item["contact"]) for item in listed]
    wanted = [(stage.trunk, None, f"sip:127.0.0.1:{stage.ports[PBX[0]]};bnc")]
    return wrong + ([] if found == wanted else [f"the PBX is {found}, expected {wanted}"])


def text(stage):
    """A text of bob's reaches alice's device as it was."""
    taker = stage.begin("texted.device.xml", "alice")
    sipp.wait_listening(stage.ports["alice"], taker[0].process, "SIPp as alice")
    return stage.end(stage.begin("texts.device.xml", "bob", proves=f"alice@{DOMAIN}")) + stage.end(taker)


def history(stage):
    """Each address tells what happened to it."""
    stage.exchange.wait_caught_up()
    listed = stage.exchange.request("GET", f"/v1/registrations?aor=bob@{DOMAIN}")["items"]
    told = stage.exchange.request("GET", f"/v1/registrations/{listed[0]['registration']}/history")["items"]
    found = [(item["what"], item["cause"]) for item in told if item["what"] != "reach"]
    return [] if found == [("removed", "unregistered"), ("added", None)] else [f"bob's history is {found}"]


def steps(stage):
    """Every step by its name, in order."""
    alice, bob = stage.bound("alice"), stage.bound("bob", "tcp")
    return (
        ("register and refresh by UDP", lambda: stage.device("register.device.xml", "alice") + stage.expect(alice)),
        ("register and refresh by TCP", lambda: stage.device("register.device.xml", "bob", "tcp") + stage.expect(alice, bob)),
        ("reached by contact", lambda: reaches(stage)),
        ("wrong password", lambda: stage.device("register_wrong.device.xml", "alice", password="guessed") + stage.expect(alice, bob)),
        ("wrong password by TCP", lambda: stage.device("register_wrong.device.xml", "bob", "tcp", "guessed") + stage.expect(alice, bob)),
        ("unknown domain", lambda: stage.device("register_unknown.device.xml", "alice", domain="elsewhere.example")),
        ("too brief", lambda: stage.device("register_brief.device.xml", "alice") + stage.expect(alice, bob)),
        ("nothing remains", stage.remains),
        ("SIGTERM and start", lambda: stage.restart(kill=False) + stage.expect(alice, bob)),
        ("fetched after SIGTERM", lambda: stage.device("register_fetch.device.xml", "alice") + stage.device("register_fetch.device.xml", "bob", "tcp")),
        ("refreshed after SIGTERM", lambda: stage.device("register.device.xml", "alice") + stage.expect(alice, bob)),
        ("kill -9 and start", lambda: stage.restart(kill=True) + stage.expect(alice, bob)),
        ("fetched after kill -9", lambda: stage.device("register_fetch.device.xml", "alice") + stage.device("register_fetch.device.xml", "bob", "tcp")),
        ("refreshed after kill -9", lambda: stage.device("register.device.xml", "bob", "tcp") + stage.expect(alice, bob)),
        ("remove", lambda: stage.device("register_remove.device.xml", "bob", "tcp") + stage.expect(alice)),
        ("remove all", lambda: stage.device("register_all.device.xml", "alice") + stage.expect()),
        ("history", lambda: history(stage)),
        ("by API", lambda: by_api(stage)),
        # Its stream was closed when nothing was bound: the start does not read it, the first REGISTER does.
        ("kill -9 without bindings", lambda: stage.restart(kill=True) + stage.expect()),
        ("registered again by UDP", lambda: stage.device("register.device.xml", "alice") + stage.expect(alice)),
        ("registered again by TCP", lambda: stage.device("register.device.xml", "bob", "tcp") + stage.expect(alice, bob)),
        ("a text to a user outside any call", lambda: text(stage)),
        ("lost connection", lambda: lost(stage)),
        ("a call asked for by REFER", lambda: referring.call(stage)),
        ("a call that may not be asked for", lambda: referring.refused(stage)),
        ("PBX in bulk", lambda: trunk(stage)),
        ("nothing remains at the end", stage.remains),
    )


def main():
    """Runs the steps, one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with traces")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="strowger-register-", dir="/var/tmp")
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
                print(line if line.startswith("    ") else f"       {line}", flush=True)
    finally:
        if stage and not stage.exchange.stop():
            failed += 1
            print("FAILED the exchange did not end after SIGTERM")
        if options.keep or failed:
            print(f"traces: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
