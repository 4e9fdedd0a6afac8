package camera

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// The container between FFmpeg and the node is NUT (the NUT Open Container Format, as FFmpeg's libavformat writes it): it hands each
// packet over at once with its exact length and time, and repeats checksummed start codes by which a reader finds its way back after
// foreign bytes. Only what one video stream needs is read here; no maintained Go library does.

const (
	nutMain      = 0x4E4D7A561F5F04AD
	nutStream    = 0x4E5311405BF2F9DB
	nutSyncpoint = 0x4E4BE4ADEECA4569
	nutIndex     = 0x4E58DD672F23E64E
	nutInfo      = 0x4E49AB68B596BA78
)

// Flags of a NUT frame code.
const (
	nutKey       = 1
	nutCodedPTS  = 8
	nutStreamID  = 16
	nutSizeMSB   = 32
	nutChecksum  = 64
	nutReserved  = 128
	nutSideData  = 256
	nutHeaderIdx = 1024
	nutMatchTime = 2048
	nutCoded     = 4096
	nutInvalid   = 8192
)

const (
	// nutMaxPacket bounds a header packet; FFmpeg's are below 1 KiB but for metadata.
	nutMaxPacket = 1 << 20
	// nutMaxFrame bounds what a frame header may claim before it is taken for foreign bytes.
	nutMaxFrame = 1 << 30
)

// errNUT marks bytes that are not NUT. The demuxer answers it by looking for the next start code.
var errNUT = errors.New("not NUT")

// packet is one encoded picture as FFmpeg handed it over.
type packet struct {
	data     []byte // nil where the picture was over the cap
	size     int    // bytes of the picture, also where it was over the cap
	pts      int64  // in units of the stream's time base
	keyframe bool
}

// nutCode is what one frame code stands for.
type nutCode struct {
	flags                             uint64
	ptsDelta                          int64
	stream, sizeMul, sizeLSB, headIdx uint64
	reserved                          uint64
}

// nutDemuxer cuts FFmpeg's output into packets of its one video stream. It is used by one goroutine.
type nutDemuxer struct {
	r       *bufio.Reader
	maxSize int
	skipped func(n int) // told of foreign bytes that were skipped

	codes    [256]nutCode
	headers  [][]byte
	timeBase [][2]uint64
	stream   nutVideo
	started  bool // the main and stream headers are known
	lost     bool // the position is not trusted until the next start code
	head     nutHead
	crc      nutCRC
}

// nutVideo is the stream header of the one video stream.
type nutVideo struct {
	fourcc      string
	num, den    uint64 // time base in seconds
	ptsShift    uint64
	extradata   []byte
	decodeDelay uint64
	lastPTS     int64
}

func newNUTDemuxer(r io.Reader, maxSize int, skipped func(int)) *nutDemuxer {
	return &nutDemuxer{r: bufio.NewReaderSize(r, 64<<10), maxSize: maxSize, skipped: skipped, lost: true, crc: newNUTCRC()}
}

// next returns the next picture. Foreign bytes are skipped and reported. The error is io.EOF at the end of the output, or the
// read's own.
func (d *nutDemuxer) next() (packet, error) {
	for {
		if d.lost {
			if err := d.findStartCode(); err != nil {
				return packet{}, err
			}
			d.lost = false
		}
		b, err := d.r.Peek(1)
		if err != nil {
			return packet{}, err
		}
		if b[0] == 'N' {
			err = d.readPacket()
		} else if d.started {
			var p packet
			if p, err = d.readFrame(); err == nil {
				return p, nil
			}
		} else {
			err = errNUT
		}
		if err != nil {
			if !errors.Is(err, errNUT) {
				return packet{}, err
			}
			d.lost = true
		}
	}
}

// reread puts a body back where it holds a start code: then foreign bytes were taken for a frame header, and the body swallowed
// real packets.
func (d *nutDemuxer) reread(body []byte) bool {
	var code [8]byte
	binary.BigEndian.PutUint64(code[:], nutSyncpoint)
	at := bytes.Index(body, code[:])
	if at < 0 {
		return false
	}
	d.skipped(at)
	d.r = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(body[at:]), d.r), 64<<10)
	return true
}

