"""Processes: start, end, CPU time and memory of a whole process tree, free ports, kinds of disk."""

import os
import signal
import socket
import subprocess
import time

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def children_of():
    """Every process's children, by parent."""
    tree = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            parent = int(stat_fields(int(name))[1])
        except (OSError, IndexError, ValueError):
            continue
        tree.setdefault(parent, []).append(int(name))
    return tree


def stat_fields(pid):
    """Fields of /proc/PID/stat from the state on (index 0): the command's name may hold spaces."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def tree_of(root):
    """The process and all that descend from it."""
    tree, found, todo = children_of(), [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo.extend(tree.get(pid, []))
    return found


def cpu_us(roots):
    """User and system time of the trees in microseconds, rounded down to the kernel's tick by process.

    utime and stime are the process's, so threads that have exited count; cutime and cstime are added, so children that
    were waited for (PostgreSQL's helpers) count as well, and a child that ends between two calls is never lost or counted twice.
    """
    ticks = 0
    for root in roots:
        for pid in tree_of(root):
            try:
                fields = stat_fields(pid)
            except OSError:
                continue
            ticks += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return ticks * TICK_US


def pss_kib(roots):
    """Proportional set size of the trees: shared pages are counted once."""
    total = 0
    for root in roots:
        for pid in tree_of(root):
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                    total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
            except OSError:
                continue
    return total


def written_bytes(roots):
    """Bytes that the trees caused to be written to disks, whole pages, as the kernel counts them in /proc/PID/io."""
    total = 0
    for root in roots:
        for pid in tree_of(root):
            try:
                with open(f"/proc/{pid}/io", encoding="ascii") as file:
                    total += sum(int(line.split()[1]) for line in file if line.startswith("write_bytes:"))
            except OSError:
                continue
    return total


def fastest(command, preferred):
    """The command at a higher priority where this user may give one; the same for every peer and for SIPp."""
    return ["nice", "-n", str(preferred), *command] if os.geteuid() == 0 else command


def stop(process, patience=10.0):
    """SIGTERM, then SIGKILL. Returns whether the first was enough."""
    if process.poll() is not None:
        return True
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience)
        return True
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


def wait_until(condition, seconds, what, process=None, every=0.02):
    """Polls every so many seconds until the condition holds; fails loudly after the time, or once the process has ended."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what}: the process ended with status {process.returncode}")
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(every)


def is_free(port):
    """Whether nobody has bound that port on 127.0.0.1."""
    try:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("127.0.0.1", port))
        return True
    except OSError:
        return False


def free_port(start):
    """The first port from `start` on that nobody has bound on 127.0.0.1."""
    for port in range(start, start + 500):
        if is_free(port):
            return port
    raise RuntimeError(f"no free port on 127.0.0.1 from {start} on")


def free_block(start, size):
    """The first of so many ports in a row that nobody has."""
    for first in range(start, start + 100 * size, size):
        if all(map(is_free, range(first, first + size))):
            return first
    raise RuntimeError(f"no {size} free ports on 127.0.0.1 from {start} on")


def filesystem_of(folder):
    """Type of the file system that holds the folder, e.g. ext4."""
    best, kind = "", "unknown"
    path = os.path.realpath(folder)
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            _, point, fstype = line.split()[:3]
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, fstype
    return kind


def machine():
    """The machine in words, for the report."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 30)
    return f"{os.cpu_count()} x {model}, {memory} GiB, Linux {os.uname().release}"
