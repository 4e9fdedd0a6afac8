package node

import (
	"testing"
	"time"
)

// TestElections_TheServersClocksRunAtTwiceTheSpeed finds the clocks under the names that this nats-server has for them. They would be zero
// under other names.
func TestElections_TheServersClocksRunAtTwiceTheSpeed(t *testing.T) {
	hastenElections()
	hastenElections()
	got := [3]time.Duration{electionLeast, electionMost, raftHeartbeat}
	if want := [3]time.Duration{2 * time.Second, 4500 * time.Millisecond, 500 * time.Millisecond}; got != want {
		t.Errorf("an election comes after %v to %v without a heartbeat, and those are %v apart, want %v", got[0], got[1], got[2], want)
	}
}
