package doctor_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/cmd/edge-video/doctor"
	"github.com/edge-video/edge-video/schema"
)

func TestReport_IsAsBadAsItsWorstFinding(t *testing.T) {
	for want, all := range map[doctor.Status][]doctor.Status{
		doctor.OK: {doctor.OK}, doctor.Warn: {doctor.OK, doctor.Warn, doctor.OK}, doctor.Fail: {doctor.Warn, doctor.Fail, doctor.OK},
	} {
		r := doctor.Report{}
		for _, s := range all {
			r.Findings = append(r.Findings, doctor.Finding{Status: s})
		}
		if r.Sum(); r.Status != want {
			t.Errorf("%v are %s, want %s", all, r.Status, want)
		}
	}
}

// TestDisk_MeasuresAndLeavesNothing also tells a disk that is too slow or too small for what is asked of it.
func TestDisk_MeasuresAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		needs        doctor.DiskNeeds
		space, speed doctor.Status
	}{
		"enough":    {doctor.DiskNeeds{Dir: filepath.Join(dir, "data"), StreamBytes: 1 << 20, Rate: 1}, doctor.OK, doctor.OK},
		"too slow":  {doctor.DiskNeeds{Dir: dir, StreamBytes: 1 << 20, Rate: 1e15}, doctor.OK, doctor.Fail},
		"too small": {doctor.DiskNeeds{Dir: dir, StreamBytes: 1 << 60}, doctor.Warn, doctor.OK},
	} {
		f := doctor.Disk(c.needs)(t.Context())
		if len(f) != 2 || f[0].Status != c.space || f[1].Status != c.speed || f[1].Figures["bytes_per_second"].(int64) <= 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestPort_IsNotTheNodesBecauseOneRuns(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() {
		for {
			conn, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 smtp\r\n"))
			_ = conn.Close()
		}
	}()
	for _, http := range []bool{false, true} {
		for _, running := range []bool{false, true} {
			l := doctor.Listener{Key: "nats.listen", Address: other.Addr().String(), HTTP: http, Server: "lisbon-n1"}
			if f := doctor.Port(l, running)(t.Context())[0]; f.Status != doctor.Fail || !strings.Contains(f.Remedy, "ss -ltnp") {
				t.Errorf("HTTP %v, running %v: %+v", http, running, f)
			}
		}
	}
}

// answer is a broker of that answer.
type answer struct{ err error }

func (a answer) Check(context.Context, *schema.Frame) error { return a.err }

func TestBridge_RemedyGoesByTheFault(t *testing.T) {
	missing := &bridge.SinkFault{Fault: bridge.FaultMissing, Err: errors.New("no exchange")}
	for _, c := range []struct {
		err      error
		declares bool
		status   doctor.Status
		area     string
	}{
		{nil, false, doctor.OK, "bridge"},
		{missing, false, doctor.Fail, "bridge"},
		{missing, true, doctor.Warn, "bridge"},
		{&bridge.SinkFault{Fault: bridge.FaultPermission, Err: errors.New("no")}, true, doctor.Fail, "bridge"},
		{bridge.ErrRejected, false, doctor.Fail, "payload"},
		{errors.New("unheard of"), false, doctor.Fail, "bridge"},
	} {
		f := doctor.Bridge(doctor.Broker{Bridge: "b", Sink: answer{c.err}, Frame: &schema.Frame{}, Declares: c.declares})(t.Context())[0]
		if f.Status != c.status || f.Area != c.area || (c.err == nil) != (f.Remedy == "") {
			t.Errorf("%v: %+v", c.err, f)
		}
	}
}
