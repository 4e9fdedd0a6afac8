package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// Sink is a broker that can be asked whether it would take a frame.
type Sink interface {
	Check(ctx context.Context, f *schema.Frame) error
}

// takesNothing is what to do about a broker that takes no frames.
var takesNothing = map[bridge.Fault]string{
	bridge.FaultRefused:     "see that the broker runs, and the URL's host and port",
	bridge.FaultTimeout:     "see that the broker answers, its address, and what firewalls are between",
	bridge.FaultLost:        "see the broker's log: it ended the connection",
	bridge.FaultUnknownHost: "see the URL's host, and this machine's DNS and routes",
	bridge.FaultTLS:         "see tls.ca, tls.certificate and tls.server_name, and that the URL's scheme and port belong together",
	bridge.FaultCredentials: "see user and password in the URL; special characters are written as %XX",
	bridge.FaultPermission:  "give the user the right to write there",
	bridge.FaultMissing:     "make the virtual host, database or exchange, or see its name",
	bridge.FaultConflict:    "something of that name exists and is of another kind: rename one of them",
	bridge.FaultBlocked:     "the broker takes nothing now: see its alarms of memory and disk",
	bridge.FaultFull:        "the server's memory is used up: raise its limit, shorten ttl, or let it evict",
	bridge.FaultReadOnly:    "the server is a replica: name the master, or use sentinel",
	bridge.FaultLoading:     "the server is starting: ask again in a while",
}

// Broker is how a bridge's broker is looked at.
type Broker struct {
	Bridge string
	Where  string // for people
	Sink   Sink
	Frame  *schema.Frame // the largest there may be
	// Declares says that the bridge makes what is missing.
	Declares bool
	// Untold is what cannot be found out, "" for nothing.
	Untold string
}

// Bridge asks a broker whether it would take frames.
func Bridge(b Broker) Check {
	return func(ctx context.Context) []Finding {
		f := Finding{Area: "bridge", Of: b.Bridge, Status: OK, What: fmt.Sprintf("%s would take frames of up to %d KiB", b.Where,
			len(b.Frame.Data)>>10)}
		if b.Untold != "" {
			f.What += "; " + b.Untold
		}
		err := b.Sink.Check(ctx, b.Frame)
		fault := bridge.FaultOf(err)
		switch {
		case err == nil:
		case errors.Is(err, bridge.ErrRejected):
			f.Area, f.Status, f.What = "payload", Fail, fmt.Sprintf("%s: %s", b.Where, err)
			f.Remedy = "raise the broker's limit, or lower max_frame, which is what a picture may have at most"
		case fault == bridge.FaultMissing && b.Declares:
			f.Status, f.What = Warn, fmt.Sprintf("%s: %s", b.Where, err)
			f.Remedy = "the bridge makes what is missing when it connects: its user must be allowed to configure that, which was not tried"
		default:
			f.Status, f.What, f.Remedy = Fail, fmt.Sprintf("%s: %s", b.Where, err), takesNothing[fault]
			if f.Remedy == "" {
				f.Remedy = "see the broker's log"
			}
		}
		return []Finding{f}
	}
}

// BridgeOfNode says how a bridge is that is at work.
func BridgeOfNode(name string, s schema.BridgeStatus) Finding {
	f := Finding{Area: "bridge", Of: name, Status: OK, Figures: map[string]any{"state": s.State, "pending": s.Pending,
		"delivered": s.Delivered},
		What: fmt.Sprintf("at work on node %s, breaker %s, %d delivered, %d to go", s.Node, s.State, s.Delivered, s.Pending)}
	if s.Error != "" {
		f.Status, f.What, f.Remedy = Warn, f.What+": "+s.Error, takesNothing[bridge.Fault(s.Fault)]
	}
	if s.State == schema.BreakerOpen {
		f.Status = Fail
	}
	if f.Status != OK && f.Remedy == "" {
		f.Remedy = "see the events of the bridge: nats sub --stream EVENTS 'events.*.bridge.>' --all"
	}
	return f
}
