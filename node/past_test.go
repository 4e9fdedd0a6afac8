package node

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestPatiently_AsksAgainWhileTheServerTakesUpOtherOptions gives the answers that a request may have meanwhile.
func TestPatiently_AsksAgainWhileTheServerTakesUpOtherOptions(t *testing.T) {
	t.Parallel()
	answers := []error{nats.ErrJetStreamNotEnabled, jetstream.ErrJetStreamNotEnabled, fmt.Errorf("asking: %w", jetstream.ErrJetStreamNotEnabledForAccount), nil}
	asked := 0
	err := patiently(t.Context(), func(context.Context) error {
		asked++
		return answers[asked-1]
	})
	if err != nil || asked != len(answers) {
		t.Errorf("asked %d times, %v", asked, err)
	}
	if err := patiently(t.Context(), func(context.Context) error { return jetstream.ErrStreamNotFound }); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("%v is not what JetStream answers", err)
	}
}
