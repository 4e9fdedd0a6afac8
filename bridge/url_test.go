package bridge_test

import (
	"strings"
	"testing"

	"github.com/edge-video/edge-video/bridge"
)

func TestParseURL_ErrorsHoldNoPartOfAPassword(t *testing.T) {
	const like = "amqp://user:password@host:5672/vhost"
	for name, text := range map[string]string{
		"slash":           "amqp://mary:hun/ter2@broker:5672/",
		"question mark":   "amqp://mary:hun?ter2@broker:5672/",
		"number sign":     "amqp://mary:hun#ter2@broker:5672/",
		"percent":         "amqp://mary:hun%ter2@broker:5672/",
		"space":           "amqp://mary:hun ter2@broker:5672/",
		"bracket":         "amqp://mary:hun[ter2@broker:5672/",
		"control":         "amqp://mary:hun\x01ter2@broker:5672/",
		"in the port":     "amqp://mary:x@broker:hunter2/",
		"no scheme":       "mary:hunter2@broker:5672",
		"no user":         ":hunter2@broker",
		"no slashes":      "amqp:mary:hunter2@broker",
		"one slash":       "amqp:/mary:hunter2@broker",
		"wrong scheme":    "http://mary:hunter2@broker:5672/",
		"scheme and more": "amqp//mary:hunter2@broker",
		"twice":           "amqp://mary:amqp://hunter2@broker",
		"vhost":           "amqp://mary:x@broker/hun@ter2",
	} {
		t.Run(name, func(t *testing.T) {
			u, err := bridge.ParseURL(text, like, "amqp", "amqps")
			if err == nil {
				t.Fatalf("%q becomes %q, want an error", text, u)
			}
			for _, part := range []string{"hun", "ter2", "mary", "broker"} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("%q holds %q of %q", err, part, text)
				}
			}
		})
	}
}

func TestParseURL_ReadsWhatIsEncoded(t *testing.T) {
	for text, want := range map[string]string{
		"amqp://mary:hunter2@broker:5672/video": "hunter2",
		"AMQPS://mary:p%40ss%2Fw%3A@broker":     "p@ss/w:",
		"amqp://mary:p@ss@broker":               "p@ss",
		"amqp://broker":                         "",
	} {
		u, err := bridge.ParseURL(text, "amqp://host", "amqp", "amqps")
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got, _ := u.User.Password(); got != want || u.Hostname() != "broker" {
			t.Errorf("password %q at %q, want %q at broker", got, u.Hostname(), want)
		}
	}
}
