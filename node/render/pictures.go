package render

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// pictureArgs are those of an FFmpeg that shows each picture of a film as soon as it can be told. It is to hold nothing back; with -fflags
// nobuffer it would throw away the keyframe that it looks at first. Of each picture comes a line that framecrc writes, with its time and
// size, and then the picture.
func pictureArgs(filter, quality string) []string {
	args := []string{"-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-max_pixels", strconv.Itoa(maxPixels), "-threads", "1",
		"-flags", "low_delay", "-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0", "-copyts",
		"-f", "matroska", "-i", "pipe:0", "-map", "0:v:0"}
	if filter != "" {
		args = append(args, "-vf", filter)
	}
	return append(args, "-fps_mode", "passthrough", "-enc_time_base", "1:1000000", "-c:v", "mjpeg", "-threads", "1", "-q:v", quality,
		"-pix_fmt", "yuvj420p", "-f", "tee", "[f=framecrc:flush_packets=1]pipe:1|[f=mjpeg:flush_packets=1]pipe:1")
}

// scaleTo is the filter that makes pictures smaller to a width, "" for 0.
func scaleTo(width int) string {
	if width == 0 {
		return ""
	}
	return "scale=" + strconv.Itoa(width) + ":-2:flags=area"
}

// errPictures says that FFmpeg's output is not what it was asked for.
var errPictures = errors.New("what ffmpeg writes is no line of framecrc with a picture")

// readPicture reads the next picture that [pictureArgs] ask for, and its time. At the end it is an [io.EOF].
func readPicture(in *bufio.Reader) (time int64, data []byte, err error) {
	line := []byte("#")
	for line[0] == '#' {
		line, err = in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return 0, nil, io.EOF
		case err != nil:
			return 0, nil, fmt.Errorf("%w: %v", errPictures, err)
		}
	}
	// Stream, dts, pts, duration, size, checksum.
	fields := strings.Split(string(line), ",")
	if len(fields) < 6 {
		return 0, nil, fmt.Errorf("%w: %.80q", errPictures, line)
	}
	time, err1 := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
	size, err2 := strconv.ParseUint(strings.TrimSpace(fields[4]), 10, 32)
	if err := errors.Join(err1, err2); err != nil || size > maxPixels {
		return 0, nil, fmt.Errorf("%w: %.80q", errPictures, line)
	}
	data = make([]byte, size)
	if _, err := io.ReadFull(in, data); err != nil {
		return 0, nil, fmt.Errorf("%w: %v", errPictures, err)
	}
	return time, data, nil
}

// eachPicture reads pictures to the end.
func eachPicture(r io.Reader, show func(time int64, data []byte)) error {
	for in := bufio.NewReader(r); ; {
		time, data, err := readPicture(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		show(time, data)
	}
}
