package camera

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

// nutFileID begins a NUT file.
const nutFileID = "nut/multimedia container\x00"

// Start codes of header packets.
const (
	nutMain      = 0x4E4D7A561F5F04AD
	nutStream    = 0x4E5311405BF2F9DB
	nutSyncpoint = 0x4E4BE4ADEECA4569
	nutIndex     = 0x4E58DD672F23E64E
	nutInfo      = 0x4E49AB68B596BA78
)

var nutStartCodes = []uint64{nutSyncpoint, nutMain, nutStream, nutInfo, nutIndex}

// nutMaxPacket bounds a header packet; FFmpeg's are below 1 KiB but for metadata.
const nutMaxPacket = 1 << 20

// nutMainHeader is what the main header says of all streams.
type nutMainHeader struct {
	maxDistance uint64 // bytes; a frame of more than two of these has a checksum in its header
	timeBase    [][2]uint64
	codes       [256]nutCode
	elision     [][]byte // beginnings of frames that are left out, the first of them empty
}

// nutCode is what one frame code stands for.
type nutCode struct {
	flags                             uint64
	ptsDelta                          int64
	stream, sizeMul, sizeLSB, headIdx uint64
	reserved                          uint64
}

// nutVideo is the stream header of the one video stream.
type nutVideo struct {
	fourcc         string
	num, den       uint64 // time base in seconds
	ptsShift       uint64
	maxPTSDistance uint64 // a frame further from the last one has a checksum in its header
	extradata      []byte
	lastPTS        int64
}

// readPacket reads a header packet: start code, length, content, checksum.
func (d *nutDemuxer) readPacket() error {
	h := &d.head
	h.reset(d.r)
	code := uint64(h.uint32())<<32 | uint64(h.uint32())
	if h.err == nil && !slices.Contains(nutStartCodes, code) {
		return fmt.Errorf("%w: start code %016X", errNUT, code)
	}
	length := h.v()
	if length > 4096 {
		h.uint32() // checksum of the length
	}
	if h.err != nil {
		return unexpected(h.err)
	}
	if length < 4 || length > nutMaxPacket {
		return fmt.Errorf("%w: packet %016X of %d bytes", errNUT, code, length)
	}
	at := len(h.seen)
	h.seen = slices.Grow(h.seen, int(length))[:at+int(length)]
	n, err := io.ReadFull(d.r, h.seen[at:])
	if h.seen = h.seen[:at+n]; err != nil {
		return unexpected(err)
	}
	content := h.seen[at:]
	if d.crc.sum(0, content) != 0 {
		return fmt.Errorf("%w: packet checksum", errNUT)
	}
	fields := &nutHead{r: bytes.NewReader(content[:length-4])}
	switch code {
	case nutMain:
		var m nutMainHeader
		if err = m.read(fields); err == nil {
			d.main = m
		}
	case nutStream:
		var v nutVideo
		if v, err = readNUTVideo(fields, &d.main); err == nil {
			d.stream, d.started = v, true
		}
	case nutSyncpoint:
		err = d.readSyncpoint(fields)
	}
	return err
}

func (m *nutMainHeader) read(h *nutHead) error {
	if version := h.v(); version > 3 {
		h.v()
	}
	h.v() // stream count: FFmpeg is asked for one
	m.maxDistance = h.v()
	n := h.v()
	if h.err != nil || n < 1 || n > 64 {
		return fmt.Errorf("%w: main header", errNUT)
	}
	m.timeBase = make([][2]uint64, n)
	for i := range m.timeBase {
		m.timeBase[i] = [2]uint64{h.v(), h.v()}
		if t := m.timeBase[i]; t[0] == 0 || t[1] == 0 || t[0] > 1<<31 || t[1] > 1<<31 {
			return fmt.Errorf("%w: main header: time base", errNUT)
		}
	}
	if err := m.readCodes(h); err != nil {
		return err
	}
	n = h.v()
	if h.err != nil || n > 127 {
		return fmt.Errorf("%w: main header: elision headers", errNUT)
	}
	m.elision = make([][]byte, 1, n+1)
	for range n {
		m.elision = append(m.elision, h.bytes(256))
	}
	if h.err != nil {
		return fmt.Errorf("%w: main header: elision headers", errNUT)
	}
	return nil
}

// readCodes reads the table that says what each of the 256 frame codes stands for.
func (m *nutMainHeader) readCodes(h *nutHead) error {
	c := nutCode{sizeMul: 1}
	for i := 0; i < 256; {
		c.flags = h.v()
		fields := h.v()
		c.sizeLSB, c.reserved = 0, 0
		if fields > 0 {
			c.ptsDelta = h.s()
		}
		if fields > 1 {
			c.sizeMul = h.v()
		}
		if fields > 2 {
			c.stream = h.v()
		}
		if fields > 3 {
			c.sizeLSB = h.v()
		}
		if fields > 4 {
			c.reserved = h.v()
		}
		count := c.sizeMul - c.sizeLSB
		if fields > 5 {
			count = h.v()
		}
		if fields > 6 {
			h.s()
		}
		if fields > 7 {
			c.headIdx = h.v()
		}
		if h.err != nil || fields > 8 || count == 0 || count > 256 {
			return fmt.Errorf("%w: main header: frame codes", errNUT)
		}
		for j := uint64(0); j < count && i < 256; i++ {
			if i == 'N' {
				m.codes[i] = nutCode{flags: nutInvalid}
				continue
			}
			m.codes[i] = c
			m.codes[i].sizeLSB += j
			j++
		}
	}
	return nil
}

func readNUTVideo(h *nutHead, m *nutMainHeader) (v nutVideo, err error) {
	h.v() // stream id: FFmpeg is asked for one stream
	class := h.v()
	v.fourcc = string(h.bytes(8))
	tb := h.v()
	v.ptsShift = h.v()
	v.maxPTSDistance = h.v()
	h.v() // decode delay
	h.v() // stream flags
	v.extradata = h.bytes(64 << 10)
	if h.err != nil || class != 0 || tb >= uint64(len(m.timeBase)) || v.ptsShift > 16 {
		return nutVideo{}, fmt.Errorf("%w: stream header", errNUT)
	}
	v.num, v.den = m.timeBase[tb][0], m.timeBase[tb][1]
	return v, nil
}

func (d *nutDemuxer) readSyncpoint(h *nutHead) error {
	t := h.v()
	h.v() // distance to the previous syncpoint
	if h.err != nil || !d.started {
		return fmt.Errorf("%w: syncpoint", errNUT)
	}
	n := uint64(len(d.main.timeBase))
	tb := d.main.timeBase[t%n]
	pts, ok := rescale(t/n, tb[0]*d.stream.den, tb[1]*d.stream.num)
	if !ok {
		return fmt.Errorf("%w: syncpoint time", errNUT)
	}
	d.stream.lastPTS = pts
	return nil
}

// rescale is v*mul/div rounded down, or false where it does not fit.
func rescale(v, mul, div uint64) (int64, bool) {
	hi, lo := bits.Mul64(v, mul)
	if div == 0 || hi >= div {
		return 0, false
	}
	q, _ := bits.Div64(hi, lo, div)
	return int64(q), int64(q) >= 0
}
