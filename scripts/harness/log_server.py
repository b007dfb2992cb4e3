"""A log that another process serves: `strowger log-server`, for exchanges with `store = "esdb://…"`."""

import os
import subprocess

from . import exchange, processes, sipp


def certificate(folder):
    """A certificate for 127.0.0.1, which is its own root, and its key."""
    cert, key = os.path.join(folder, "door.pem"), os.path.join(folder, "door.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                    "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def secured(folder, user, password):
    """Makes a door's certificate and password file; returns the certificate and the settings of `[log.door]`."""
    cert, key = certificate(folder)
    file = os.path.join(folder, "password")
    with open(file, "w", encoding="utf-8") as secret:
        secret.write(password + "\n")
    return cert, f'user = "{user}"\npassword_file = "{file}"\ntls_cert = "{cert}"\ntls_key = "{key}"\n'


class LogServer:
    """A running `strowger log-server` with a data folder of its own, writable, on loopback; with TLS and a password where asked
    for."""

    def __init__(self, folder, port, binary=None, engine="sqlite", secure=False):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.port, self.secure = folder, port, secure
        self.cert, settings = secured(folder, "strowger", "p@ss: 50%") if secure else (None, "")
        self.binary = binary or exchange.default_binary()
        self.config = os.path.join(folder, "log.toml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'data = "{os.path.join(folder, "data")}"\n[log]\nengine = "{engine}"\n'
                       f'[log.door]\nlisten = "127.0.0.1:{port}"\nwritable = true\nconnections = 200\n{settings}')
        self.process = None
        self.start()

    def start(self):
        """Starts it (again) and waits until it listens."""
        with open(os.path.join(self.folder, "log-server.log"), "ab") as output:
            command = [self.binary, "log-server", "--config", self.config]
            self.process = subprocess.Popen(processes.fastest(command, -10), stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT)
        sipp.wait_listening(self.port, self.process, "the log server", "tcp")

    @property
    def settings(self):
        """What an exchange's configuration says of it."""
        if not self.secure:
            return f'store = "esdb://127.0.0.1:{self.port}?tls=false"\n'
        password = os.path.join(self.folder, "password")
        return (f'store = "esdb://strowger@127.0.0.1:{self.port}?tls=true&tlsCAFile={self.cert}"\n'
                f'store_password_file = "{password}"\n')

    def stop(self):
        """Ends it; returns whether it ended by itself."""
        return processes.stop(self.process, 10)
