package render

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edge-video/edge-video/node/process"
	"github.com/edge-video/edge-video/schema"
)

// blanks are grey keyframes of 48x48 pixels, with their parameter sets, by content type.
var blanks = map[string]string{
	schema.ContentH264: "\x00\x00\x00\x01\x67\x42\xc0\x0a\xa6\x11\x37\xb0\x11\x00\x00\x03\x00\x01\x00\x00\x03\x00\x02\x0f\x12\x26\x11\x80" +
		"\x00\x00\x00\x01\x68\xc8\x42\x03\x92\xc8\x00\x00\x01\x65\x88\x82\x1d\x13\x77\xdf\x5d\x75\xd7\x5d\x78",
	schema.ContentH265: "\x00\x00\x00\x01\x40\x01\x0c\x01\xff\xff\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x1e\x92\x80\x90" +
		"\x00\x00\x00\x01\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x1e\xa0\x62\x0c\x59\x64\xaa\xbc\x2f\x01\x68" +
		"\x08\x00\x00\x03\x00\x08\x00\x00\x03\x00\x08\x40\x00\x00\x00\x01\x44\x01\xc1\x71\xa1\x12" +
		"\x00\x00\x01\x28\x01\xac\x2d\x80\x11\x9a\xe7\x68\xc4\x23\x80",
}

// keyframeQuality is on FFmpeg's scale.
const keyframeQuality = "3"

// blanksEach is how many blanks follow a keyframe: of streams with B-frames the decoder holds some pictures back, which come in a row.
const blanksEach = 4

// keyframes is an FFmpeg that shows keyframes, each before it is given the next. They may be of many cameras: behind each come blanks, at
// which FFmpeg lets go of the picture and of all memory that it was decoded in, as they have another size. So no picture waits for the
// camera's next, and where one is damaged nothing of another camera can be seen in it.
type keyframes struct {
	process *process.Process
	in      *os.File
	out     *bufio.Reader
	film    *film
	next    int64 // time of the next keyframe, blanks being 1 apart

	mu      sync.Mutex
	bound   *time.Timer // ends FFmpeg, nil while it has nothing to show
	hurries bool        // bound has been brought forward
}

// startKeyframes starts one for frames like f, whose pictures are made smaller to width where that is not 0.
func startKeyframes(ffmpeg string, f *schema.Frame, width int) (*keyframes, error) {
	filter := fmt.Sprintf("select=not(mod(pts\\,%d))", 1+blanksEach) // no blanks
	if width > 0 {
		filter += "," + scaleTo(width)
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for ffmpeg: %w", err)
	}
	k := &keyframes{in: ours, film: newFilm(&schema.Frame{ContentType: f.ContentType, Width: f.Width, Height: f.Height})}
	k.process, err = process.Start(process.Config{Path: ffmpeg, Args: pictureArgs(filter, keyframeQuality), Stdin: theirs, Notice: k.hurry})
	_ = theirs.Close() // FFmpeg has its own
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	k.out = bufio.NewReader(k.process.Stdout)
	return k, nil
}

// picture is that of a keyframe. After an error, which it also returns when FFmpeg is stopped meanwhile, there is no other.
func (k *keyframes) picture(f *schema.Frame) ([]byte, error) {
	var late atomic.Bool
	k.bind(time.AfterFunc(standbyWait, func() {
		late.Store(true)
		k.process.Stop()
	}))
	data, err := k.exchange(f)
	k.bind(nil)
	if late.Load() {
		return nil, errors.Join(errHung, err)
	}
	return data, err
}

// bind bounds what follows, or with nil no more.
func (k *keyframes) bind(bound *time.Timer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bound != nil {
		k.bound.Stop()
	}
	k.bound, k.hurries = bound, false
}

// hurry leaves FFmpeg little time for a picture after it has complained.
func (k *keyframes) hurry(string) (keep bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bound != nil && !k.hurries && k.bound.Stop() {
		k.bound.Reset(standbyGrace)
		k.hurries = true
	}
	return true
}

// exchange gives FFmpeg a keyframe and takes its picture.
func (k *keyframes) exchange(f *schema.Frame) ([]byte, error) {
	wanted := k.next
	k.give(f.Data)
	for range blanksEach {
		k.give([]byte(blanks[f.ContentType]))
	}
	if _, err := k.film.buf.WriteTo(k.in); err != nil {
		return nil, fmt.Errorf("giving ffmpeg a keyframe: %w", err)
	}
	for {
		time, data, err := readPicture(k.out)
		if err != nil || time == wanted {
			return data, err
		}
	}
}

// give adds a keyframe to what FFmpeg reads, at the next moment.
func (k *keyframes) give(data []byte) {
	f := *k.film.anchor
	f.Keyframe, f.Data, f.Captured = true, data, k.film.start.Add(time.Duration(k.next)*time.Microsecond)
	k.film.add(&f)
	k.next++
}

// end ends FFmpeg, and says what it complained of.
func (k *keyframes) end() error {
	_ = k.in.Close() // it reads no more
	k.process.Stop()
	exit := k.process.Wait()
	if text := k.process.Stderr.String(); text != "" {
		return fmt.Errorf("ffmpeg: %s", text)
	}
	return exit
}
