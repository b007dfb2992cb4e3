#!/usr/bin/env python3
"""A telephone built on pjsua2, a process of its own: orders come as JSON lines on standard input, events go to standard output.

Started by scripts/harness/pjsua.py with one argument, its settings as JSON. It ends with its standard input.
"""

import json
import os
import selectors
import sys

import pjsua2 as pj

MEDIA = {pj.PJSUA_CALL_MEDIA_NONE: "none", pj.PJSUA_CALL_MEDIA_ACTIVE: "active", pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "held by us",
         pj.PJSUA_CALL_MEDIA_REMOTE_HOLD: "held by them", pj.PJSUA_CALL_MEDIA_ERROR: "error"}


def tell(event, **particulars):
    """One event."""
    print(json.dumps({"event": event, **particulars}), flush=True)


class Call(pj.Call):
    """A call of the phone."""

    def __init__(self, phone, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(phone.account, call_id)
        self.phone = phone

    def onCallState(self, prm):
        """Ringing, talking or over."""
        info = self.getInfo()
        tell("state", call=info.id, state=info.stateText, status=info.lastStatusCode, reason=info.lastReason,
             remote=info.remoteUri, call_id=info.callIdString)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            # It must not be let go within its own callback.
            self.phone.over.append(info.id)

    def onCallMediaState(self, prm):
        """The line is open, held or resumed: whoever may speak is connected."""
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status in (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD):
                line = self.getAudioMedia(index)
                self.phone.player.startTransmit(line)
                line.startTransmit(self.phone.recorder)
            tell("media", call=info.id, media=MEDIA[media.status])

    def onDtmfDigit(self, prm):
        """A key was pressed at the other end."""
        tell("digit", call=self.getId(), digit=prm.digit)

    def onCallTransferStatus(self, prm):
        """What became of a transfer that we asked for."""
        tell("transfer", call=self.getId(), status=prm.statusCode, reason=prm.reason, final=bool(prm.finalNotify))

    def onCallTransferRequest(self, prm):
        """The other end asks us to call somebody else: the library does, with this as the new call."""
        tell("asked to transfer", call=self.getId(), to=prm.dstUri)
        prm.newCall = Call(self.phone)
        self.phone.asked.append(prm.newCall)

    def onCallReplaced(self, prm):
        """The library has put another call in this one's place."""
        tell("replaced", call=self.getId(), by=prm.newCallId)
        self.phone.calls[prm.newCallId] = Call(self.phone, prm.newCallId)


class Log(pj.LogWriter):
    """The library's log with every message, in a file."""

    def __init__(self, path):
        super().__init__()
        self.file = open(path, "w", encoding="utf-8", errors="replace", buffering=1)

    def write(self, entry):
        """One entry."""
        self.file.write(entry.msg)


class Account(pj.Account):
    """The user that the phone is."""

    def __init__(self, phone):
        super().__init__()
        self.phone = phone

    def onRegState(self, prm):
        """An answer to a REGISTER."""
        tell("registration", status=prm.code, reason=prm.reason, expires=prm.expiration if prm.code // 100 == 2 else 0,
             active=self.getInfo().regIsActive)

    def onIncomingCall(self, prm):
        """It rings."""
        call = Call(self.phone, prm.callId)
        self.phone.calls[prm.callId] = call
        info = call.getInfo()
        call.answer(parameter(180))
        tell("incoming", call=prm.callId, remote=info.remoteUri, local=info.localUri)


def parameter(status=0, flags=0):
    """What most of the library's calls want to be given."""
    prm = pj.CallOpParam(True)
    prm.statusCode = status
    if flags:
        prm.opt.flag = flags
    return prm


class Phone:
    """The library, one account, a voice and a recorder."""

    def __init__(self, settings):
        self.calls, self.over, self.asked = {}, [], []
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = 8
        config.logConfig.level = 5
        config.logConfig.consoleLevel = 5
        config.logConfig.msgLogging = 1
        # The library's own file is written in blocks: what was just sent would not be in it yet.
        self.log = Log(settings["log"])
        config.logConfig.writer = self.log
        config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
        config.medConfig.ecTailLen = 0
        config.medConfig.noVad = True
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.port = settings["port"]
        transport.boundAddress = "127.0.0.1"
        kind = pj.PJSIP_TRANSPORT_TCP if settings["transport"] == "tcp" else pj.PJSIP_TRANSPORT_UDP
        self.endpoint.transportCreate(kind, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            self.endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMU") else 0)
        self.player, self.recorder, self.said = pj.AudioMediaPlayer(), pj.AudioMediaRecorder(), pj.AudioMediaRecorder()
        self.player.createPlayer(settings["voice"])
        self.recorder.createRecorder(settings["heard"])
        self.said.createRecorder(settings["said"])
        # What it says whether or not anybody listens: its length is the phone's clock.
        self.player.startTransmit(self.said)
        self.account = Account(self)
        self.account.create(self.user(settings))

    @staticmethod
    def user(settings):
        """The account's settings."""
        user = pj.AccountConfig()
        user.idUri = f"sip:{settings['user']}@{settings['domain']}"
        user.regConfig.registrarUri = f"sip:{settings['domain']}"
        user.regConfig.registerOnAdd = False
        user.regConfig.timeoutSec = settings["expires"]
        user.regConfig.retryIntervalSec = 0
        user.sipConfig.proxies.append(f"<sip:{settings['proxy']};lr;transport={settings['transport']}>")
        user.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", settings["user"], 0, settings["password"]))
        user.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        user.mediaConfig.transportConfig.port = settings["media"]
        user.mediaConfig.transportConfig.portRange = 200
        # The Contact is what it is bound to: a rewritten one would register twice.
        user.natConfig.contactRewriteUse = 0
        user.natConfig.viaRewriteUse = 0
        user.natConfig.sdpNatRewriteUse = 0
        return user

    def obey(self, order):
        """Carries out one order."""
        what, call = order["do"], self.calls.get(order.get("call"))
        if what == "register":
            self.account.setRegistration(True)
        elif what == "unregister":
            self.account.setRegistration(False)
        elif what == "call":
            made = Call(self)
            made.makeCall(order["to"], parameter())
            self.calls[made.getId()] = made
            tell("dialled", call=made.getId())
        elif what == "counters":
            self.counters(order.get("call"), call)
        elif call is None:
            tell("error", what=f"no call {order.get('call')}")
        elif what == "answer":
            call.answer(parameter(order.get("status", 200)))
        elif what == "hangup":
            call.hangup(parameter(order.get("status", 0)))
        elif what == "digit":
            call.dialDtmf(order["digit"])
        elif what == "hold":
            call.setHold(parameter())
        elif what == "resume":
            call.reinvite(parameter(flags=pj.PJSUA_CALL_UNHOLD))
        elif what == "transfer":
            call.xfer(order["to"], parameter())
        elif what == "transfer attended":
            call.xferReplaces(self.calls[order["other"]], parameter())
        else:
            tell("error", what=f"unknown order {what}")

    @staticmethod
    def counters(number, call):
        """RTP packets of a call."""
        statistics = call.getStreamStat(0).rtcp if call else None
        tell("counters", call=number, sent=statistics.txStat.pkt if call else 0, heard=statistics.rxStat.pkt if call else 0)

    def run(self):
        """Until standard input ends."""
        selector, pending = selectors.DefaultSelector(), b""
        os.set_blocking(0, False)
        selector.register(0, selectors.EVENT_READ)
        while True:
            self.endpoint.libHandleEvents(10)
            while self.over:
                self.calls.pop(self.over.pop(), None)
            for call in self.asked:
                self.calls[call.getId()] = call
            self.asked.clear()
            if not selector.select(0):
                continue
            data = os.read(0, 65536)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                try:
                    self.obey(json.loads(line))
                except pj.Error as error:
                    tell("error", what=error.info())

    def end(self):
        """Lets go of everything in the order the library wants."""
        self.endpoint.hangupAllCalls()
        for _ in range(20):
            self.endpoint.libHandleEvents(10)
        self.calls.clear()
        del self.player, self.recorder, self.said
        self.account.shutdown()
        self.endpoint.libDestroy()


def main():
    """One phone."""
    phone = Phone(json.loads(sys.argv[1]))
    tell("ready")
    try:
        phone.run()
    finally:
        phone.end()


if __name__ == "__main__":
    main()
