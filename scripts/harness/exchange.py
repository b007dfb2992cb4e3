"""The exchange under test: start, provision over its HTTP API, read its metrics, end."""

import base64
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request

from . import processes

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ACCOUNT = "AC" + "0123456789abcdef" * 2
SECRET = "fedcba9876543210fedcba9876543210"
# Connections that make many requests.
CONNECTIONS = 8
METRIC = re.compile(r'^([a-zA-Z_:][\w:]*)(\{[^}]*\})?\s+([^\s]+)')


def default_binary():
    """The program that the environment names, or where cargo puts the release binary."""
    if os.environ.get("EXCHANGE_BINARY"):
        return os.path.abspath(os.environ["EXCHANGE_BINARY"])
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(REPOSITORY, "target"))
    return os.path.join(target, "release", "strowger")


class Refused(Exception):
    """The API answered with an error status."""

    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body[:500]}")
        self.status, self.body = status, body


def used_bytes(path):
    """Bytes of a file up to its last one that is not zero, where zeros are what the log filled it with ahead of use."""
    if not path.endswith((".segment", "/spare")):
        return os.path.getsize(path)
    with open(path, "rb") as file:
        return len(file.read().rstrip(b"\0"))


class Exchange:
    """A running `strowger serve` with a data folder of its own."""

    # How long it may take to start, seconds.
    patience_s = 20

    def __init__(self, folder, sip_port, http_port, media="20000-29999", public_port=None, settings="", binary=None, wrap=(),
                 supervised=False, arguments=()):
        self.folder, self.sip_port, self.http_port = folder, sip_port, http_port
        os.makedirs(folder, exist_ok=True)
        self.data = os.path.join(folder, "data")
        self.config = os.path.join(folder, "strowger.toml")
        roles = {"carrier": sip_port, **({"public": public_port} if public_port else {})}
        listeners = "".join(f'[[sip.listeners]]\naddress = "127.0.0.1:{port}"\nrole = "{role}"\ntransport = "{transport}"\n'
                            for role, port in roles.items() for transport in ("udp", "tcp"))
        # Every peer of a test is one source, and some register a thousand users at once.
        guard = '[sip.guard]\nexempt = ["127.0.0.0/8"]\n'
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'data = "{self.data}"\n{settings}\n{guard}[http]\nlisten = "127.0.0.1:{http_port}"\n'
                       f'{listeners}'
                       f'[media]\naddress = "127.0.0.1"\nports = "{media}"\n')
        self.wrap, self.binary, self.supervised, self.arguments = list(wrap), binary or default_binary(), supervised, arguments
        self.process = None
        self.start()

    def start(self):
        """Starts it (again) and waits until it is ready."""
        # A machine that is busy with other things is overloaded too; only who asks for it has calls refused for that.
        calm = {"STROWGER_SIP__MAY_WAIT_MS": "0"}
        environment = {**calm, **os.environ, "STROWGER_ACCOUNT_SID": ACCOUNT, "STROWGER_AUTH_TOKEN": SECRET}
        with open(os.path.join(self.folder, "strowger.log"), "ab") as output:
            command = [*self.wrap, self.binary, "serve", "--config", self.config, *self.arguments]
            if not self.supervised:
                command.append("--no-supervisor")
            self.process = subprocess.Popen(processes.fastest(command, -10), env=environment, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=subprocess.STDOUT)
        processes.wait_until(self.ready, self.patience_s, f"the exchange (its output: {self.folder}/strowger.log)", self.process)

    def ready(self):
        """Whether /readyz answers 200."""
        try:
            self.request("GET", "/readyz", timeout=2)
            return True
        except (OSError, Refused):
            return False

    def request(self, method, path, body=None, timeout=20):
        """One API request; JSON in and out, plain text where the answer is not JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data=data, method=method)
        for name, value in self.headers().items():
            if data is not None or name != "Content-Type":
                request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read().decode()
                return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")) from None

    def request_all(self, method, path, bodies):
        """One API request for each body, over a few connections that stay open."""
        wrong = []

        def work(share):
            connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
            try:
                for body in share:
                    connection.request(method, path, json.dumps(body), self.headers())
                    answer = connection.getresponse()
                    text = answer.read()
                    if not 200 <= answer.status < 300:
                        raise Refused(answer.status, text.decode(errors="replace"))
            except (OSError, http.client.HTTPException, Refused) as error:
                wrong.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=(bodies[at::CONNECTIONS],)) for at in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if wrong:
            raise RuntimeError(f"{method} {path} failed: {wrong[0]}")

    @staticmethod
    def headers():
        """Headers of a request with a body."""
        token = base64.b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
        return {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    def trunk(self, **fields):
        """Creates a trunk."""
        return self.request("POST", "/v1/trunks", fields)

    def number(self, number, target):
        """Creates a number with a SIP target."""
        return self.request("POST", "/v1/numbers", {"number": number, "target": {"sip": target}})

    def metrics(self):
        """/metrics as {(name, labels): value}."""
        found = {}
        for line in self.request("GET", "/metrics").splitlines():
            match = METRIC.match(line)
            if match:
                found[(match[1], match[2] or "")] = float(match[3])
        return found

    def metric(self, name):
        """One metric, summed over its labels; None where the exchange has no such metric."""
        values = [value for (key, _), value in self.metrics().items() if key == name]
        return sum(values) if values else None

    def caught_up(self):
        """Whether every read model has reached the log's head."""
        metrics = self.metrics()
        head = metrics.get(("strowger_log_position", ""))
        models = [value for (key, _), value in metrics.items() if key == "strowger_read_model_position"]
        return head is not None and bool(models) and min(models) >= head

    def wait_caught_up(self, seconds=30, every=0.02):
        """Until every read model has reached the log's head. Each look costs the exchange some 0.3 ms: benches look rarely."""
        processes.wait_until(self.caught_up, seconds, "read models at the log's head", self.process, every)

    def disk_bytes(self):
        """Bytes of its data folder, without the zeros that the log has set aside."""
        paths = (os.path.join(folder, name) for folder, _, names in os.walk(self.data) for name in names)
        return sum(used_bytes(path) for path in paths if os.path.exists(path))

    def stop(self):
        """SIGTERM drains; returns whether it ended by itself."""
        if self.wrap and self.process.poll() is None:
            # A tracer keeps SIGTERM to itself: the exchange is its child, and the tracer ends with it.
            for pid in processes.tree_of(self.process.pid)[1:]:
                os.kill(pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        return processes.stop(self.process, 20)
