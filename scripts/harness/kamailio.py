"""The peers of the benchmarks: kamailio in memory, and kamailio with its dialogs, accounting or bindings in PostgreSQL."""

import os
import shutil
import subprocess

from . import postgres, processes, sipp

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMA = "/usr/share/kamailio/postgres"


class Kamailio:
    """Stateful, record-routing, one worker, the fast allocator (Debian's default one is a debugging build: four times dearer)."""

    name = "kamailio"
    workers = 1

    def __init__(self, folder, port, callee_port, durable=None, workers=None, config="kamailio.cfg", rows="acc"):
        self.port, self.durable, self.rows = port, durable, rows
        run = os.path.join(folder, "run")
        os.makedirs(run)
        # -A defines are text; settings that hold a number or a string are written by us into a file kamailio includes.
        with open(os.path.join(folder, "settings.cfg"), "w", encoding="utf-8") as file:
            file.write(f"listen=udp:127.0.0.1:{port}\nchildren={workers or self.workers}\n"
                       f'#!subst "/CALLEE/127.0.0.1:{callee_port}/"\n')
            if durable:
                file.write(f'#!define WITH_DURABLE\n#!subst "!DATABASE!{durable.url()}!"\n')
        shutil.copy(os.path.join(HERE, config), os.path.join(folder, "kamailio.cfg"))
        command = ["kamailio", "-x", "fm", "-X", "fm", "-m", "2048", "-M", "16", "-f", os.path.join(folder, "kamailio.cfg"),
                   "-Y", run, "-DD", "-E"]
        self.output = open(os.path.join(folder, "kamailio.log"), "wb")
        self.process = subprocess.Popen(processes.fastest(command, -10), cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=subprocess.STDOUT)
        sipp.wait_listening(port, self.process, f"kamailio (its output: {folder}/kamailio.log)")

    def roots(self):
        """Processes whose trees are measured."""
        return [self.process.pid] + ([self.durable.process.pid] if self.durable else [])

    def settle(self):
        """Kamailio's work is done when the last answer has left."""

    def written(self):
        """Rows on disk prove that the durable peer did its work: two of accounting a call (INVITE and BYE), one a binding."""
        name = "accounting_rows" if self.rows == "acc" else f"{self.rows}_rows"
        return {name: int(self.durable.psql("-c", f"select count(*) from {self.rows}"))} if self.durable else {}

    def stop(self):
        """Ends it and its database."""
        processes.stop(self.process)
        self.output.close()
        if self.durable:
            self.durable.stop()


def durable(folder, port, callee_port, database_port, workers):
    """Kamailio with `dialog db_mode=1` and `acc` in a PostgreSQL cluster of its own."""
    database = postgres.Postgres(os.path.join(folder, "postgres"), database_port)
    try:
        database.psql("-c", "create database kamailio", database="postgres")
        for table in ("standard", "acc", "dialog"):
            database.psql("-f", os.path.join(SCHEMA, f"{table}-create.sql"))
        return Kamailio(folder, port, callee_port, durable=database, workers=workers)
    except Exception:
        database.stop()
        raise


def registrar(folder, port, database_port=None, workers=None):
    """Kamailio as a registrar in memory; with a database port, with `usrloc db_mode=1` in a PostgreSQL cluster of its own."""
    if database_port is None:
        return Kamailio(folder, port, port, workers=workers, config="registrar.cfg")
    database = postgres.Postgres(os.path.join(folder, "postgres"), database_port)
    try:
        database.psql("-c", "create database kamailio", database="postgres")
        for table in ("standard", "usrloc"):
            database.psql("-f", os.path.join(SCHEMA, f"{table}-create.sql"))
        return Kamailio(folder, port, port, durable=database, workers=workers, config="registrar.cfg", rows="location")
    except Exception:
        database.stop()
        raise
