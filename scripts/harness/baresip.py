"""baresip, controlled over TCP: netstrings of JSON."""

import json
import os
import socket
import subprocess

import sound
import tap

from . import phone, processes

CONFIG = """sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
call_local_timeout 120
call_max_calls 4
audio_source aufile,{wav}
audio_player nothing,
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_buffer 20-160
rtp_ports {media}-{last_media}
rtp_timeout 0
jitter_buffer_delay 2-10
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
snd_path {folder}
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
ringback_disabled yes
menu_bell no
"""
NAMES = {"CALL_INCOMING": "incoming", "CALL_RINGING": "ringing", "CALL_PROGRESS": "ringing", "CALL_ESTABLISHED": "established",
         "CALL_CLOSED": "over", "REGISTER_OK": "registered", "REGISTER_FAIL": "registration failed", "UNREGISTERING": "unregistering",
         "TRANSFER": "asked to transfer", "TRANSFER_FAILED": "transfer failed"}


class Baresip(phone.Phone):
    """One running baresip."""

    gives_up_with_a_transfer = True

    def __init__(self, folder, name, password, domain, proxy, port, media, transport, wav, control, expires=300):
        super().__init__(name)
        os.makedirs(folder)
        self.folder, self.port, self.transport = folder, port, transport
        self.trace = os.path.join(folder, "output")
        with open(os.path.join(folder, "config"), "w", encoding="utf-8") as file:
            file.write(CONFIG.format(port=port, wav=wav, media=media, last_media=media + 199, folder=folder, control=control))
        # An account in this file would register before anybody listens to what becomes of that.
        with open(os.path.join(folder, "accounts"), "w", encoding="utf-8") as file:
            file.write("# none yet\n")
        self.account = (f'<sip:{name}@{domain};transport={transport}>;auth_user={name};auth_pass={password};answermode=manual;'
                        f'outbound="sip:{proxy};transport={transport}";regint={expires};audio_codecs=PCMU;ptime=20')
        self.files, self.tap = {}, tap.Tap(os.path.join(folder, "media.pcap"), range(media, media + 200))
        with open(self.trace, "wb") as output:
            self.process = subprocess.Popen(processes.fastest(["baresip", "-4", "-s", "-f", folder], -10), cwd=folder, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=subprocess.STDOUT)
        self.control = processes.wait_until(lambda: connected(control), phone.PATIENCE, f"baresip ({self.trace})", self.process)
        self.listen(self.told_by(self.control))

    @staticmethod
    def told_by(control):
        """Events, and answers to orders, from the connection until it ends."""
        pending = b""
        while True:
            try:
                data = control.recv(65536)
            except OSError:
                return
            if not data:
                return
            pending += data
            while b":" in pending:
                length, _, rest = pending.partition(b":")
                if len(rest) <= int(length):
                    break
                message, pending = json.loads(rest[:int(length)]), rest[int(length) + 1:]
                if message.get("event"):
                    if message["type"] == "CALL_DTMF_START":
                        yield {"event": "digit", "call": message.get("id"), "digit": message.get("param")}
                    yield {"event": NAMES.get(message["type"], message["type"]), "call": message.get("id"),
                           "remote": message.get("peeruri"), "reason": message.get("param")}
                else:
                    yield {"event": "done", "ok": message.get("ok"), "said": message.get("data")}

    def order(self, command, parameters=""):
        """Carries out one command of its menu."""
        text = json.dumps({"command": command, "params": parameters, "token": "t"})
        self.control.sendall(f"{len(text)}:{text},".encode())
        done = self.wait("done", keep=True)
        self.events.remove(done)
        if not done["ok"]:
            raise phone.Silent(f"{self.name} could not '{command} {parameters}': {done['said']}")
        return done["said"]

    def register(self):
        """Takes up its account and registers; returns the status that it got."""
        self.order("uanew", self.account)
        event = self.wait(("registered", "registration failed"))
        return 200 if event["event"] == "registered" else status_of(event["reason"])

    def unregister(self):
        """Registers no longer, and ends."""
        self.order("quit")
        self.process.wait(phone.PATIENCE)
        return 200

    def call(self, uri):
        """Calls somebody; returns the call."""
        self.order("dial", uri)
        # Its first events of a call of its own do not name the call.
        return self.wait(("ringing", "established", "over"), keep=True)["call"]

    def incoming(self, seconds=phone.PATIENCE):
        """Waits until it rings; returns the call."""
        return self.wait("incoming", seconds)["call"]

    def answer(self, call):
        """Picks up."""
        self.order("accept")

    def decline(self, call, status=486):
        """Refuses a call that rings; it knows no status but 486."""
        self.order("hangup")

    def hang_up(self, call):
        """Ends a call."""
        self.order("hangup")

    @staticmethod
    def status_of(event):
        """The status by which a call ended, else its words."""
        return status_of(event["reason"])

    def send_digit(self, call, digit):
        """Presses a key."""
        self.order("sndcode", digit)
        # A key is down until it is let go.
        self.order("sndcode", "\x04")

    def transferred(self, call):
        """Waits until a transfer that we asked for has ended; returns the status. Where it succeeds the call ends with it."""
        event = self.wait(("transfer failed", "over"), keep=True)
        return 200 if event["event"] == "over" else status_of(event["reason"])

    def left(self, call):
        """Waits until a call that was transferred is over: that is left to the phone."""
        self.over(call)

    def hold(self, call):
        """Puts the call on hold."""
        self.order("hold")

    def resume(self, call):
        """Takes the call from hold."""
        self.order("resume")

    def transfer(self, call, uri):
        """Asks the other end to call somebody else."""
        self.order("transfer", uri)

    def recordings(self, kind):
        """What was recorded of that kind. Its own recorder hears nothing more once the media has changed."""
        if kind == "arrived":
            return [self.tap]
        part = {"said": "-enc.wav", "heard": "-dec.wav"}[kind]
        for file in sorted(os.listdir(self.folder)):
            if file.endswith(part):
                self.files.setdefault(file, sound.Recording(os.path.join(self.folder, file)))
        return [recording for file, recording in self.files.items() if file.endswith(part)]

    def finish(self):
        """Ends it; returns whether it ended by itself."""
        self.tap.stop()
        self.control.close()
        return processes.stop(self.process, 10)


def connected(port):
    """A connection to baresip's control, None while nobody listens."""
    control = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        control.connect(("127.0.0.1", port))
        return control
    except OSError:
        control.close()
        return None


def status_of(reason):
    """The SIP status that a reason begins with, else the reason."""
    return int(reason[:3]) if reason[:3].isdigit() else reason
