package redis

import (
	"fmt"

	"github.com/edge-video/edge-video/bridge"
)

// tooLong is what a server replies to a value above its proto-max-bulk-len, before it ends the connection.
const tooLong = "Protocol error: invalid bulk length"

// limit is the size in bytes of the largest frame that the server may take, as far as the last connection found out; 0 is not known.
// The server tells it only by ending the connection: so a frame that is larger is tried once, and refused on the next connection.
type limit int64

func (l limit) check(size int) error {
	if l > 0 && size > int(l) {
		return fmt.Errorf("%w: %d bytes are more than the server takes; its proto-max-bulk-len is too small", bridge.ErrRejected, size)
	}
	return nil
}

// learn is the limit after a pipeline was refused: its largest frame at any rate was too large.
func learn(items []bridge.Item) limit {
	most := 0
	for _, it := range items {
		most = max(most, len(it.Frame.Data))
	}
	return limit(most - 1)
}
