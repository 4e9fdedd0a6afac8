package node

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

const (
	// fullShare is the part of the processor's time in use from which pictures are bound to be missing; below roomShare there is room again.
	fullShare, roomShare = 0.95, 0.90
	// shareRun is how many samples in a row it takes to believe either.
	shareRun = 3
)

// processor notices that the machine's processor is full. FFmpeg then reads later than the camera sends, and what the camera cannot get
// rid of it drops by itself: no sequence number shows that, only a rate below the one asked for. It sees the whole machine; the bound of
// a container it does not know.
type processor struct {
	read func() (busy, all float64, err error) // seconds of all cores since the machine started

	busy, all float64
	share     float64 // in use since the sample before, 0 to 1
	against   int     // samples in a row that speak against full
	full      bool
	since     time.Time // of full
}

// machineTime is what Linux counts.
func machineTime() (busy, all float64, err error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, 0, fmt.Errorf("looking at the processor: %w", err)
	}
	stat, err := fs.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("looking at the processor: %w", err)
	}
	t := stat.CPUTotal // guests are counted under user and nice
	busy = t.User + t.Nice + t.System + t.IRQ + t.SoftIRQ + t.Steal
	return busy, busy + t.Idle + t.Iowait, nil
}

// sample reads the time since the last sample and reports whether the processor has become full, or is so no more.
func (p *processor) sample(now time.Time) (changed bool, err error) {
	busy, all, err := p.read()
	if err != nil {
		return false, err
	}
	first := p.all == 0
	spent, passed := busy-p.busy, all-p.all
	p.busy, p.all = busy, all
	if first || passed <= 0 {
		return false, nil
	}
	p.share = spent / passed
	if p.full && p.share < roomShare || !p.full && p.share >= fullShare {
		p.against++
	} else {
		p.against = 0
	}
	if p.against < shareRun {
		return false, nil
	}
	p.full, p.since, p.against = !p.full, now, 0
	return true, nil
}

// reason is what is wrong, for people; "" while there is room.
func (p *processor) reason() string {
	if !p.full {
		return ""
	}
	return fmt.Sprintf("the processor is full (%.0f %% in use, since %s): cameras may deliver fewer pictures than asked for",
		100*p.share, p.since.UTC().Format(time.RFC3339))
}
