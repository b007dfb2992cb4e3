"""SIPp: runs scenarios with hard limits and reads what it counted."""

import csv
import glob
import os
import signal
import subprocess
import time

from . import processes

# SIPp's watchdog aborts a run on a busy machine; the wall limit of ours is the judge instead.
PATIENT = ["-watchdog_minor_maxtriggers", "1000000", "-watchdog_major_maxtriggers", "1000000"]


HERE = os.path.dirname(os.path.abspath(__file__))


def fine_clock(folder):
    """Environment under which SIPp measures in microseconds; without a C compiler it measures in steps of 4 ms."""
    library = os.path.join(folder, "fine_clock.so")
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", library, os.path.join(HERE, "fine_clock.c"), "-ldl"]
    try:
        built = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        built = False
    return {"LD_PRELOAD": library} if built else {}


class Sipp:
    """One running SIPp. `folder` receives its statistics and traces."""

    def __init__(self, scenario, folder, local_port, extra, name, environment=None):
        self.folder, self.name = folder, name
        self.statistics = os.path.join(folder, f"{name}.csv")
        command = ["sipp", "-sf", scenario, "-i", "127.0.0.1", "-p", str(local_port), "-nostdin", "-buff_size", "4000000",
                   "-trace_stat", "-stf", self.statistics, "-fd", "1", "-trace_err",
                   "-error_file", os.path.join(folder, f"{name}.errors"), *PATIENT, *extra]
        self.output = open(os.path.join(folder, f"{name}.out"), "wb")
        self.process = subprocess.Popen(processes.fastest(command, -10), cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=subprocess.STDOUT,
                                        env=dict(os.environ, **(environment or {})))

    def wait(self, seconds):
        """Waits for its end; kills it at the limit. Returns SIPp's exit status, or None where it was killed."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.finish(1.0)
            return None
        finally:
            self.output.close()

    def finish(self, patience=3.0):
        """Asks for an orderly end (statistics are written), then insists."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()

    def counted(self):
        """Its last statistics row as numbers by SIPp's own column names; empty where it wrote none."""
        try:
            with open(self.statistics, encoding="utf-8", errors="replace", newline="") as file:
                rows = [row for row in csv.reader(file, delimiter=";") if row]
        except OSError:
            return {}
        if len(rows) < 2:
            return {}
        return {key: int(value) for key, value in zip(rows[0], rows[-1]) if value.lstrip("-").isdigit()}

    def response_times_ms(self):
        """Every response time of -trace_rtt, sorted."""
        times = []
        for path in glob.glob(os.path.join(self.folder, "*_rtt.csv")):
            with open(path, encoding="utf-8", errors="replace") as file:
                for line in file:
                    fields = line.strip().split(";")
                    if len(fields) >= 3 and fields[0][:1].isdigit():
                        times.append(float(fields[1]))
        return sorted(times)

    def errors(self, limit=2000):
        """The beginning of its error file."""
        try:
            with open(os.path.join(self.folder, f"{self.name}.errors"), encoding="utf-8", errors="replace") as file:
                return file.read(limit)
        except OSError:
            return ""


def percentile(ordered, share):
    """Nearest-rank percentile of sorted values; None of nothing."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def listening(port, transport="udp"):
    """Whether a UDP socket is bound to 127.0.0.1:port, or a TCP socket listens there."""
    wanted, state = f"0100007F:{port:04X}", {"udp": "07", "tcp": "0A"}[transport]
    with open(f"/proc/net/{transport}", encoding="ascii") as file:
        return any(line.split()[1] == wanted and line.split()[3] == state for line in file)


def bound_ports():
    """Every UDP port bound on this machine, over IPv4."""
    with open("/proc/net/udp", encoding="ascii") as file:
        return sorted({int(line.split()[1].rpartition(":")[2], 16) for line in file if ":" in line.split()[1]})


def wait_listening(port, process, what, transport="udp"):
    """Until the port is bound: SIPp and kamailio tell nothing when they are ready."""
    processes.wait_until(lambda: listening(port, transport), 15, what, process)
    time.sleep(0.1)
