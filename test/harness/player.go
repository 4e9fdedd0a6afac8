package harness

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Player is any number of cameras in one: it plays a recorded H.264 clip over and over to each RTSP client by itself. A picture costs
// one write. Each client joins just behind a keyframe, which is the worst place, and at a phase of its own.
type Player struct {
	server *rtspServer
	fps    int
	units  [][]byte // RTP packets of each picture, framed; the first picture is a keyframe
	keys   []int    // which of them are keyframes
	late   atomic.Int64
}

// StartPlayer starts a player of clip at fps. It ends with the test.
func StartPlayer(t testing.TB, clip string, fps int) *Player {
	t.Helper()
	stream, err := os.ReadFile(annexB(t, clip, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	p := &Player{fps: fps}
	sdp := p.load(stream)
	if len(p.keys) == 0 || p.keys[0] != 0 {
		t.Fatalf("%s does not begin with a keyframe", clip)
	}
	p.server = startRTSPServer(t, sdp, p.play)
	return p
}

// URL is the address of camera n.
func (p *Player) URL(n int) string { return p.server.url(n) }

// Late counts pictures that were sent more than half a second late, because a client did not read or the machine was full.
func (p *Player) Late() int64 { return p.late.Load() }

// load cuts the stream into pictures, wraps each for sending, and returns the stream's description.
func (p *Player) load(stream []byte) (sdp string) {
	var sps, pps []byte
	for _, unit := range bytes.Split(stream, []byte(delimiter))[1:] {
		key := false
		nals := nalsOf(unit)[1:] // the first is what is left of the delimiter
		for _, nal := range nals {
			switch nal[0] & 0x1f {
			case 5:
				key = true
			case 7:
				sps = nal
			case 8:
				pps = nal
			}
		}
		if key {
			p.keys = append(p.keys, len(p.units))
		}
		p.units = append(p.units, packets(nals))
	}
	b64 := base64.StdEncoding.EncodeToString
	return strings.Join([]string{"v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=player", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*", "m=video 0 RTP/AVP 96",
		"a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=" + b64(sps) + "," + b64(pps), "a=control:track0", ""}, "\r\n")
}

// delimiter begins every access unit of a stream made by annexB.
const delimiter = "\x00\x00\x00\x01\x09"

// nalsOf splits an Annex-B stream at its start codes.
func nalsOf(b []byte) (nals [][]byte) {
	for _, nal := range bytes.Split(b, []byte{0, 0, 1}) {
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 {
			nals = append(nals, nal)
		}
	}
	return nals
}

const (
	rtpPayload = 1400
	rtpHeader  = 12 // version, marker and type, sequence number, timestamp, source
)

// packets are one picture as framed RTP packets, without sequence numbers and timestamps.
func packets(nals [][]byte) (out []byte) {
	packet := func(last bool, head, payload []byte) {
		out = append(out, '$', 0)
		out = binary.BigEndian.AppendUint16(out, uint16(rtpHeader+len(head)+len(payload)))
		marker := byte(0)
		if last {
			marker = 0x80
		}
		out = append(out, 0x80, marker|96, 0, 0, 0, 0, 0, 0, 'e', 'd', 'g', 'e')
		out = append(append(out, head...), payload...)
	}
	for i, nal := range nals {
		last := i == len(nals)-1
		if len(nal) <= rtpPayload {
			packet(last, nil, nal)
			continue
		}
		const first, final = 0x80, 0x40
		flags := byte(first)
		for rest := nal[1:]; len(rest) > 0; flags = 0 { // a fragment's second byte is the type of the NAL unit
			n := min(len(rest), rtpPayload)
			if n == len(rest) {
				flags |= final
			}
			packet(last && n == len(rest), []byte{nal[0]&0xe0 | 28, flags | nal[0]&0x1f}, rest[:n])
			rest = rest[n:]
		}
	}
	return out
}

// play sends pictures at their times until the client goes.
func (p *Player) play(c *rtspClient) {
	period := time.Second / time.Duration(p.fps)
	began := time.Now().Add(rand.N(period))
	at, seq := (p.keys[rand.IntN(len(p.keys))]+1)%len(p.units), uint16(0)
	timer := time.NewTimer(time.Until(began))
	defer timer.Stop()
	var buffer []byte
	for n := 0; ; n++ {
		select {
		case <-c.ended:
			return
		case <-timer.C:
		}
		buffer = append(buffer[:0], p.units[at]...)
		seq = number(buffer, seq, uint32(90_000+n*90_000/p.fps)) // FFmpeg takes 0 for no time
		if _, err := c.Write(buffer); err != nil {
			return
		}
		if time.Since(began)-time.Duration(n)*period > time.Second/2 {
			p.late.Add(1)
		}
		if at++; at == len(p.units) {
			at = 0
		}
		timer.Reset(time.Until(began.Add(time.Duration(n+1) * period)))
	}
}

// number writes sequence numbers and the picture's time into its packets.
func number(packets []byte, seq uint16, timestamp uint32) uint16 {
	for len(packets) > 0 {
		binary.BigEndian.PutUint16(packets[framing+2:], seq)
		binary.BigEndian.PutUint32(packets[framing+4:], timestamp)
		seq++
		packets = packets[framing+int(binary.BigEndian.Uint16(packets[2:])):]
	}
	return seq
}
