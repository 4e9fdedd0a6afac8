package main

import (
	"fmt"
	"time"
)

// moment is a time on the command line: RFC 3339, or how long ago as in -2h.
type moment struct{ time.Time }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *moment) UnmarshalText(text []byte) error {
	s := string(text)
	if ago, err := time.ParseDuration(s); err == nil && ago <= 0 {
		m.Time = time.Now().Add(ago)
		return nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return fmt.Errorf("%q is no time; write one such as 2026-11-24T08:00:00Z, or how long ago as in -2h", s)
	}
	m.Time = t
	return nil
}
