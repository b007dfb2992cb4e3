#!/usr/bin/env python3
"""Read models are rebuilt while SIPp's calls and queries go on, in files and in PostgreSQL; and PostgreSQL goes away and comes back.

Whoever asks meanwhile gets whole answers: sessions that ended never go missing. Calls never wait for a database.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import load  # noqa: E402
from harness import exchange, postgres, processes  # noqa: E402

MODELS = ("sessions", "routing", "registrations", "messages", "uplinks")
CALLS, RATE, HOLD_MS = 120, 40, 300


class Report:
    """Counts what holds, one line each."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, holds, what):
        print("ok    " if holds else "FAILED", what, flush=True)
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)


def ended(stage):
    """Every session that ended, page by page."""
    found, path = {}, "/v1/sessions?state=ended&limit=200"
    after = ""
    while True:
        page = stage.exchange.request("GET", path + after)
        found.update((row["id"], row) for row in page["items"])
        if not page.get("next"):
            return found
        after = f"&after={page['next']}"


def rebuild(stage, name, **more):
    """`strowger rebuild NAME`, as an operator would."""
    environment = dict(os.environ, STROWGER_ACCOUNT_SID=exchange.ACCOUNT, STROWGER_AUTH_TOKEN=exchange.SECRET, STROWGER_LOG="warn")
    environment.update(more)
    command = [stage.exchange.binary, "rebuild", name, "--config", stage.exchange.config]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def generations(stage):
    """Which generation of each model serves."""
    return {model["name"]: model["generation"] for model in stage.exchange.request("GET", "/v1/read-models")["read_models"]}


class Asking(threading.Thread):
    """Asks for ended sessions again and again; what was there once must stay."""

    def __init__(self, stage):
        super().__init__()
        self.stage, self.asked, self.lost, self.done = stage, 0, set(), False

    def run(self):
        known = set()
        while not self.done:
            now = set(ended(self.stage))
            self.lost |= known - now
            known, self.asked = now, self.asked + 1


def check_rebuilds(stage, report, place):
    """All models, while calls and queries go on."""
    failed, _ = stage.run(CALLS, RATE, HOLD_MS)
    report(failed == 0, f"{place}: {CALLS} calls before ({failed} failed)")
    stage.settle()
    before = ended(stage)
    first = generations(stage)
    counted = []
    calls = threading.Thread(target=lambda: counted.append(stage.run(CALLS, RATE, HOLD_MS)))
    asking = Asking(stage)
    calls.start()
    asking.start()
    for name in MODELS:
        done = rebuild(stage, name)
        report(done.returncode == 0 and "rebuilt in" in done.stdout, f"{place}: {(done.stdout + done.stderr).strip()}")
    calls.join()
    asking.done = True
    asking.join()
    report(counted[0][0] == 0, f"{place}: {CALLS} calls meanwhile ({counted[0][0]} failed)")
    report(asking.asked > 0 and not asking.lost, f"{place}: {asking.asked} lists meanwhile, {len(asking.lost)} sessions went missing")
    stage.settle()
    after = ended(stage)
    report(all(after.get(key) == row for key, row in before.items()) and len(after) == 2 * CALLS,
           f"{place}: {len(after)} sessions after, the {len(before)} from before unchanged")
    report(all(generations(stage)[name] == first[name] + 1 for name in MODELS), f"{place}: generations {generations(stage)}")
    return after


def check_alone(stage, report, place, before):
    """Without an exchange, for its next start."""
    first = generations(stage)
    refused = rebuild(stage, "sessions", STROWGER_AUTH_TOKEN="another-secret-of-nobody")
    report(refused.returncode == 1 and "401" in refused.stderr, f"{place}: a stranger is refused: {refused.stderr.strip()}")
    report(rebuild(stage, "calls").returncode == 2, f"{place}: there is no such model")
    stage.exchange.stop()
    done = rebuild(stage, "sessions")
    report(done.returncode == 0, f"{place}, no exchange: {(done.stdout + done.stderr).strip()}")
    stage.exchange.start()
    stage.settle()
    report(ended(stage) == before, f"{place}: the same sessions after a rebuild without an exchange")
    report(generations(stage)["sessions"] > first["sessions"], f"{place}: generations {generations(stage)}")


def refused(stage):
    """Whether a query is refused as it should be."""
    try:
        ended(stage)
    except exchange.Refused as error:
        return error.status == 503
    return False


def check_away(stage, report, database):
    """PostgreSQL dies while calls run, and is away when the exchange starts."""
    had = len(ended(stage))
    database.die()
    failed, _ = stage.run(CALLS, RATE, HOLD_MS)
    report(failed == 0, f"database away: {CALLS} calls go on ({failed} failed)")
    report(refused(stage), "database away: queries get 503")
    database.start()
    stage.settle()
    report(len(ended(stage)) == had + CALLS, f"database back: {len(ended(stage))} sessions")
    stage.exchange.stop()
    database.die()
    stage.exchange.start()
    failed, _ = stage.run(CALLS, RATE, HOLD_MS)
    report(failed == 0, f"started without a database: {CALLS} calls ({failed} failed)")
    report(refused(stage), "started without a database: queries get 503")
    database.start()
    processes.wait_until(lambda: not refused(stage), 30, "an answer", stage.exchange.process)
    stage.settle()
    report(len(ended(stage)) == had + 2 * CALLS, f"database back: {len(ended(stage))} sessions")


def main():
    """Runs both places."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--media", default="20000-29999", help="media ports (20000-29999)")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="strowger-models-", dir="/var/tmp")
    os.chmod(folder, 0o755)
    report = Report()
    database = postgres.Postgres(os.path.join(folder, "database"), processes.free_port(15432))
    try:
        settings = f'database = "postgres://kamailio@127.0.0.1:{database.port}/postgres"\ndatabase_schema = "exchange_1"\n'
        for place, settings in (("files", ""), ("PostgreSQL", settings)):
            stage = load.Load(os.path.join(folder, place), options.binary, settings=settings, media=options.media)
            try:
                after = check_rebuilds(stage, report, place)
                check_alone(stage, report, place, after)
                if settings:
                    check_away(stage, report, database)
            finally:
                stage.exchange.stop()
    finally:
        database.stop()
        if report.failed or not report.passed:
            print(f"traces: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
