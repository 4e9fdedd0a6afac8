package harness

import (
	"testing"

	"go.uber.org/goleak"
)

// VerifyNoLeaks runs a package's tests and holds that they leave no goroutine behind. nats-server itself leaves two for up to 30 s, which wait
// for the answer of a mirror's far side, also after the shutdown of their server.
func VerifyNoLeaks(m *testing.M) {
	const stream = "github.com/nats-io/nats-server/v2/server.(*stream)."
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(stream+"setupMirrorConsumer.func3"), goleak.IgnoreAnyFunction(stream+"trySetupSourceConsumer.func3"))
}
