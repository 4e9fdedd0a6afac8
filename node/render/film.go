package render

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// film is frames as Matroska, in which they come to FFmpeg with their times. It is written as a stream: of unknown length, each frame a
// cluster of its own. Times are in microseconds from the first frame on.
type film struct {
	buf    bytes.Buffer
	base   int64         // where the present epoch begins
	anchor *schema.Frame // its first frame
	start  time.Time     // of the first epoch
	last   int64         // time of the last frame
	end    int64         // of the latest
}

// Elements of Matroska.
const (
	ebmlHeader      = 0x1A45DFA3
	ebmlDocType     = 0x4282
	ebmlVersion     = 0x4287
	ebmlReadVersion = 0x4285
	mkvSegment      = 0x18538067
	mkvInfo         = 0x1549A966
	mkvScale        = 0x2AD7B1 // nanoseconds of a unit of time
	mkvTracks       = 0x1654AE6B
	mkvTrack        = 0xAE
	mkvTrackNumber  = 0xD7
	mkvTrackUID     = 0x73C5
	mkvTrackType    = 0x83
	mkvCodec        = 0x86
	mkvVideo        = 0xE0
	mkvWidth        = 0xB0
	mkvHeight       = 0xBA
	mkvCluster      = 0x1F43B675
	mkvTime         = 0xE7
	mkvBlock        = 0xA3
)

// newFilm begins a film with frames like f.
func newFilm(f *schema.Frame) *film {
	film := &film{anchor: f, start: f.Captured, last: -1, end: -1}
	w := &film.buf
	element(w, ebmlHeader, join(text(ebmlDocType, "matroska"), number(ebmlVersion, 4), number(ebmlReadVersion, 2)))
	id(w, mkvSegment)
	w.Write([]byte{0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}) // of unknown length
	element(w, mkvInfo, number(mkvScale, 1000))
	codec := map[string]string{schema.ContentJPEG: "V_MJPEG", schema.ContentH264: "V_MPEG4/ISO/AVC",
		schema.ContentH265: "V_MPEGH/ISO/HEVC"}[f.ContentType]
	var video, track, tracks bytes.Buffer
	element(&video, mkvVideo, join(number(mkvWidth, uint64(f.Width)), number(mkvHeight, uint64(f.Height))))
	element(&track, mkvTrack, join(number(mkvTrackNumber, 1), number(mkvTrackUID, 1), number(mkvTrackType, 1), text(mkvCodec, codec),
		video.Bytes()))
	element(&tracks, mkvTracks, track.Bytes())
	w.Write(tracks.Bytes())
	return film
}

// add appends a frame.
func (m *film) add(f *schema.Frame) {
	m.last = m.timeOf(f)
	m.end = max(m.end, m.last)
	flags := byte(0)
	if f.Keyframe || f.ContentType == schema.ContentJPEG {
		flags = 0x80
	}
	head := []byte{0x81, 0, 0, flags} // track 1, at the cluster's time
	time := number(mkvTime, uint64(m.last))
	var block [12]byte
	n := sizeOf(block[:0], len(head)+len(f.Data))
	id(&m.buf, mkvCluster)
	m.buf.Write(sizeOf(nil, len(time)+1+len(n)+len(head)+len(f.Data)))
	m.buf.Write(time)
	id(&m.buf, mkvBlock)
	m.buf.Write(n)
	m.buf.Write(head)
	m.buf.Write(f.Data)
}

// timeOf is a frame's time in the film.
func (m *film) timeOf(f *schema.Frame) int64 {
	if f.Epoch != m.anchor.Epoch {
		m.anchor, m.base = f, max(f.Captured.Sub(m.start).Microseconds(), m.end+1)
	}
	if f.ContentType != schema.ContentJPEG && f.HasPTS && m.anchor.HasPTS {
		return max(0, m.base+(f.PTS-m.anchor.PTS)*1_000_000/schema.PTSRate)
	}
	return max(m.end+1, m.base+f.Captured.Sub(m.anchor.Captured).Microseconds())
}

func element(w *bytes.Buffer, name uint32, content []byte) {
	id(w, name)
	w.Write(sizeOf(nil, len(content)))
	w.Write(content)
}

// id writes an element's name, which has as many bytes as it needs.
func id(w *bytes.Buffer, name uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], name)
	w.Write(bytes.TrimLeft(b[:], "\x00"))
}

// sizeOf appends a length in eight bytes.
func sizeOf(b []byte, n int) []byte { return binary.BigEndian.AppendUint64(b, 1<<56|uint64(n)) }

func number(name uint32, v uint64) []byte {
	var w bytes.Buffer
	element(&w, name, binary.BigEndian.AppendUint64(nil, v))
	return w.Bytes()
}

func text(name uint32, v string) []byte {
	var w bytes.Buffer
	element(&w, name, []byte(v))
	return w.Bytes()
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
