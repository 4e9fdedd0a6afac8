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
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &reply), notNow(reply.Error()):
		return fmt.Errorf("%w: %w", bridge.ErrNotConnected, err)
	default:
		return fmt.Errorf("%w: %w", bridge.ErrRejected, err)
	}
}

// notNow reports whether an error reply speaks of the server's state, its configuration or our rights there, which an operator can
// change, and not of the frame. The first word of a reply is its code.
func notNow(reply string) bool {
	code, rest, _ := strings.Cut(reply, " ")
	switch code {
	case "OOM", "READONLY", "LOADING", "MASTERDOWN", "MISCONF", "BUSY", "UNKILLABLE", "NOREPLICAS", "TRYAGAIN", // state
		"CLUSTERDOWN", "MOVED", "ASK", // another node of a cluster has the key
		"NOAUTH", "WRONGPASS", "NOPERM", "DENIED": // rights
		return true
	case "ERR":
		return strings.HasPrefix(rest, "max number of clients") || strings.HasPrefix(rest, "unknown command")
	}
	return false
}
