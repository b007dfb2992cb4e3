"""A private PostgreSQL cluster with its default settings (fsync on), run as an unprivileged user."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess

from . import processes


def tool(name):
    """A PostgreSQL program: Debian keeps the server's outside the search path."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else (shutil.which(name) or name)


class Postgres:
    """A cluster in `folder`, on a port of its own, that ends with `stop`."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        os.makedirs(folder)
        self.identity = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            user = next(user for user in ("postgres", "nobody") if user in {entry.pw_name for entry in pwd.getpwall()})
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            self.identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        self.cluster = os.path.join(folder, "cluster")
        self.run([tool("initdb"), "-D", self.cluster, "-U", "kamailio", "--auth=trust", "--encoding=UTF8", "--no-locale"])
        self.process = None
        self.start()

    def start(self):
        """Starts it (again) and waits until it answers."""
        with open(os.path.join(self.folder, "postgres.log"), "ab") as output:
            self.process = subprocess.Popen(
                processes.fastest([tool("postgres"), "-D", self.cluster, "-c", "listen_addresses=127.0.0.1", "-p",
                                   str(self.port), "-k", self.folder], 0), cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, **self.identity)
        ready = [tool("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        processes.wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 30, "PostgreSQL", self.process)
        if os.geteuid() == 0:
            # An unprivileged user may not raise its own priority; new backends inherit the postmaster's.
            for pid in processes.tree_of(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.setpriority(os.PRIO_PROCESS, pid, -10)

    def run(self, command):
        """Runs a command as the cluster's user; its output is shown only on failure."""
        done = subprocess.run(command, cwd=self.folder, capture_output=True, check=False, **self.identity)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stderr.decode(errors='replace')[-2000:]}")
        return done.stdout.decode()

    def psql(self, *arguments, database="kamailio"):
        """psql on the cluster."""
        return self.run([tool("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "kamailio", "-d", database, "-q",
                         "-v", "ON_ERROR_STOP=1", "-At", *arguments])

    def url(self):
        """For kamailio's db_url."""
        return f"postgres://kamailio@127.0.0.1:{self.port}/kamailio"

    def die(self):
        """Gone at once, without a checkpoint: its next start recovers."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)

    def stop(self):
        """Fast shutdown."""
        if self.process.poll() is None:
            self.process.send_signal(2)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                processes.stop(self.process)
