package config_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

func FuzzLoad(f *testing.F) {
	f.Add([]byte(sample))
	for _, c := range refused() {
		f.Add([]byte(c[0]))
	}
	form := regexp.MustCompile(`^f\.yaml(:[1-9][0-9]*)?: [^\n]+$`)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := config.Parse("f.yaml", data, env("RABBITMQ_URL", "amqp://h", "REDIS_URL", "redis://h"))
		if err == nil {
			roundTrip(t, c)
			return
		}
		list := new(config.Error)
		if !errors.As(err, &list) || len(list.Problems) == 0 || c != nil {
			t.Fatalf("got %v and configuration %v, want problems alone", err, c)
		}
		for _, p := range list.Problems {
			if !form.MatchString(p.String()) {
				t.Errorf("got %q, want file, line and message on one line", p)
			}
		}
	})
}

// roundTrip holds the effective configuration to load, and to print the same again.
func roundTrip(t *testing.T, c *config.Config) {
	t.Helper()
	first, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(first), "***") {
		return // without its secrets, a URL may be none
	}
	again, _, err := config.Parse("f.yaml", first, env())
	if err != nil {
		t.Fatalf("got %v, want the effective configuration to load:\n%s", err, first)
	}
	if second, err := again.YAML(); err != nil || string(second) != string(first) {
		t.Fatalf("got:\n%s\n%v\nwant:\n%s", second, err, first)
	}
}
