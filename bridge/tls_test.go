package bridge_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edge-video/edge-video/bridge"
)

func TestTLS_NamesTheFileAtFault(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.pem")
	if err := os.WriteFile(text, []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, given := range map[string]bridge.TLS{
		"no such file": {CA: "/nowhere.pem"},
		"no PEM":       {CA: text},
		"no key":       {Certificate: text, Key: "/nowhere.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := given.Config("host")
			if bridge.FaultOf(err) != bridge.FaultTLS || !errors.Is(err, bridge.ErrNotConnected) {
				t.Errorf("got %v, want a fault of TLS", err)
			}
			if err != nil && !strings.Contains(err.Error(), given.CA+given.Certificate) {
				t.Errorf("%v does not name the file", err)
			}
		})
	}
}
