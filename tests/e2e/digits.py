"""Peers that press digits in RTP (RFC 4733), for what no SIPp scenario can say: the exchange relays them as they are."""

import re
import socket
import struct

import tcp_peer

AUDIO, EVENT = 0, 101
# Below those that the system gives to whoever asks for any.
CALLER_PORT, CALLEE_PORT = 32600, 32610
DIGITS = "159#"


def offer(side, port):
    """SDP with telephone events."""
    return tcp_peer.SDP.format(side, port).replace("RTP/AVP 0\r\n", f"RTP/AVP 0 {EVENT}\r\n").replace(
        "a=sendrecv", f"a=rtpmap:{EVENT} telephone-event/8000\r\na=fmtp:{EVENT} 0-16\r\na=sendrecv")


def packets(source):
    """Some audio, then each digit: three packets while it is held, three that say that it ended (RFC 4733 section 2.5.1)."""
    made, sequence, time = [], 100, 16000

    def packet(kind, mark, payload, at):
        return struct.pack("!BBHII", 0x80, kind | mark << 7, sequence, at, source) + payload
    for _ in range(10):
        made.append(packet(AUDIO, 0, b"\xff" * 160, time))
        sequence, time = sequence + 1, time + 160
    for digit in DIGITS:
        code = "0123456789*#".index(digit)
        for step in range(6):
            ended, duration = step >= 3, 160 * min(step + 1, 4)
            made.append(packet(EVENT, int(step == 0), struct.pack("!BBH", code, ended << 7 | 10, duration), time))
            sequence += 1
        time += 800
    return made


def media(port):
    """The socket of a peer's media."""
    new = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    new.settimeout(tcp_peer.PATIENCE)
    new.bind(("127.0.0.1", port))
    return new


def audio_until(done, own, towards, source):
    """Audio at its pace until something comes that is what is waited for. Who has heard the other goes on: the other may not have
    heard him yet, for what comes before the exchange has opened the path (as the 200 leaves) is read away."""
    own.settimeout(0.02)
    for _ in range(int(tcp_peer.PATIENCE / 0.02)):
        own.sendto(packets(source)[0], ("127.0.0.1", towards))
        try:
            packet = own.recv(2048)
        except TimeoutError:
            continue
        if done(packet):
            own.settimeout(tcp_peer.PATIENCE)
            return packet
    raise AssertionError("no audio came")


def press(sending, towards, source):
    """Sends them to the exchange's port."""
    for packet in packets(source):
        sending.sendto(packet, ("127.0.0.1", towards))


def is_event(packet):
    """Whether it tells of a digit."""
    return packet[1] & 0x7F == EVENT


def heard(receiving, towards, own_source, source):
    """The events arrive whole and unchanged: payload type, mark, event, volume, end and duration, in their order."""
    expected = [packet for packet in packets(source) if is_event(packet)]
    got = [audio_until(is_event, receiving, towards, own_source)]
    while len(got) < len(expected):
        packet = receiving.recv(2048)
        if is_event(packet):
            got.append(packet)
    said, owed = ([(packet[1], packet[4:8], packet[12:]) for packet in some] for some in (got, expected))
    if said != owed:
        raise AssertionError(f"other digits came than were pressed: {[packet[12] for packet in got]}")


def port_in(message):
    """Where the exchange wants the media of this SDP."""
    return int(re.search(rb"m=audio (\d+)", message.body)[1])


def caller(peer):
    """Calls, is heard, presses, hears the other's digits, and hangs up."""
    own = media(CALLER_PORT)
    peer.streams.append(own)
    connection = peer.connect(peer.socket())
    call = tcp_peer.answered_call(peer, connection, offer("caller", CALLER_PORT))
    towards = port_in(next(message for message in peer.seen if message.status == 200))
    audio_until(lambda packet: True, own, towards, 0xCA11)
    press(own, towards, 0xCA11)
    heard(own, towards, 0xCA11, 0xCEE)
    tcp_peer.request(peer, connection, call, "BYE")
    connection.receive("200")


def callee(peer):
    """Answers, hears the other's digits, and presses in turn."""
    own = media(CALLEE_PORT)
    peer.streams.append(own)
    connection = peer.accept()
    invite = connection.receive("INVITE")
    connection.answer(invite, 180, peer.contact())
    connection.answer(invite, 200, peer.contact(), offer("callee", CALLEE_PORT))
    connection.receive("ACK")
    towards = port_in(invite)
    heard(own, towards, 0xCEE, 0xCA11)
    press(own, towards, 0xCEE)
    connection.answer(connection.receive("BYE"), 200)
