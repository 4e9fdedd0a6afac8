package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/schema"
)

// What the kernel says of its clock (linux/timex.h).
const (
	clockError    = 5    // the state: not synchronised
	clockUnsynced = 0x40 // a bit of the status, the same
)

// tolerable is how far two clocks may differ before times of frames are misleading.
const tolerable = time.Second

// Clock asks the kernel whether something keeps the time.
func Clock(context.Context) []Finding {
	f := Finding{Area: "clock", Status: OK}
	const remedy = "run chrony, ntpd or systemd-timesyncd, here or on the machine that holds this container"
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	off := time.Duration(t.Esterror) * time.Microsecond
	switch {
	case err != nil:
		f.Status, f.What, f.Remedy = Warn, fmt.Sprintf("the system does not say whether its clock is synchronised: %s", err), remedy
	case state == clockError || t.Status&clockUnsynced != 0:
		f.Status, f.What, f.Remedy = Warn, "the system says that its clock is not synchronised; frames carry its time", remedy
	default:
		f.What = fmt.Sprintf("synchronised, to within about %s", off)
		f.Figures = map[string]any{"estimated_error_seconds": off.Seconds()}
	}
	return []Finding{f}
}

// ClockOf compares the clock with that of whoever leads a site's FRAMES, which is the site's node, or another one of its cluster. A site
// beyond a link is asked with remote set.
func ClockOf(nc *nats.Conn, site string, remote bool) Check {
	return func(ctx context.Context) []Finding {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		api := "$JS.API"
		if remote {
			api = schema.DomainAPI(site)
		}
		f := Finding{Area: "clock", Of: "of site " + site, Status: Warn,
			Remedy: "see that the site is connected, and that these credentials may ask for its streams"}
		began := time.Now()
		m, err := nc.RequestWithContext(ctx, api+".STREAM.INFO."+schema.StreamFrames, nil)
		took := time.Since(began)
		var answer struct {
			TS time.Time `json:"ts"`
		}
		if err == nil {
			err = json.Unmarshal(m.Data, &answer)
		}
		switch {
		case err != nil:
			f.What = fmt.Sprintf("the time of FRAMES cannot be asked for: %s", err)
			return []Finding{f}
		case answer.TS.IsZero():
			f.What = "FRAMES tells no time"
			return []Finding{f}
		}
		apart := answer.TS.Sub(began.Add(took / 2))
		f.Figures = map[string]any{"ahead_seconds": apart.Seconds(), "within_seconds": (took / 2).Seconds()}
		if apart.Abs() > tolerable+took/2 {
			f.What = fmt.Sprintf("%s apart from this machine's", apart.Abs().Round(time.Millisecond))
			f.Remedy = "have both keep the time with chrony, ntpd or systemd-timesyncd"
			return []Finding{f}
		}
		f.Status, f.What, f.Remedy = OK, fmt.Sprintf("the same as this machine's, to within %s", (apart.Abs()+took/2).Round(time.Millisecond)), ""
		return []Finding{f}
	}
}