// findStartCode skips to the next known start code.
func (d *nutDemuxer) findStartCode() error {
	n := 0
	defer func() {
		if n > 0 {
			d.skipped(n)
		}
	}()
	for {
		b, err := d.r.Peek(8)
		if err != nil {
			if err == io.EOF {
				n += len(b)
			}
			return err
		}
		if knownStartCode(binary.BigEndian.Uint64(b)) {
			return nil
		}
		if !d.started && n == 0 && bytes.HasPrefix(b, []byte("nut/mult")) {
			// The file id string is NUT's own.
			if _, err := d.r.Discard(len(nutFileID)); err != nil {
				return err
			}
			continue
		}
		if _, err := d.r.Discard(1); err != nil {
			return err
		}
		n++
	}
}

const nutFileID = "nut/multimedia container\x00"

func knownStartCode(c uint64) bool {
	return c == nutMain || c == nutStream || c == nutSyncpoint || c == nutIndex || c == nutInfo
}

// readPacket reads a header packet: start code, length, content, checksum.
func (d *nutDemuxer) readPacket() error {
	b, err := d.r.Peek(8)
	if err != nil {
		return err
	}
	code := binary.BigEndian.Uint64(b)
	if !knownStartCode(code) {
		return fmt.Errorf("%w: unknown start code", errNUT)
	}
	if _, err := d.r.Discard(8); err != nil {
		return err
	}
	d.head.reset(d.r)
	length := d.head.v()
	if length > 4096 {
		d.head.skip(4)
	}
	if d.head.err != nil {
		return d.head.err
	}
	if length < 4 || length > nutMaxPacket {
		return fmt.Errorf("%w: packet of %d bytes", errNUT, length)
	}
	content := make([]byte, length)
	if _, err := io.ReadFull(d.r, content); err != nil {
		return unexpected(err)
	}
	if d.crc.sum(0, content) != 0 {
		return fmt.Errorf("%w: packet checksum", errNUT)
	}
	d.head.reset(bytes.NewReader(content[:length-4]))
	switch code {
	case nutMain:
		err = d.readMain()
	case nutStream:
		err = d.readStream()
	case nutSyncpoint:
		err = d.readSyncpoint()
	}
	return err
}

func (d *nutDemuxer) readMain() error {
	h := &d.head
	version := h.v()
	if version > 3 {
		h.v()
	}
	h.v() // stream count: FFmpeg is asked for one
	h.v() // max distance
	n := h.v()
	if h.err != nil || n < 1 || n > 64 {
		return fmt.Errorf("%w: main header", errNUT)
	}
	d.timeBase = make([][2]uint64, n)
	for i := range d.timeBase {
		d.timeBase[i] = [2]uint64{h.v(), h.v()}
		if d.timeBase[i][0] == 0 || d.timeBase[i][1] == 0 {
			return fmt.Errorf("%w: main header: time base", errNUT)
		}
	}
	if err := d.readCodes(); err != nil {
		return err
	}
	n = h.v()
	if h.err != nil || n > 127 {
		return fmt.Errorf("%w: main header: elision headers", errNUT)
	}
	d.headers = make([][]byte, 1, n+1)
	for range n {
		d.headers = append(d.headers, h.bytes(256))
	}
	return h.err
}

// readCodes reads the table that says what each of the 256 frame codes stands for.
func (d *nutDemuxer) readCodes() error {
	h := &d.head
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
				d.codes[i] = nutCode{flags: nutInvalid}
				continue
			}
			d.codes[i] = c
			d.codes[i].sizeLSB += j
			j++
		}
	}
	return nil
}

func (d *nutDemuxer) readStream() error {
	h := &d.head
	h.v() // stream id: FFmpeg is asked for one stream
	class := h.v()
	var v nutVideo
	v.fourcc = string(h.bytes(8))
	tb := h.v()
	v.ptsShift = h.v()
	h.v() // largest distance of two times without a checksum
	v.decodeDelay = h.v()
	h.v() // stream flags
	v.extradata = h.bytes(64 << 10)
	if h.err != nil || class != 0 || tb >= uint64(len(d.timeBase)) || v.ptsShift > 16 {
		return fmt.Errorf("%w: stream header", errNUT)
	}
	v.num, v.den = d.timeBase[tb][0], d.timeBase[tb][1]
	d.stream, d.started = v, true
	return nil
}

