package sinktest

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// Broker is a real broker that the suite may take away. A sink reaches it through a proxy.
type Broker interface {
	// NewSink makes a sink that is not connected, with a timeout of [Timeout].
	NewSink(t testing.TB) bridge.Sink
	// Received returns the ids of all frames that arrived since the broker was made, in the order of arrival, repeats included.
	Received(t testing.TB) []string
	// Unacceptable makes a frame that the broker refuses for good.
	Unacceptable(t testing.TB) *schema.Frame

	Kill()                    // ends the broker; what it confirmed survives
	Start()                   // starts it again
	Cut()                     // drops the sink's connections and refuses new ones
	Hang()                    // lets no byte through any more, with connections left open
	Slow(delay time.Duration) // delays each 32 KiB, either way
	Restore()                 // ends Cut, Hang and Slow
}

// Run runs every behaviour against the broker.
func Run(t *testing.T, b Broker) {
	behaviours := []struct {
		name string
		test func(*testing.T, Broker)
	}{
		{"ConnectFailsInTimeAndCanBeRepeated", connectFails},
		{"SlowIsNotDown", slowIsNotDown},
		{"OneRejectedOthersGoOn", oneRejected},
		{"ConfirmsInOrderWithManyInFlight", confirmsInOrder},
		{"UnconnectedSendIsNotConnected", unconnected},
		{"CutLosesNothing", cutLosesNothing},
		{"HangLosesNothing", hangLosesNothing},
		{"RestartLosesNothing", restartLosesNothing},
		{"HangIsNoticed", hangIsNoticed},
		{"CloseEndsHang", closeEndsHang},
		{"CloseEndsBlockedSend", closeEndsBlockedSend},
		{"ContextEndsBlockedSend", contextEndsBlockedSend},
	}
	for _, behaviour := range behaviours {
		t.Run(behaviour.name, func(t *testing.T) {
			options := []goleak.Option{
				goleak.IgnoreCurrent(),
				// of the broker that was started again, and of the proxy, which keeps its own until it ends
				goleak.IgnoreAnyFunction("golang.org/x/sys/unix.Waitid"),
				goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
				goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
				goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*Proxy).server"),
				goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*Proxy).freeBlocker"),
				goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
				// of a reader that came back with the broker
				goleak.IgnoreAnyFunction("github.com/eclipse/paho.golang/paho.(*Client).incoming"),
				goleak.IgnoreAnyFunction("github.com/eclipse/paho.golang/paho.(*Client).routePublishPackets"),
				goleak.IgnoreAnyFunction("github.com/eclipse/paho.golang/paho.(*DefaultPinger).Run"),
			}
			b.Restore()
			behaviour.test(t, b)
			b.Restore()
			goleak.VerifyNone(t, options...)
		})
	}
}
