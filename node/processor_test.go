package node

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestProcessor_IsFullAfterThreeSamplesInARowAndFreeAgainTheSameWay(t *testing.T) {
	var busy, all float64
	p := processor{read: func() (float64, float64, error) { return busy, all, nil }}
	sample := func(share float64) bool {
		t.Helper()
		busy, all = busy+10*share, all+10
		changed, err := p.sample(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	all = 1000
	sample(1) // there is nothing to compare with yet
	steps := []struct {
		share         float64
		changed, full bool
	}{
		{1, false, false}, {0.99, false, false}, {0.5, false, false}, // not in a row
		{1, false, false}, {1, false, false}, {0.96, true, true},
		{0.92, false, true}, {0.92, false, true}, {0.92, false, true}, // not enough room
		{0.5, false, true}, {0.5, false, true}, {0.5, true, false},
	}
	for i, s := range steps {
		if changed := sample(s.share); changed != s.changed || p.full != s.full {
			t.Fatalf("sample %d of %v: changed %v, full %v, want %v and %v", i, s.share, changed, p.full, s.changed, s.full)
		}
		if said := strings.Contains(p.reason(), "processor is full"); said != s.full {
			t.Errorf("sample %d: the reason is %q", i, p.reason())
		}
	}
}

func TestProcessor_AFaultChangesNothing(t *testing.T) {
	fault := errors.New("no /proc")
	p := processor{full: true, read: func() (float64, float64, error) { return 0, 0, fault }}
	if changed, err := p.sample(time.Now()); changed || !errors.Is(err, fault) || !p.full {
		t.Errorf("changed %v, error %v, full %v", changed, err, p.full)
	}
}

func TestMachineTime_Grows(t *testing.T) {
	busy, all, err := machineTime()
	if err != nil {
		t.Fatal(err)
	}
	if busy <= 0 || all <= busy {
		t.Errorf("%v of %v seconds in use", busy, all)
	}
}
