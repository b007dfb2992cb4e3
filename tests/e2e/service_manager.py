#!/usr/bin/env python3
"""Under a service manager that holds descriptors, the parent may be killed as well: what comes meanwhile waits in the kernel, and
calls go on. With the supervisor and without.

    tests/e2e/service_manager.py [--systemd]      (with a systemd user manager instead of the harness's own)
"""

import argparse
import os
import re
import shutil
import signal
import socket
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))
from harness import caller, exchange, processes, sipp  # noqa: E402

HOST, NUMBER = caller.HOST, "+15570000001"
OWN = [sys.executable, os.path.join(TOP, "scripts", "harness", "service_manager.py")]
PASSED_ON = ("STROWGER_ACCOUNT_SID", "STROWGER_AUTH_TOKEN", "STROWGER_SIP__MAY_WAIT_MS")
SYSTEMD = ["systemd-run", "--user", "--quiet", "--wait", "--pipe", "--property=Type=notify", "--property=FileDescriptorStoreMax=2048",
           "--property=Restart=on-failure", "--property=RestartSec=100ms", "--property=NotifyAccess=main",
           *(f"--setenv={name}" for name in PASSED_ON)]


class Stage:
    """An exchange that a manager starts, a phone that answers, and one that calls."""

    def __init__(self, folder, binary, manager, supervised):
        port = processes.free_port(24060)
        self.phone_port, caller_port = processes.free_port(port + 1), processes.free_port(port + 2)
        self.exchange = exchange.Exchange(os.path.join(folder, "x"), port, processes.free_port(18780), "24200-24299", binary=binary,
                                          wrap=manager, supervised=supervised)
        self.phone = sipp.Sipp(os.path.join(TOP, "scripts", "bench.d", "uas.xml"), folder, self.phone_port, [], "uas")
        sipp.wait_listening(self.phone_port, self.phone.process, "SIPp's phone")
        self.caller = caller.Caller(port, caller_port)
        self.exchange.trunk(name="carrier", kind="carrier", addresses=[f"{HOST}:{caller_port}"])
        self.exchange.number(NUMBER, f"sip:phone@{HOST}:{self.phone_port}")

    def processes(self):
        """The exchange's own, parent first."""
        ours = []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if words[0] == self.exchange.binary.encode() and self.exchange.config.encode() in words:
                ours.append((words.count(b"--no-supervisor"), pid))
        return [pid for _, pid in sorted(ours)]

    def finish(self):
        """Ends all of it."""
        self.phone.finish()
        for pid in self.processes():
            os.kill(pid, signal.SIGTERM)
        self.exchange.stop()


def connected(port):
    """A socket that hears of it when nobody has that port."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.connect((HOST, port))
    made.settimeout(20)
    return made


def options(port, own):
    """An OPTIONS to the exchange itself."""
    return (f"OPTIONS sip:{HOST}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{own};branch=z9hG4bKmeanwhile\r\nFrom: <sip:a@{HOST}>;tag=a\r\n"
            f"To: <sip:{HOST}:{port}>\r\nCall-ID: meanwhile-{own}@{HOST}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n").encode()


def story(stage):
    """Kills the exchange, its parent first, while a call is up: what was seen, each with whether it is as it should be."""
    answer, _ = stage.caller.begin(NUMBER, 5)
    rtp = connected(int(re.search(r"m=audio (\d+)", answer)[1]))
    sip = connected(stage.exchange.sip_port)
    before = stage.processes()
    # Where there is a parent, its worker dies with it.
    os.kill(before[0], signal.SIGKILL)
    for pid in before:
        processes.wait_until(lambda pid=pid: not alive(pid), 5, "the end of the exchange", every=0.002)
    sip.send(options(stage.exchange.sip_port, sip.getsockname()[1]))
    refused = False
    try:
        for _ in range(3):
            rtp.send(bytes(172))
    except ConnectionRefusedError:
        refused = True
    with socket.create_connection((HOST, stage.exchange.http_port), 20) as http:
        http.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        http.settimeout(20)
        web = http.recv(100)
    try:
        heard = sip.recv(2000)
    except (ConnectionRefusedError, TimeoutError) as error:
        heard = str(error).encode()
    processes.wait_until(stage.exchange.ready, 20, "the exchange again", stage.exchange.process)
    after = stage.processes()
    yield not set(before) & set(after) and len(before) == len(after), f"processes {before} are gone, {after} are there"
    yield heard.startswith(b"SIP/2.0 200"), f"a request that came meanwhile is answered: {heard[:40]!r}"
    yield web.startswith(b"HTTP/1.1 200"), f"so is one by HTTP: {web[:40]!r}"
    yield not refused, "no media packet is refused"
    yield stage.caller.end(answer), "the call that was up ends by BYE"
    yield stage.caller.call(NUMBER, 10) is not None, "another call is answered"


def alive(pid):
    """Whether a process runs or may run again."""
    try:
        return processes.stat_fields(pid)[0] not in "ZX"
    except OSError:
        return False


def main():
    """Runs it with the supervisor and without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", help="the exchange (default: target/release/strowger)")
    parser.add_argument("--systemd", action="store_true", help="use the systemd user manager that runs here")
    chosen = parser.parse_args()
    passed, failed = 0, 0
    for supervised in (True, False):
        folder = tempfile.mkdtemp(prefix="strowger-manager-")
        stage = Stage(folder, chosen.binary, SYSTEMD if chosen.systemd else OWN, supervised)
        try:
            for holds, what in story(stage):
                passed, failed = passed + bool(holds), failed + (not holds)
                print(f"{'ok    ' if holds else 'FAILED'} {'with' if supervised else 'without'} the supervisor: {what}")
        finally:
            stage.finish()
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
