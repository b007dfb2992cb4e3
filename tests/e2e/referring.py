"""Parts of scenarios with REFERs outside any call (RFC 3515), beside those of messages.py, and their steps."""

import messages
import transfers
from harness import sipp


def lone_refer(cseq, target, proven=""):
    """A REFER of a user's outside any dialog to the exchange itself; with `proven` it carries credentials."""
    user = target if target.startswith("+") else target.split("@")[0]
    return messages.send(f"""
        REFER sip:[domain] SIP/2.0
        {messages.VIA}[branch]
        From: <sip:[service]@[domain]>;tag=asker-[pid]-[call_number]
        To: <sip:[domain]>
        Call-ID: [call_id]
        CSeq: {cseq} REFER
        Contact: <sip:asker-contact@[local_ip]:[local_port]>
        {"[authentication]" if proven else ""}
        Max-Forwards: 70
        Refer-To: <sip:{user}@[domain]>
        Content-Length: 0
        """, ' retrans="500"').replace("\n\nMax-Forwards", "\nMax-Forwards")


def asks_for(target):
    """A REFER, the challenge, and the REFER with credentials."""
    asked = f'<recv response="407" auth="true">{messages.checks(messages.has("realm=.pbx.example"))}</recv>'
    return f'{lone_refer("1", target)}\n{asked}\n{lone_refer("2", target, "proven")}'


hears_to_the_end = transfers.hears_to_the_end


def call(stage):
    """Alice asks from somewhere else: her device rings first, then bob's, and the two are connected."""
    wrong = stage.device("register.device.xml", "bob")
    own, other = stage.begin("referred.device.xml", "alice"), stage.begin("referred_to.device.xml", "bob")
    for device, user in ((own, "alice"), (other, "bob")):
        sipp.wait_listening(stage.ports[user], device[0].process, f"SIPp as {user}")
    wrong += stage.device("refers.device.xml", "alice", port="asker")
    wrong += stage.end(own) + stage.end(other)
    return wrong + told(stage, ("alice", "bob", "ended", "completed", "user"))


def refused(stage):
    """What a user may not ask for, though there is a carrier for it, and with a wrong password nothing: nobody is called."""
    carrier = {"name": "out", "kind": "carrier", "destination": "sip:127.0.0.1:9", "prefixes": ["+"]}
    made = stage.exchange.request("POST", "/v1/trunks", carrier)
    own = ("alice", "+17990000002", "ended", "failed", "refer")
    wrong = stage.device("refers_refused.device.xml", "alice", port="asker") + told(stage, own)
    wrong += stage.device("refers_wrong.device.xml", "alice", password="guessed", port="asker")
    stage.exchange.request("DELETE", f"/v1/trunks/{made['id']}")
    # No session came of the last.
    return wrong + told(stage, own)


def told(stage, wanted):
    """The newest session as the API tells of it."""
    stage.exchange.wait_caught_up()
    newest = stage.exchange.request("GET", "/v1/sessions?limit=1")["items"][0]
    found = tuple(newest[key] for key in ("caller", "called", "state", "end_cause", "route_rule"))
    return [] if found == wanted else [f"the newest session is {found}, expected {wanted}"]
