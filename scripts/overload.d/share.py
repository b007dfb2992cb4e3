"""A process that gets only a share of one processor, so that the load generator on the others is not the bottleneck."""

import os

# Short, so that what is limited runs slowly instead of in jerks: 4 ms.
PERIOD_US = 4000
NAME = "strowger-overload"


class Share:
    """A control group with a quota, of either version; needs root."""

    def __init__(self, share):
        self.share, self.folder = share, None

    def take(self, pid):
        """Puts a process in; whether that was possible."""
        quota = max(1000, int(self.share * PERIOD_US))
        for top, settings in (("/sys/fs/cgroup/cpu", {"cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": quota}),
                              ("/sys/fs/cgroup", {"cpu.max": f"{quota} {PERIOD_US}"})):
            folder = os.path.join(top, f"{NAME}-{pid}")
            try:
                os.mkdir(folder)
                self.folder = folder
                for name, value in settings.items():
                    write(os.path.join(folder, name), value)
                write(os.path.join(folder, "cgroup.procs"), pid)
                return True
            except OSError:
                self.drop()
        return False

    def drop(self):
        """Removes the group; it must be empty."""
        if self.folder:
            try:
                os.rmdir(self.folder)
            except OSError:
                pass
            self.folder = None


def write(path, value):
    """Writes one value of a control group."""
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{value}\n")
