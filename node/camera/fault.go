package camera

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is the class of what ended an FFmpeg run; it labels metrics and events and chooses the back-off.
type Fault string

// Faults.
const (
	FaultStall        Fault = "stall"        // no picture for the stall timeout
	FaultRefused      Fault = "refused"      // nobody listens at the address, or who does turns everyone away
	FaultTimeout      Fault = "timeout"      // no answer from the address
	FaultNotFound     Fault = "not_found"    // no such stream, file, device or host
	FaultUnauthorised Fault = "unauthorised" // 401 or 403; some cameras answer so when they are full
	FaultBadData      Fault = "bad_data"     // the answer is no video that can be read
	FaultEnded        Fault = "ended"        // the camera closed the stream
	FaultChanged      Fault = "changed"      // the pictures changed their size or format; FFmpeg starts afresh
	FaultReplaced     Fault = "replaced"     // another configuration is in force, and could not be read beside the old one
	FaultProcess      Fault = "process"      // FFmpeg could not be started or was killed
)

var (
	errStalled = errors.New("no picture")
	errChanged = errors.New("the pictures changed their size or format")
	// errUnreadable is a stall in which something came that is no picture, or none to store.
	errUnreadable = errors.New("no whole picture")
	errCodec      = errors.New("mode copy needs H.264, H.265 or MJPEG")
)

// changedNotice is what FFmpeg's buffer source has said since 2012 when pictures change in a filter graph that may not be rebuilt.
const changedNotice = "Changing video frame properties on the fly"

// faultWords are what FFmpeg 5.1 to 8 and the C library say of each class, the first that fits. FFmpeg reports causes as text alone.
var faultWords = []struct {
	fault Fault
	words []string
}{
	{FaultUnauthorised, []string{"401 Unauthorized", "403 Forbidden", "authorization failed", "access denied", "407 Proxy"}},
	{FaultNotFound, []string{"404 Not Found", "No such file", "Failed to resolve hostname", "No such device", "454 Session"}},
	{FaultRefused, []string{"Connection refused", "No route to host", "Host is down", "Host is unreachable", "Network is unreachable", "Connection reset", "Broken pipe",
		"400 Bad Request", "Server returned 4XX", "429 Too Many Requests", "Server returned 5XX", "500 Internal", "503 Service",
		"453 Not", "461 "}},
	{FaultTimeout, []string{"timed out"}},
	{FaultBadData, []string{"Invalid data found", "matches no streams", "does not contain any stream", "Unknown input format", "Protocol not found",
		"Could not find codec", "could not find codec", "Could not write header", "Picture size", "dimensions not set", "End of file", "Option ",
		"certificate", "TLS fatal alert", "TLS packet", "SSL routines"}},
}

// faultOf reads the class out of how a run ended. stderr is what FFmpeg said last.
func faultOf(err error, stderr string) Fault {
	switch {
	case errors.Is(err, errReplaced):
		return FaultReplaced
	case errors.Is(err, errStalled):
		return FaultStall
	case errors.Is(err, errChanged):
		return FaultChanged
	case errors.Is(err, errCodec), errors.Is(err, errUnreadable):
		return FaultBadData
	}
	for _, c := range faultWords {
		if slices.ContainsFunc(c.words, func(w string) bool { return strings.Contains(stderr, w) }) {
			return c.fault
		}
	}
	if err != nil {
		return FaultProcess
	}
	return FaultEnded
}

// settled is how long a camera must have delivered for its next fault to count as the first again.
const settled = 30 * time.Second

// backoff is the pause before the next start: doubled with every fault in a row, by class, with a quarter of jitter, never for ever.
type backoff struct {
	next time.Duration
}

// after returns the pause after a run that delivered pictures for as long as delivered and ended in fault.
func (b *backoff) after(fault Fault, delivered time.Duration) time.Duration {
	first, most := time.Second, 30*time.Second
	switch fault {
	case FaultUnauthorised:
		first, most = 15*time.Second, 5*time.Minute
	case FaultChanged, FaultEnded:
		first = 100 * time.Millisecond
	case FaultReplaced:
		return 0
	}
	if delivered >= settled {
		b.next = 0
	}
	b.next = min(max(b.next, first), most)
	pause := b.next
	b.next *= 2
	return time.Duration(float64(pause) * (0.75 + rand.Float64()/2))
}
