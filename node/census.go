package node

import (
	"sync"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
)

// census tells in events how many of the node's cameras deliver, whenever that changes.
type census struct {
	fleet   *Fleet
	journal *journal.Journal

	mu              sync.Mutex // held while counting, so that the last event is the last count
	cameras, active int        // as told last
}

// take counts.
func (c *census) take() {
	c.mu.Lock()
	defer c.mu.Unlock()
	posts := c.fleet.now()
	active := 0
	for _, p := range posts {
		if p.station.snapshot().State == schema.CameraUp {
			active++
		}
	}
	if len(posts) == c.cameras && active == c.active {
		return
	}
	c.cameras, c.active = len(posts), active
	c.journal.Event(schema.Event{Class: schema.ClassNode, Name: c.fleet.config.Node, Kind: schema.KindCameras,
		Cameras: c.cameras, Active: c.active})
}
