#!/usr/bin/env python3
"""Carries a SIPp's datagrams over TCP, as a phone would whose connection may end at any time.

    gateway.py PORT EXCHANGE_PORT UDP_PORT SIPP_PORT

It is PORT by TCP towards the exchange: it listens there, and connects from there. SIPp repeats over UDP what is not answered;
a repeat is passed on only where a connection was lost since the last time: that is what may be lost by TCP. An answer goes
back by the connection that its request came by, if that still is there (RFC 3261 section 18.2.2).
"""

import asyncio
import hashlib
import re
import socket
import sys

HOST = "127.0.0.1"
LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d+)", re.IGNORECASE | re.MULTILINE)
BRANCH = re.compile(rb"^(?:via|v)[ \t]*:[^\r\n]*?;branch=([^;,\s]+)", re.IGNORECASE | re.MULTILINE)


def cut(buffer):
    """The first message of a stream and the rest; (None, rest) where it is not whole."""
    buffer = buffer.lstrip(b"\r\n")
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None, buffer
    length = LENGTH.search(buffer[:end])
    whole = end + 4 + (int(length[1]) if length else 0)
    return (buffer[:whole], buffer[whole:]) if len(buffer) >= whole else (None, buffer)


class Gateway(asyncio.DatagramProtocol):
    """One phone's."""

    def __init__(self, port, exchange, phone):
        self.port, self.exchange, self.phone = port, exchange, phone
        self.lost, self.passed, self.origin = 0, {}, {}
        self.writers, self.connecting = [], asyncio.Lock()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, _address):
        asyncio.ensure_future(self.pass_on(data))

    async def pass_on(self, data):
        """To the exchange."""
        name = hashlib.sha256(data).digest()
        if self.passed.get(name) == self.lost:
            return
        branch = BRANCH.search(data)
        writer = self.origin.get(branch[1]) if branch and data.startswith(b"SIP/2.0") else None
        if writer not in self.writers:
            writer = await self.any_writer()
        if writer:
            self.passed[name] = self.lost
            writer.write(data)

    async def any_writer(self):
        """The newest connection, or one that is made now; None while nobody listens."""
        async with self.connecting:
            if not self.writers:
                mine = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                mine.setblocking(False)
                try:
                    mine.bind((HOST, self.port))
                    await asyncio.get_running_loop().sock_connect(mine, (HOST, self.exchange))
                    reader, writer = await asyncio.open_connection(sock=mine)
                except OSError:
                    mine.close()
                    return None
                self.writers.append(writer)
                asyncio.ensure_future(self.serve(reader, writer))
            return self.writers[-1]

    async def accepted(self, reader, writer):
        """A connection of the exchange's."""
        self.writers.append(writer)
        await self.serve(reader, writer)

    async def serve(self, reader, writer):
        """Passes on what comes by a connection, to its end."""
        buffer = b""
        try:
            while data := await reader.read(65536):
                buffer += data
                while True:
                    message, buffer = cut(buffer)
                    if message is None:
                        break
                    branch = BRANCH.search(message)
                    if branch and not message.startswith(b"SIP/2.0"):
                        self.origin[branch[1]] = writer
                    self.transport.sendto(message, (HOST, self.phone))
        except OSError:
            pass
        self.lost += 1
        self.writers.remove(writer)
        writer.close()


async def main(port, exchange, udp, phone):
    """Until it is killed."""
    loop = asyncio.get_running_loop()
    gateway = Gateway(port, exchange, phone)
    server = await asyncio.start_server(gateway.accepted, HOST, port, reuse_address=True, reuse_port=True)
    await loop.create_datagram_endpoint(lambda: gateway, local_addr=(HOST, udp))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:5])))
