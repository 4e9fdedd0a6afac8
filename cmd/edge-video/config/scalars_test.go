package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

func TestScalars_ListsEveryValueOfAnyFile(t *testing.T) {
	got, err := config.Scalars("f.yaml", []byte("a: &x\n  b: 1\n  'c d': \"\"\nl:\n  - {id: q, on: yes}\n  - plain\nm: {<<: *x, e: [], f: {}}\nn: ~\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Scalar{{Key: "a.b", Line: 2, Text: "1"}, {Key: `a."c d"`, Line: 3}, {Key: "l[0].id", Line: 5, Text: "q"},
		{Key: "l[0].on", Line: 5, Text: "yes"}, {Key: "l[1]", Line: 6, Text: "plain"}, {Key: "m.e", Line: 7}, {Key: "m.f", Line: 7},
		{Key: "m.b", Line: 2, Text: "1"}, {Key: `m."c d"`, Line: 3}, {Key: "n", Line: 8}}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("-got +want:\n%s", d)
	}
}

func TestScalars_RefusesWhatNoConfigurationHolds(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		n := string(rune('1' + i))
		p := string(rune('0' + i))
		bomb.WriteString("a" + n + ": &a" + n + " [" + strings.Repeat("*a"+p+", ", 10) + "]\n")
	}
	for name, text := range map[string]string{
		"aliases that multiply":  bomb.String(),
		"alias to its own":       "a: &x {b: *x}\n",
		"alias to nothing":       "a: *x\n",
		"key twice":              "a: 1\na: 2\n",
		"syntax":                 "a: [1\n",
		"not text":               "\xff\xfe",
		"nested beyond measure":  strings.Repeat("[", 100_000),
		"two documents":          "a: 1\n---\nb: 2\n",
		"deeper than any config": strings.Repeat("- ", 40) + "a",
	} {
		if got, err := config.Scalars("f.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), "f.yaml:") {
			t.Errorf("%s: got %d values and error %v, want an error that names the line", name, len(got), err)
		}
	}
}
