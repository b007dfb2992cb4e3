#!/usr/bin/env python3
"""The event store goes away while calls stand, and comes back.

Calls that stood end by BYE as if nothing had been, once the store is back; meanwhile new calls get 503 and nothing leaves
that is not stored. The store is killed by SIGKILL, so that answers are lost on their way. All goes over TLS and with a password.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import history  # noqa: E402
import load  # noqa: E402
from harness import log_server, processes, sipp  # noqa: E402

CALLS, RATE, HOLD_MS = 60, 30, 6000
# SIPp's caller gives up on a BYE after 64 T1.
AWAY_S = 4


class Report:
    """Counts what holds, one line each."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, holds, what):
        print("ok    " if holds else "FAILED", what, flush=True)
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)


def refused(calls, port):
    """Whether one more call is answered with 503, which SIPp counts as a failed call."""
    caller = sipp.Sipp(os.path.join(load.SCENARIOS, "uac.xml"), calls.folder, port,
                       [f"127.0.0.1:{calls.sip_port}", "-inf", calls.numbers, "-m", "1", "-d", "100", "-trace_msg",
                        "-message_file", os.path.join(calls.folder, "refused.log")], "refused")
    caller.wait(10)
    with open(os.path.join(calls.folder, "refused.log"), encoding="utf-8", errors="replace") as file:
        return "SIP/2.0 503" in file.read()


def check(calls, server, report):
    """Calls stand, the store dies, comes back, and they end."""
    late = processes.free_port(calls.caller_port + 10)
    calls.exchange.trunk(name="late", kind="carrier", addresses=[f"127.0.0.1:{late}"])
    counted = []
    running = threading.Thread(target=lambda: counted.append(calls.run(CALLS, RATE, HOLD_MS)))
    running.start()
    processes.wait_until(lambda: calls.exchange.metric("strowger_live_sessions") == CALLS, 30, "all calls up")
    time.sleep(max(0.0, HOLD_MS / 1000 - CALLS / RATE - 1.5))
    server.process.kill()
    server.process.wait()
    # The first BYEs find out that it is away.
    time.sleep(AWAY_S)
    report(refused(calls, late), "a new call is refused with 503 while the store is away")
    server.start()
    running.join()
    failed, repeats = counted[0]
    report(failed == 0, f"{CALLS} calls that stood ended by BYE ({failed} did not; SIPp repeated {repeats} times meanwhile)")
    calls.settle()
    report(calls.exchange.metric("strowger_frozen_streams") == 0, "no stream is frozen")
    ended = sum(event["type"] == "SessionEnded" for event in history.events(calls.exchange))
    report(ended == CALLS, f"{ended} sessions ended in the log")


def main():
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--media", default="20000-29999", help="media ports (20000-29999)")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="strowger-away-", dir="/var/tmp")
    report = Report()
    server = log_server.LogServer(os.path.join(folder, "log"), processes.free_port(18700), options.binary, secure=True)
    try:
        calls = load.Load(folder, options.binary, settings=server.settings, media=options.media)
        try:
            check(calls, server, report)
        finally:
            calls.exchange.stop()
    finally:
        server.stop()
        if report.failed:
            print(f"traces: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
