package render

import (
	"strings"
	"testing"
)

// FuzzPictures holds that whatever FFmpeg writes is read to its end, or refused.
func FuzzPictures(f *testing.F) {
	const good = "#tb 0: 1/1000000\n0,     100000,     100000,   100000,        3, 0x12345678\nabc"
	for _, seed := range []string{good, good + good, good[:70], "0,1,2,3\n", "0,1,x,3,4,5\n", "0,1,2,3,99999999999,5\n", strings.Repeat("x", 5000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		total := 0
		err := eachPicture(strings.NewReader(text), func(_ int64, data []byte) { total += len(data) })
		if total > len(text) {
			t.Errorf("%d bytes of pictures in %d", total, len(text))
		}
		if strings.HasPrefix(text, good) && total < 3 {
			t.Errorf("a picture is missing: %v", err)
		}
	})
}