func (d *nutDemuxer) readSyncpoint() error {
	t := d.head.v()
	d.head.v() // distance to the previous syncpoint
	if d.head.err != nil || len(d.timeBase) == 0 || !d.started {
		return fmt.Errorf("%w: syncpoint", errNUT)
	}
	n := uint64(len(d.timeBase))
	tb := d.timeBase[t%n]
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

// readFrame reads one frame: its header, which the frame code shortens, and its body.
func (d *nutDemuxer) readFrame() (packet, error) {
	h := &d.head
	h.reset(d.r)
	c := d.codes[h.byte()]
	if h.err != nil {
		return packet{}, h.err
	}
	if c.flags&nutInvalid != 0 {
		return packet{}, fmt.Errorf("%w: frame code", errNUT)
	}
	if c.flags&nutCoded != 0 {
		c.flags ^= h.v()
	}
	if c.flags&nutStreamID != 0 {
		c.stream = h.v()
	}
	pts := d.stream.lastPTS + c.ptsDelta
	if c.flags&nutCodedPTS != 0 {
		pts = d.codedPTS(h.v())
	}
	size := c.sizeLSB
	if c.flags&nutSizeMSB != 0 {
		size += c.sizeMul * h.v()
	}
	if c.flags&nutMatchTime != 0 {
		h.s()
	}
	if c.flags&nutHeaderIdx != 0 {
		c.headIdx = h.v()
	}
	if c.flags&nutReserved != 0 {
		c.reserved = h.v()
	}
	for i := uint64(0); i < c.reserved && h.err == nil; i++ {
		h.v()
	}
	if err := d.checkHead(c, size); err != nil {
		return packet{}, err
	}
	if size > 4096 {
		c.headIdx = 0
	}
	d.stream.lastPTS = pts
	data, err := d.readBody(int(size), d.headers[c.headIdx])
	if err != nil {
		return packet{}, err
	}
	return packet{data: data, size: int(size), pts: pts, keyframe: c.flags&nutKey != 0}, nil
}

// checkHead refuses a frame header that FFmpeg does not write: foreign bytes look like that.
func (d *nutDemuxer) checkHead(c nutCode, size uint64) error {
	h := &d.head
	if h.err != nil {
		return h.err
	}
	if c.flags&nutChecksum != 0 {
		want := d.crc.sum(0, h.seen)
		if got := h.uint32(); h.err != nil || got != want {
			return fmt.Errorf("%w: frame header checksum", errNUT)
		}
	}
	if c.stream != 0 || c.reserved > 16 || c.flags&nutSideData != 0 || size > nutMaxFrame ||
		c.headIdx >= uint64(len(d.headers)) || size < uint64(len(d.headers[c.headIdx])) {
		return fmt.Errorf("%w: frame header", errNUT)
	}
	return nil
}

// codedPTS undoes the coding of a time as its low bits, or as a whole behind them.
func (d *nutDemuxer) codedPTS(coded uint64) int64 {
	shift := d.stream.ptsShift
	if coded >= 1<<shift {
		return int64(coded - 1<<shift)
	}
	mask := int64(1)<<shift - 1
	delta := d.stream.lastPTS - mask/2
	return (int64(coded)-delta)&mask + delta
}

// readBody reads a frame's body, or skips it where it is over the cap. prefix is the part of it that NUT left out.
func (d *nutDemuxer) readBody(size int, prefix []byte) ([]byte, error) {
	if size > d.maxSize {
		if _, err := d.r.Discard(size - len(prefix)); err != nil {
			return nil, unexpected(err)
		}
		return nil, nil
	}
	data := make([]byte, size)
	n := copy(data, prefix)
	if _, err := io.ReadFull(d.r, data[n:]); err != nil {
		return nil, unexpected(err)
	}
	return data, nil
}

// unexpected makes the end of the output inside a packet an error of its own: that picture is torn.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
