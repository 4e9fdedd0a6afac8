package redis

import (
	"bytes"
	"net"

	"github.com/redis/go-redis/v9"
)

const (
	// gatherBuffer is the client's own buffer in front of a gather. What is larger the client hands over as it is, but for a beginning that
	// fills the buffer.
	gatherBuffer = 1 << 10
	// gatherBytes are sent together, or what one pipeline has.
	gatherBytes = 1 << 20
)

// gather is a connection that sends many pictures with one call to the system and without copying them. What the client writes is only
// noted until it is much, or until the client wants to read. A picture is noted in place: it stays as it is until its answer. All else is
// copied, since the client writes over it.
type gather struct {
	*wire
	lent   map[*byte][]byte // pictures, by the place of their last byte
	noted  net.Buffers
	bytes  int    // written by the client since the last send
	copies []byte // that noted refers to
}

func newGather(w *wire) *gather { return &gather{wire: w, lent: map[*byte][]byte{}} }

// lend says which pictures may be noted in place: those among the arguments of commands that are about to be sent.
func (g *gather) lend(commands []redis.Cmder) {
	for _, c := range commands {
		for _, arg := range c.Args() {
			if picture, ok := arg.([]byte); ok && len(picture) > gatherBuffer {
				g.lent[&picture[len(picture)-1]] = picture
			}
		}
	}
}

// back says that they have been answered.
func (g *gather) back() { clear(g.lent) }

// Write notes. Of a picture it gets the end, behind a beginning that went through the client's buffer: that is taken back, so that the
// picture is noted as a whole. It then lies as it was allocated, which the system copies faster.
func (g *gather) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	g.bytes += len(b)
	picture, last := g.lent[&b[len(b)-1]], len(g.noted)-1
	begun := len(picture) - len(b)
	if begun < 0 {
		g.copies = append(g.copies, b...)
		g.noted = append(g.noted, g.copies[len(g.copies)-len(b):])
		return len(b), nil
	}
	if last >= 0 && bytes.HasSuffix(g.noted[last], picture[:begun]) {
		g.noted[last] = g.noted[last][:len(g.noted[last])-begun]
		g.noted = append(g.noted, picture)
	} else {
		g.noted = append(g.noted, b)
	}
	if g.bytes < gatherBytes {
		return len(b), nil
	}
	return len(b), g.send()
}

// Read sends what is noted first.
func (g *gather) Read(b []byte) (int, error) {
	if err := g.send(); err != nil {
		return 0, err
	}
	return g.wire.Read(b)
}

func (g *gather) send() error {
	if g.bytes == 0 {
		return nil
	}
	rest := g.noted
	err := g.writeAll(&rest)
	clear(g.noted)
	g.noted, g.copies, g.bytes = g.noted[:0], g.copies[:0], 0
	return err
}
