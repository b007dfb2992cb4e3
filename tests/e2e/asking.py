"""Parts of scenarios with carriers that ask who the exchange is (RFC 3261 section 22), beside those of messages.py."""

import messages

REALM = "carrier.example"
LOGIN = {"username": "strowger", "password": "open sesame"}
# What scenarios call them.
KEYS = tuple(word for name, value in LOGIN.items() for word in ("-key", name, value))
ASKED, ASKED_IN_VAIN = "+17660000001", "+17550000001"


def provision(api, at):
    """A carrier that asks who the exchange is, and another that does not."""
    api.trunk(name="asks", kind="carrier", destination=f"sip:{at('carrier_a')}", prefixes=["+1766", "+1755"], priority=1, **LOGIN)
    api.trunk(name="asks-not", kind="carrier", destination=f"sip:{at('carrier_b')}", prefixes=["+1755"], priority=2)


def cases(case):
    """The cases with such a carrier."""
    return (
        case("a carrier asks who we are, for the INVITE and the BYE", "calls.xml", {"carrier_a": "asks.callee.xml"}, ASKED, "pbx",
             sees=proves_itself),
        case("a carrier takes no password of ours", "calls.xml", {"carrier_a": "asks_in_vain.callee.xml", "carrier_b": "answers.xml"},
             ASKED_IN_VAIN, "pbx", sees=hears_no_challenge),
    )


def proves_itself(legs):
    """Each request that was challenged came again as it was, with the next number; the caller heard nothing of it."""
    wrong = hears_no_challenge(legs)
    for method in ("INVITE", "BYE"):
        asked = [message for message in legs["carrier_a"] if not message.sent and message.is_request and message.method == method]
        numbers = sorted({int(message.one("cseq").split()[0]) for message in asked})
        if len(numbers) != 2 or numbers[1] != numbers[0] + 1 or len({message.one("call-id") for message in asked}) != 1:
            wrong.append(f"the carrier got {method} with the numbers {numbers}")
        if len({message.body for message in asked}) != 1:
            wrong.append(f"the {method} that came again has another body")
    return wrong


def hears_no_challenge(legs):
    """What a carrier asks is between it and the exchange."""
    told = [message.start for message in legs["caller"] if not message.sent and (message.status in (401, 407)
            or message.all("www-authenticate") or message.all("proxy-authenticate") or message.all("authorization"))]
    return [f"the caller got '{start}'" for start in told]


def asks(method, nonce, stale=""):
    """401 to the request just received. With `stale` only its nonce was too old."""
    old = ", stale=true" if stale else ""
    tag = "" if method == "BYE" else f";{messages.CALLEE_TAG}{nonce}"
    return messages.send(f"""
        SIP/2.0 401 Unauthorized
        [last_Via:]
        [last_From:]
        [last_To:]{tag}
        [last_Call-ID:]
        [last_CSeq:]
        WWW-Authenticate: Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5, qop="auth"{old}
        X-Private: callee-private
        Content-Length: 0
        """)


def got_proven(method, nonce, count, label):
    """The request again, with credentials that SIPp finds right, for this nonce and, where one is named, count. Else it is
    refused for good."""
    counted = f".*nc={int(count):08x}" if count else ""
    kept = messages.keep(f'nonce="{nonce}"{counted}', "Authorization", "seen")
    return f"""<recv request="{method}" next="{label}" test="proven"><action>
{kept}
<verifyauth assign_to="proven" username="[username]" password="[password]"/>
</action></recv>
{messages.send('''
        SIP/2.0 403 Forbidden
        [last_Via:]
        [last_From:]
        [last_To:]
        [last_Call-ID:]
        [last_CSeq:]
        Content-Length: 0
        ''')}
<label id="{label}"/>"""


def says(code, reason, direction="none"):
    """The answer to the INVITE just received, which began the dialog."""
    attributes = ' retrans="500"' if code == "200" else ""
    return messages.send(f"""
        SIP/2.0 {code} {reason.replace("_", " ")}
        [last_Via:]
        [last_From:]
        [last_To:];{messages.CALLEE_TAG}
        [last_Call-ID:]
        [last_CSeq:]
        Contact: <sip:callee-contact@[local_ip]:[local_port]>
        X-Private: callee-private
        {messages.body("callee", direction)}""", attributes)


def got_ack_of_proven(nonce):
    """The ACK carries what its INVITE did (RFC 3261 section 22.1)."""
    return '<recv request="ACK">' + messages.checks(messages.keep(f'nonce="{nonce}".*nc=00000001', "Authorization", "seen")) + "</recv>"


def grants(seconds):
    """200 to the REGISTER just received."""
    return messages.send(f"""
        SIP/2.0 200 OK
        [last_Via:]
        [last_From:]
        [last_To:];{messages.CALLEE_TAG}
        [last_Call-ID:]
        [last_CSeq:]
        Expires: {seconds}
        Content-Length: 0
        """)


def unavailable(seconds):
    """503 to the request just received, which says when to come again."""
    return messages.send(f"""
        SIP/2.0 503 Service Unavailable
        [last_Via:]
        [last_From:]
        [last_To:];{messages.CALLEE_TAG}
        [last_Call-ID:]
        [last_CSeq:]
        Retry-After: {seconds}
        Content-Length: 0
        """)
