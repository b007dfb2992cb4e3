#!/usr/bin/env python3
"""Runs a command beside a private PostgreSQL, whose address it finds in STROWGER_TEST_POSTGRES."""

import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts"))
from harness import postgres, processes  # noqa: E402


def main():
    """The command's exit code is ours."""
    if len(sys.argv) < 2:
        sys.exit(__doc__ + "\nusage: with_postgres.py COMMAND...")
    folder = tempfile.mkdtemp(prefix="strowger-postgres-", dir="/var/tmp")
    os.chmod(folder, 0o755)
    database = postgres.Postgres(os.path.join(folder, "database"), processes.free_port(15432))
    try:
        # Each test has connections of its own.
        database.psql("-c", "ALTER SYSTEM SET max_connections = 400", database="postgres")
        database.stop()
        database.start()
        url = f"postgres://kamailio@127.0.0.1:{database.port}/postgres"
        return subprocess.run(sys.argv[1:], env=dict(os.environ, STROWGER_TEST_POSTGRES=url), check=False).returncode
    finally:
        database.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
