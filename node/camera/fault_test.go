package camera

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestFault_IsReadFromTheEndOfARun(t *testing.T) {
	killed := errors.New("ffmpeg: signal: killed")
	for name, c := range map[string]struct {
		err    error
		stderr string
		want   Fault
	}{
		"stall":              {fmt.Errorf("%w for 15s", errStalled), "Connection refused", FaultStall},
		"changed":            {errChanged, changedNotice, FaultChanged},
		"codec":              {errCodec, "", FaultBadData},
		"ended":              {nil, "", FaultEnded},
		"killed":             {killed, "", FaultProcess},
		"rtsp 401":           {nil, "[rtsp @ 0x55] method DESCRIBE failed: 401 Unauthorized; rtsp://cam/1: Server returned 401 Unauthorized (authorization failed)", FaultUnauthorised},
		"http 403":           {nil, "[http @ 0x55] HTTP error 403 Forbidden; http://cam/1: Server returned 403 Forbidden (access denied)", FaultUnauthorised},
		"rtsp 404":           {nil, "[rtsp @ 0x55] method DESCRIBE failed: 404 Not Found", FaultNotFound},
		"file":               {nil, "file:/nowhere.mp4: No such file or directory", FaultNotFound},
		"host":               {nil, "[tcp @ 0x55] Failed to resolve hostname nowhere.invalid: Name or service not known", FaultNotFound},
		"refused":            {nil, "[tcp @ 0x55] Connection to tcp://127.0.0.1:1?timeout=0 failed: Connection refused", FaultRefused},
		"no route":           {nil, "[tcp @ 0x55] Connection to tcp://10.9.9.9:554 failed: No route to host", FaultRefused},
		"timeout":            {nil, "rtsp://cam/1: Connection timed out", FaultTimeout},
		"bad data":           {nil, "http://cam/1: Invalid data found when processing input", FaultBadData},
		"audio only":         {nil, "Stream map '0:v:0' matches no streams.", FaultBadData},
		"unreadable":         {fmt.Errorf("%w for 15s", errUnreadable), "Connection refused", FaultBadData},
		"tls":                {killed, "[tls @ 0x55] A TLS packet with unexpected length was received.; https://cam/1: Input/output error", FaultBadData},
		"certificate":        {killed, "[tls @ 0x55] The certificate's owner does not match hostname cam", FaultBadData},
		"http 500":           {killed, "[http @ 0x55] HTTP error 500 Internal Server Error; http://cam/1: Server returned 5XX Server Error reply", FaultRefused},
		"rtsp 503":           {killed, "[rtsp @ 0x55] method SETUP failed: 503 Service Unavailable", FaultRefused},
		"rtsp 453":           {killed, "[rtsp @ 0x55] method SETUP failed: 453 Not Enough Bandwidth", FaultRefused},
		"transport":          {killed, "[rtsp @ 0x55] method SETUP failed: 461 Unsupported transport", FaultRefused},
		"http 400":           {killed, "http://cam/1: Server returned 400 Bad Request", FaultRefused},
		"http 410":           {killed, "http://cam/1: Server returned 4XX Client Error, but not one of 40{0,1,3,4}", FaultRefused},
		"pipe":               {killed, "rtmp://cam/1: Broken pipe", FaultRefused},
		"unreachable":        {killed, "[tcp @ 0x55] Connection to tcp://10.9.9.9:554 failed: Host is unreachable", FaultRefused},
		"empty":              {killed, "http://cam/1: End of file", FaultBadData},
		"unknown":            {killed, "something nobody has heard of", FaultProcess},
		"unknown at the end": {nil, "something nobody has heard of", FaultEnded},
		"refused, then 401":  {killed, "Connection refused; 401 Unauthorized", FaultUnauthorised},
	} {
		t.Run(name, func(t *testing.T) {
			if got := faultOf(c.err, c.stderr); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestBackoff_GrowsToItsClassesMostAndStartsAgainAfterDelivery(t *testing.T) {
	second := time.Second
	for name, c := range map[string]struct {
		faults    []Fault
		delivered []time.Duration
		want      []time.Duration
	}{
		"refused":      {[]Fault{FaultRefused, FaultRefused, FaultTimeout, FaultRefused, FaultStall, FaultRefused, FaultRefused}, nil, []time.Duration{1, 2, 4, 8, 16, 30, 30}},
		"unauthorised": {[]Fault{FaultUnauthorised, FaultUnauthorised, FaultUnauthorised, FaultUnauthorised, FaultUnauthorised, FaultUnauthorised}, nil, []time.Duration{15, 30, 60, 120, 240, 300}},
		"after 401":    {[]Fault{FaultUnauthorised, FaultUnauthorised, FaultUnauthorised, FaultRefused}, nil, []time.Duration{15, 30, 60, 30}},
		"to 401":       {[]Fault{FaultRefused, FaultUnauthorised}, nil, []time.Duration{1, 15}},
		"delivered": {[]Fault{FaultRefused, FaultRefused, FaultRefused, FaultRefused}, []time.Duration{0, 0, settled, settled - 1},
			[]time.Duration{1, 2, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			var b backoff
			for i, f := range c.faults {
				var delivered time.Duration
				if c.delivered != nil {
					delivered = c.delivered[i]
				}
				got, want := b.after(f, delivered), c.want[i]*second
				if got < want*3/4 || got > want*5/4 {
					t.Errorf("pause %d is %v, want %v and a quarter either way", i, got, want)
				}
			}
		})
	}
}

func TestBackoff_ChangedAndEndedStartSoon(t *testing.T) {
	for _, f := range []Fault{FaultChanged, FaultEnded} {
		var b backoff
		for i, want := range []time.Duration{100, 200, 400} {
			want *= time.Millisecond
			if got := b.after(f, 0); got < want*3/4 || got > want*5/4 {
				t.Errorf("%s: pause %d is %v, want about %v", f, i, got, want)
			}
		}
	}
}

func TestBackoff_HasJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 20 {
		var b backoff
		seen[b.after(FaultRefused, 0)] = true
	}
	if len(seen) < 10 {
		t.Errorf("%d different pauses of 20", len(seen))
	}
}
