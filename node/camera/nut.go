package camera

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// The container between FFmpeg and the node is NUT (the NUT Open Container Format, as FFmpeg's libavformat writes it): it hands each
// packet over at once with its exact length and time, and repeats checksummed start codes by which a reader finds its way back after
// foreign bytes. Only what one video stream needs is read here; no maintained Go library does.

// errNUT marks bytes that are not NUT. The demuxer answers it by looking for the next start code.
var errNUT = errors.New("not NUT")

// packet is one encoded picture as FFmpeg handed it over.
type packet struct {
	data     []byte // nil where the picture was over the cap
	size     int    // bytes of the picture, also where it was over the cap
	pts      int64  // in units of the stream's time base
	keyframe bool
	elided   int // leading bytes of data that NUT left out
}

// readSize is what is read at once beside a picture's body, which goes where it belongs without a stop here: more than most pictures of
// a stream that is copied, so that one read takes them whole.
const readSize = 16 << 10

// nutDemuxer cuts FFmpeg's output into packets of its one video stream. It is used by one goroutine.
type nutDemuxer struct {
	source  *rewindable
	r       *bufio.Reader // of source
	maxSize int
	skipped func(n int) // told of foreign bytes that were skipped

	main    nutMainHeader
	stream  nutVideo
	started bool    // the main and stream headers are known
	lost    bool    // the position is not trusted until the next start code
	head    nutHead // of the frame or packet read last; its seen bytes are all that was read but for a frame's body
	crc     nutCRC
}

func newNUTDemuxer(r io.Reader, maxSize int, skipped func(int)) *nutDemuxer {
	source := &rewindable{r: r}
	return &nutDemuxer{source: source, r: bufio.NewReaderSize(source, readSize), maxSize: maxSize, skipped: skipped, lost: true, crc: newNUTCRC()}
}

// next returns the next picture. Foreign bytes are skipped and reported. The error is io.EOF at the end of the output,
// io.ErrUnexpectedEOF when that is inside a picture, or the read's own.
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
		if b[0] == 'N' || !d.started {
			err = d.readPacket()
		} else {
			var p packet
			if p, err = d.readFrame(); err == nil {
				return p, nil
			}
			if errors.Is(err, io.ErrUnexpectedEOF) && d.reread(p) {
				continue
			}
		}
		if errors.Is(err, errNUT) {
			d.rewind(d.head.seen[1:])
			d.skipped(1)
			d.lost = true
		} else if err != nil {
			return packet{}, err
		}
	}
}

// reread looks for a start code in a picture that turned out to be none: then foreign bytes were taken for a frame header, and real
// packets for its body. They are read again.
func (d *nutDemuxer) reread(p packet) bool {
	raw := slices.Concat(d.head.seen, p.data[min(p.elided, len(p.data)):])
	at := startCodeIn(raw)
	if at < 0 {
		return false
	}
	d.skipped(at)
	d.rewind(raw[at:])
	d.lost = true
	return true
}

// startCodeIn is where a start code begins in b, whole or cut off by b's end, or -1.
func startCodeIn(b []byte) int {
	for i, c := range b {
		if c != 'N' {
			continue
		}
		var code [8]byte
		n := copy(code[:], b[i:])
		for _, known := range nutStartCodes {
			if binary.BigEndian.Uint64(code[:])>>(64-8*n) == known>>(64-8*n) {
				return i
			}
		}
	}
	return -1
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
			if errors.Is(err, io.EOF) {
				n += len(b)
			}
			return err
		}
		if slices.Contains(nutStartCodes, binary.BigEndian.Uint64(b)) {
			return nil
		}
		if !d.started && string(b) == nutFileID[:8] {
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

// rewind puts bytes back in front of what is read next.
func (d *nutDemuxer) rewind(b []byte) {
	buffered, _ := d.r.Peek(d.r.Buffered()) // what is buffered can be peeked at
	d.source.again = slices.Concat(b, buffered, d.source.again)
	d.r.Reset(d.source)
}

// rewindable is a reader that can be given back what has been read.
type rewindable struct {
	r     io.Reader
	again []byte
}

// Read implements [io.Reader].
func (r *rewindable) Read(b []byte) (int, error) {
	if len(r.again) == 0 {
		r.again = nil
		return r.r.Read(b)
	}
	n := copy(b, r.again)
	r.again = r.again[n:]
	return n, nil
}

// unexpected makes the end of the output inside a packet an error of its own: that picture is torn.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
