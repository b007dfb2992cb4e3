"""Parts of scenarios with carriers that ask who the exchange is (RFC 3261 section 22), beside those of messages.py."""

import messages

REALM = "carrier.example"


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
    """The request again, with credentials that SIPp finds right, for this nonce and count. Else it is refused for good."""
    kept = ""
    if method in ("INVITE", "BYE"):
        kept = messages.keep(f'nonce="{nonce}".*nc={int(count):08x}', "Authorization", "seen")
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
        [last_Contact:]
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
