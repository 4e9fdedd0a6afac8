package node

import (
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

// memoryPeriod is how often memory is given back.
const memoryPeriod = time.Second

// idleMemory is how much memory the runtime may keep that nothing uses.
const idleMemory = 64 << 20

// returnMemory gives memory back to the system that a burst has left behind, such as that of a fleet that starts all at once. By itself
// the runtime takes minutes over it. It takes some milliseconds, and only where there is much to give back.
func returnMemory() {
	free := []runtimemetrics.Sample{{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	runtimemetrics.Read(free)
	if idle, used := free[0].Value.Uint64(), free[1].Value.Uint64(); idle > max(idleMemory, used) {
		debug.FreeOSMemory()
	}
}
