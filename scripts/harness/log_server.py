"""A log that another process serves: `strowger log-server`, for exchanges with `store = "esdb://…"`."""

import os
import subprocess

from . import exchange, processes, sipp


class LogServer:
    """A running `strowger log-server` with a data folder of its own, writable, on loopback."""

    def __init__(self, folder, port, binary=None, engine="sqlite"):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.port = folder, port
        self.binary = binary or exchange.default_binary()
        self.config = os.path.join(folder, "log.toml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'data = "{os.path.join(folder, "data")}"\n[log]\nengine = "{engine}"\n'
                       f'[log.door]\nlisten = "127.0.0.1:{port}"\nwritable = true\nconnections = 200\n')
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
    def url(self):
        """Its address as `store` takes it."""
        return f"esdb://127.0.0.1:{self.port}?tls=false"

    def stop(self):
        """Ends it; returns whether it ended by itself."""
        return processes.stop(self.process, 10)
