package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

// Sizes for arithmetic.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

type sizeUnit struct {
	name  string
	bytes Size
}

// sizeUnits begins with those that String prefers.
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"TiB", GiB << 10}, {"TB", 1e12}, {"GiB", GiB}, {"GB", 1e9}, {"MiB", MiB}, {"MB", 1e6}, {"KiB", KiB}, {"KB", 1e3}, {"B", 1},
	}
}

// String is the size in the largest unit that gives a whole number; [Size.UnmarshalText] reads it back.
func (s Size) String() string {
	for _, u := range sizeUnits() {
		if s != 0 && s%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText is [Size.String].
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a whole number with a unit, or of bytes. Its error says what to write.
func (s *Size) UnmarshalText(text []byte) error {
	number := strings.TrimRight(string(text), "TGMKiB")
	unit := string(text[len(number):])
	if unit != "" {
		number = strings.TrimSuffix(number, " ")
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return errSize()
	}
	if unit == "" {
		*s = Size(n)
		return nil
	}
	for _, u := range sizeUnits() {
		if u.name != unit {
			continue
		}
		if limit := int64(math.MaxInt64) / int64(u.bytes); n > limit || n < -limit {
			return fmt.Errorf("write at most %d%s", limit, unit)
		}
		*s = Size(n) * u.bytes
		return nil
	}
	return errSize()
}

func errSize() error {
	return errors.New("write a whole number with one of B KiB MiB GiB TiB KB MB GB TB, as in 10GiB")
}
