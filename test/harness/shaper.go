package harness

import (
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// lineBuffer is what a shaped line takes in ahead of what it has sent: the buffer of a modest router.
const lineBuffer = 128 << 10

// shaper is a toxic that is always in place. Once shaped it is a line: bytes leave it at a rate, and arrive a while later. Toxiproxy's
// own toxics have no bound in bytes for what is under way, and cannot be added to a link that is in use (see gate).
type shaper struct {
	ended   chan struct{} // closed for good when the proxy is not needed any more
	mu      sync.Mutex
	rate    int64 // bytes a second of each connection; 0 is no bound
	latency time.Duration
}

func (s *shaper) shape(rate int64, latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate, s.latency = rate, latency
}

func (s *shaper) state() (rate int64, latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rate, s.latency
}

// parcel is a chunk that is under way.
type parcel struct {
	*stream.StreamChunk
	sent, due time.Time // its last byte leaves, and arrives
}

// Pipe moves chunks of one connection in one direction. The end of the connection comes behind them, as a chunk that is nil.
func (s *shaper) Pipe(stub *toxics.ToxicStub) {
	var line []parcel
	arrival := time.NewTimer(0)
	defer arrival.Stop()
	for {
		input := stub.Input
		if waiting(line) >= lineBuffer {
			input = nil
		}
		var arrived <-chan time.Time
		if len(line) > 0 {
			arrival.Reset(min(time.Until(line[0].due), 50*time.Millisecond)) // room is looked for meanwhile
			arrived = arrival.C
		}
		select {
		case <-s.ended:
			stub.Close()
			return
		case <-stub.Interrupt:
			return
		case chunk := <-input:
			rate, latency := s.state()
			p := parcel{StreamChunk: chunk, sent: time.Now()}
			if len(line) > 0 && line[len(line)-1].sent.After(p.sent) {
				p.sent = line[len(line)-1].sent
			}
			if chunk != nil && rate > 0 {
				p.sent = p.sent.Add(time.Duration(int64(len(chunk.Data)) * int64(time.Second) / rate))
			}
			p.due = p.sent.Add(latency)
			line = append(line, p)
		case <-arrived:
		}
		for len(line) > 0 && !line[0].due.After(time.Now()) {
			if line[0].StreamChunk == nil {
				stub.Close()
				return
			}
			select {
			case stub.Output <- line[0].StreamChunk:
			case <-s.ended:
				stub.Close()
				return
			}
			line = line[1:]
		}
	}
}

// waiting is how many bytes of a line have not been sent.
func waiting(line []parcel) (n int) {
	now := time.Now()
	for _, p := range line {
		if p.StreamChunk != nil && p.sent.After(now) {
			n += len(p.Data)
		}
	}
	return n
}
