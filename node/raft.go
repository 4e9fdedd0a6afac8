package node

import (
	"sync"
	"time"
	_ "unsafe" // go:linkname
)

// nats-server has no options for the clocks of its Raft groups. They are made for clusters that span regions: without a leader a group waits
// 4 to 9 seconds before it elects another, which would be the longest part of a takeover. Nodes of a site are neighbours, so the clocks run at
// twice the speed here, all of them, and stand to one another as the server's authors have set them.
var (
	//go:linkname electionLeast github.com/nats-io/nats-server/v2/server.minElectionTimeout
	electionLeast time.Duration
	//go:linkname electionMost github.com/nats-io/nats-server/v2/server.maxElectionTimeout
	electionMost time.Duration
	//go:linkname raftHeartbeat github.com/nats-io/nats-server/v2/server.hbInterval
	raftHeartbeat time.Duration
)

// hastenElections is called before the process's first server of a cluster starts. Where another nats-server has other names for its clocks
// these here are of no effect; a test says so.
var hastenElections = sync.OnceFunc(func() {
	for _, clock := range []*time.Duration{&electionLeast, &electionMost, &raftHeartbeat} {
		*clock /= 2
	}
})
