//! Session descriptions in the shapes that real clients send, for tests. Every address of theirs lies in 192.0.2.0/24
//! or 2001:db8::/32, every host name of theirs ends in `example.com`.

/// baresip 1.0: two lines of address, ptime range, label.
pub(super) const BARESIP: &str = "v=0\r
o=- 3205734230 1398246733 IN IP4 192.0.2.20\r
s=-\r
c=IN IP4 192.0.2.20\r
t=0 0\r
a=tool:baresip 1.0.0\r
m=audio 15836 RTP/AVP 0 8 101\r
b=AS:125\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-15\r
a=rtcp:15837\r
a=sendrecv\r
a=label:1\r
a=rtcp-rsize\r
a=ssrc:1284710295 cname:sip:bob@192.0.2.20\r
a=ptime:20\r
a=minptime:20\r
a=maxptime:20\r
";

/// linphone 5.1: a user name, xr, no rtpmap for static types, feedback.
pub(super) const LINPHONE: &str = "v=0\r
o=alice 1694 3028 IN IP4 192.0.2.21\r
s=Talk\r
c=IN IP4 192.0.2.21\r
t=0 0\r
a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r
a=record:off\r
m=audio 7078 RTP/AVP 96 97 98 0 8 18 99\r
a=rtpmap:96 opus/48000/2\r
a=fmtp:96 useinbandfec=1\r
a=rtpmap:97 speex/16000\r
a=fmtp:97 vbr=on\r
a=rtpmap:98 speex/8000\r
a=fmtp:18 annexb=yes\r
a=rtpmap:99 telephone-event/48000\r
a=rtcp-fb:* trr-int 5000\r
a=rtcp-fb:* ccm tmmbr\r
m=video 9078 RTP/AVPF 96\r
a=rtpmap:96 VP8/90000\r
a=rtcp-fb:96 nack pli\r
";

/// pjsua 2.15: bandwidth, `X-nat`, full `a=rtcp`, SDES keys.
pub(super) const PJSUA: &str = "v=0\r
o=- 3949137322 3949137322 IN IP4 192.0.2.22\r
s=pjmedia\r
b=AS:117\r
t=0 0\r
a=X-nat:0\r
m=audio 4000 RTP/SAVP 96 9 0 8 120\r
c=IN IP4 192.0.2.22\r
b=TIAS:96000\r
a=rtcp:4001 IN IP4 192.0.2.22\r
a=sendrecv\r
a=rtpmap:96 speex/16000\r
a=rtpmap:9 G722/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:120 telephone-event/16000\r
a=fmtp:120 0-16\r
a=ssrc:1171306713 cname:5d2f0b8a1c2f6e10\r
a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:7V+MKWnQSIvPlgqGDsYBIn5WYQmK+9L5vZk1CaCTG5JYp6T6yj8UxE6gCf8sHA==\r
a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:2CkPIVdIwhH4PxvCEG9nTBPcrmBdEMvqvCQ1yN6S|2^20|1:4\r
";

/// Chromium: ICE, DTLS, mux, a bundle of two.
pub(super) const CHROMIUM: &str = "v=0\r
o=- 5117230347411563131 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0 1\r
a=extmap-allow-mixed\r
a=msid-semantic: WMS 6f7d\r
m=audio 51372 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r
c=IN IP4 192.0.2.23\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=candidate:1510613869 1 udp 2122129151 192.0.2.23 51372 typ host generation 0 network-id 1\r
a=candidate:344579997 1 udp 2122262783 2001:db8::23 51373 typ host generation 0 network-id 2\r
a=candidate:2 1 udp 1 5d7ab6c1-7b3e-4a36-9c56-2a6f3e8f1b0c.local 51374 typ host\r
a=ice-ufrag:jWcP\r
a=ice-pwd:9pYxkO5bMS2jBJKUTrPqbJbv\r
a=ice-options:trickle\r
a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r
a=setup:actpass\r
a=mid:0\r
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r
a=sendrecv\r
a=msid:6f7d 0c1e\r
a=rtcp-mux\r
a=rtpmap:111 opus/48000/2\r
a=rtcp-fb:111 transport-cc\r
a=fmtp:111 minptime=10;useinbandfec=1\r
a=rtpmap:63 red/48000/2\r
a=fmtp:63 111/111\r
a=rtpmap:9 G722/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:13 CN/8000\r
a=rtpmap:110 telephone-event/48000\r
a=rtpmap:126 telephone-event/8000\r
a=ssrc:1732947810 cname:Y3FqCKGm0ZfpJzLr\r
m=video 9 UDP/TLS/RTP/SAVPF 96 97\r
c=IN IP4 0.0.0.0\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=ice-ufrag:jWcP\r
a=ice-pwd:9pYxkO5bMS2jBJKUTrPqbJbv\r
a=mid:1\r
a=recvonly\r
a=rtcp-mux\r
a=rtcp-rsize\r
a=rtpmap:96 VP8/90000\r
a=rtpmap:97 rtx/90000\r
a=fmtp:97 apt=96\r
";

/// SIPp's default scenario.
pub(super) const SIPP: &str = "v=0\r
o=user1 53655765 2353687637 IN IP4 192.0.2.24\r
s=-\r
c=IN IP4 192.0.2.24\r
t=0 0\r
m=audio 6000 RTP/AVP 0\r
a=rtpmap:0 PCMU/8000\r
";

/// A phone that shows its address wherever it can, with bare line feeds and no `t=`.
pub(super) const TALKATIVE: &str = "v=0
o=Bob Smith 1 1 IN IP4 pc7.example.com
s=Call from pc7.example.com
i=Bob's phone at 192.0.2.25
u=http://pc7.example.com/bob
e=bob@example.com (Bob)
p=+1 617 555-6011
c=IN IP4 192.0.2.25
k=uri:https://192.0.2.25/key
a=alt:1 1 : F8C4 1D2C 192.0.2.25 5062
a=altc:1 IP6 2001:db8::25 6000
a=source-filter: incl IN IP4 * 192.0.2.25
a=tool:phone build 7 on PC7.example.com
a=X-host:PC7.EXAMPLE.COM:5060
m=audio 6000/1 RTP/AVP 0
i=desk
c=IN IP4 192.0.2.25
a=rtcp:6001 IN IP4 192.0.2.25
a=control:rtsp://192.0.2.25/1
a=oldmediaip:192.0.2.250
a=x-v6:2001:db8:0:0:0:0:0:25
m=message 2855 TCP/MSRP *
a=path:msrp://192.0.2.25:2855/bob;tcp
";

/// Fax.
pub(super) const T38: &str = "v=0\r
o=gateway 1 2 IN IP6 2001:db8::26\r
s=-\r
c=IN IP6 2001:db8::26\r
t=0 0\r
m=audio 0 RTP/AVP 0\r
m=image 4000 udptl t38\r
a=T38FaxVersion:0\r
a=T38MaxBitRate:14400\r
a=T38FaxUdpEC:t38UDPRedundancy\r
";

/// All of them.
pub(super) const ALL: [&str; 7] = [BARESIP, LINPHONE, PJSUA, CHROMIUM, SIPP, TALKATIVE, T38];
