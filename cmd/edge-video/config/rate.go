package config

import (
	"errors"
	"strings"
)

// ByteRate is a number of bytes a second.
type ByteRate int64

// String is the rate in the largest unit that gives a whole number; [ByteRate.UnmarshalText] reads it back.
func (r ByteRate) String() string {
	if r == 0 {
		return "0B/s"
	}
	return Size(r).String() + "/s"
}

// MarshalText is [ByteRate.String].
func (r ByteRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a size with /s behind it. Its error says what to write.
func (r *ByteRate) UnmarshalText(text []byte) error {
	size, ok := strings.CutSuffix(string(text), "/s")
	if !ok {
		return errByteRate()
	}
	var s Size
	if s.UnmarshalText([]byte(size)) != nil {
		return errByteRate()
	}
	*r = ByteRate(s)
	return nil
}

func errByteRate() error { return errors.New("write a size a second, as in 2MB/s or 500KiB/s") }
