package config

import (
	"errors"
	"time"
)

// TTL is how long Redis keeps a frame: a duration, or [Adaptive].
type TTL time.Duration

// Adaptive is a TTL by how much a camera's frames are read.
const Adaptive TTL = -1

// String is "adaptive" or the duration; [TTL.UnmarshalText] reads it back.
func (t TTL) String() string {
	if t == Adaptive {
		return "adaptive"
	}
	return formatDuration(time.Duration(t))
}

// MarshalText is [TTL.String].
func (t TTL) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a duration or adaptive. Its error says what to write.
func (t *TTL) UnmarshalText(text []byte) error {
	if string(text) == "adaptive" {
		*t = Adaptive
		return nil
	}
	var d time.Duration
	if remedy := setDuration(&d, string(text)); remedy != "" {
		return errors.New(remedy + "; or write adaptive")
	}
	*t = TTL(d)
	if *t == Adaptive {
		*t = 0 // a nanosecond below zero, which is refused as well
	}
	return nil
}
