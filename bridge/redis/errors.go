package redis

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/bridge"
)

// classify tells a server that does not take frames now, or cannot be reached, from one that refuses this frame.
func classify(err error) error {
	var reply redis.Error
	if err == nil {
		return nil
	}
	if !errors.As(err, &reply) {
		return fmt.Errorf("%w: %w", bridge.ErrNotConnected, err)
	}
	fault := faultOf(reply.Error())
	switch fault {
	case "":
		return fmt.Errorf("%w: %w", bridge.ErrRejected, err)
	case bridge.FaultConflict:
		err = fmt.Errorf("%w (cluster: true belongs to servers that are nodes of a cluster, and to no others)", err)
	}
	return &bridge.SinkFault{Fault: fault, Err: err}
}

// faultOf is the class of an error reply that speaks of the server's state, its configuration or our rights there, which an operator
// can change; "" for one that refuses the frame. The first word of a reply is its code.
func faultOf(reply string) bridge.Fault {
	code, rest, _ := strings.Cut(reply, " ")
	switch code {
	case "WRONGPASS", "NOAUTH":
		return bridge.FaultCredentials
	case "NOPERM", "DENIED":
		return bridge.FaultPermission
	case "OOM":
		return bridge.FaultFull
	case "READONLY", "MASTERDOWN":
		return bridge.FaultReadOnly
	case "LOADING":
		return bridge.FaultLoading
	case "MISCONF", "BUSY", "UNKILLABLE", "NOREPLICAS", "CLUSTERDOWN":
		return bridge.FaultBlocked
	case "TRYAGAIN": // a slot is on its way to another master, and will be there soon
		return bridge.FaultOther
	case "MOVED", "ASK": // a node of a cluster, and nothing says that it is one
		return bridge.FaultConflict
	case "ERR":
		return faultOfText(rest)
	}
	return ""
}

// faultOfText is the class of an error reply without a code of its own.
func faultOfText(text string) bridge.Fault {
	for _, known := range []struct {
		beginning string
		fault     bridge.Fault
	}{
		{"max number of clients", bridge.FaultBlocked},
		{"DB index is out of range", bridge.FaultMissing},
		{"SELECT is not allowed in cluster mode", bridge.FaultMissing},
		{"This instance has cluster support disabled", bridge.FaultConflict},
		{"AUTH ", bridge.FaultCredentials}, // a password where the server asks for none
		{"invalid password", bridge.FaultCredentials},
		{"unknown command", bridge.FaultPermission}, // taken away by the server's configuration
		{"The user executing the script can't", bridge.FaultPermission},
		{tooLong, bridge.FaultOther},
	} {
		if strings.HasPrefix(text, known.beginning) {
			return known.fault
		}
	}
	return ""
}
