package config

import (
	"errors"
	"time"
)

// Sync is when the stream's files are synced to disk: each Interval, or after every write (Always), or when the operating system
// likes (Async).
type Sync struct {
	Interval time.Duration // 0 with Always or Async
	Always   bool
	Async    bool
}

// String is "always", "async" or the interval; [Sync.UnmarshalText] reads it back.
func (s Sync) String() string {
	switch {
	case s.Always:
		return "always"
	case s.Async:
		return "async"
	}
	return formatDuration(s.Interval)
}

// MarshalText is [Sync.String].
func (s Sync) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads an interval above zero, always, or async. Its error says what to write.
func (s *Sync) UnmarshalText(text []byte) error {
	switch string(text) {
	case "always":
		*s = Sync{Always: true}
		return nil
	case "async":
		*s = Sync{Async: true}
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return errors.New("write an interval such as 2s, or always, or async")
	}
	*s = Sync{Interval: d}
	return nil
}
