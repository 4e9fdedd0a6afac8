package migrate

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// reading is how all cameras were read.
type reading struct {
	fps     float64
	fpsKey  string // where it comes from
	quality string // "" for the default
	stall   time.Duration
	hwaccel string
}

// maxFPS is what this program takes.
const maxFPS = 240

// capture writes the section of that name.
func (c *converter) capture(r reading) {
	c.page.section(0, "capture")
	if r.fps > maxFPS {
		c.note(2, fmt.Sprintf("%s was %v; %d is the most there is here.", r.fpsKey, r.fps, maxFPS))
		r.fps = maxFPS
	}
	c.page.put(2, "fps", strconv.FormatFloat(r.fps, 'f', -1, 64))
	if r.quality != "" {
		c.page.put(2, "quality", r.quality)
	}
	least := time.Duration(math.Ceil(2/r.fps)) * time.Second // two pictures, within which no camera counts as silent
	switch {
	case r.stall != 0 && r.stall < max(least, time.Second):
		c.note(2, fmt.Sprintf("A silence of %v is too short at this rate; this is the least.", r.stall))
		r.stall = max(least, time.Second)
	case r.stall == 0 && least > 15*time.Second:
		r.stall = least
	}
	if r.stall != 0 {
		c.page.put(2, "stall_timeout", duration(r.stall))
	}
	if r.hwaccel != "" {
		c.page.put(2, "hwaccel", r.hwaccel, "tried at start, as it was; software where nothing works")
	}
}

// rate is the pictures a second that a key asks for, otherwise when it asks for none.
func (c *converter) rate(key string, otherwise float64) float64 {
	n, ok := c.old.number(key)
	switch {
	case !ok || n <= 0:
		return otherwise
	case n < 0.001:
		c.old.fail(key, "is less than a picture in a quarter of an hour", "write at least 0.001")
		return otherwise
	}
	return n
}

// quality is FFmpeg's scale as a key gives it.
func (c *converter) quality(key string) string {
	n, ok := c.old.number(key)
	if !ok {
		return ""
	}
	if n != math.Trunc(n) || n < 2 || n > 31 {
		c.old.fail(key, "is not a whole number from 2 (best) to 31", "write 5")
		return ""
	}
	return strconv.Itoa(int(n))
}
