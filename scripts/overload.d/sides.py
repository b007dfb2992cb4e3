"""The SIPps of scripts/overload: those that bring new calls, and those whose calls stand meanwhile."""

import csv
import os
import signal

import messages
from harness import sipp

# What a new call may be refused with; anything else is a call that was lost.
REFUSALS = (503,)
# SIPp ends no call because a repeat came that it does not expect.
PATIENT = ["-default_behaviors", "all,-abortunexp"]


def new_caller():
    """Calls, holds for SIPp's -d, hangs up; a 503 is an orderly end."""
    return f"""{{{{invite}}}}
{may_ring()}{may_be_refused()}{{{{answered}}}}
{{{{ack}}}}
<pause/>
{{{{bye 2}}}}
<recv response="200"></recv>
{refused()}"""


def new_callee():
    """Rings, answers, is hung up on."""
    return "{{invited}}\n{{rings}}\n{{answers}}\n{{got ACK}}\n{{got BYE}}\n{{confirms}}\n{{linger 2000}}\n"


def held_caller(refreshes, pause):
    """As a new one, and asks again for the same media every so often."""
    again = "".join(f"""{pause}{{{{in_dialog INVITE {number} sendrecv}}}}
{{{{trying}}}}
{{{{answered}}}}
{{{{in_dialog ACK {number} none . 0}}}}
""" for number in range(2, refreshes + 2))
    return f"""{{{{invite}}}}
{may_ring()}{may_be_refused()}{{{{answered}}}}
{{{{ack}}}}
{again}{pause}{{{{bye {refreshes + 2}}}}}
<recv response="200"></recv>
{refused()}"""


def held_callee(refreshes):
    """Its other side."""
    again = "".join(f"{{{{got INVITE sendrecv}}}}\n{{{{confirms 200 OK sendrecv {number}}}}}\n{{{{got ACK}}}}\n"
                    for number in range(2, refreshes + 2))
    return f"{{{{invited}}}}\n{{{{rings}}}}\n{{{{answers}}}}\n{{{{got ACK}}}}\n{again}{{{{got BYE}}}}\n{{{{confirms}}}}\n{{{{linger 2000}}}}\n"


def may_ring():
    """Provisional responses."""
    return "".join(f'<recv response="{code}" optional="true"></recv>\n' for code in (100, 180, 183))


def may_be_refused():
    """The way out of a call that is refused."""
    return "".join(f'<recv response="{code}" optional="true" next="refused"></recv>\n' for code in REFUSALS)


def refused():
    """Where it leads to."""
    return f'<nop next="done"/><label id="refused"/>{messages.ack_failure()}<label id="done"/>\n'


class Phone(sipp.Sipp):
    """One SIPp with one of the scenarios above."""

    def __init__(self, folder, name, port, text, extra):
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{name}.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(messages.expand(f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="{name}">\n{text}</scenario>\n', {}))
        super().__init__(path, folder, port, [*PATIENT, *extra], name)

    def rows(self):
        """[(time, {column: number})] of each second so far."""
        try:
            with open(self.statistics, encoding="utf-8", errors="replace", newline="") as file:
                head, *rows = [row for row in csv.reader(file, delimiter=";") if row]
        except (OSError, ValueError):
            return []
        found = []
        for row in rows:
            said = dict(zip(head, row))
            numbers = {key: int(value) for key, value in said.items() if value.lstrip("-").isdigit()}
            try:
                found.append((float(said["CurrentTime"].split()[-1]), numbers))
            except (KeyError, ValueError, IndexError):
                continue
        return found

    def between(self, column, since, until):
        """How much a column grew a second between two times, by the rows within them."""
        rows = [(at, numbers.get(column, 0)) for at, numbers in self.rows() if since <= at <= until]
        if len(rows) < 2 or rows[-1][0] <= rows[0][0]:
            return 0.0
        return (rows[-1][1] - rows[0][1]) / (rows[-1][0] - rows[0][0])

    def no_more(self):
        """No new calls; those that are up end by themselves."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)
