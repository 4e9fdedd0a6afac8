package node

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ServerConfig is what the embedded NATS server is told.
type ServerConfig struct {
	Site, Node string
	DataDir    string

	Listen  string        // host:port for clients; "" = in-process only
	File    string        // a plain nats-server.conf to merge; "" = none
	Leaf    LeafConfig    // leaf node links
	Cluster ClusterConfig // routes to other nodes of the site
	Stream  StreamConfig  // limits of FRAMES
	Uplink  *UplinkConfig // limits of UPLINK; nil = there is none
	Hub     bool          // sites may be given credentials to connect as leaf nodes

	MaxFrame int // bytes of the largest picture; the payload limit leaves room for headers beside it

	Ping time.Duration // between two probes of a connection, which counts as lost after four without an answer; 0 is 15 s
}

// UplinkConfig is the limits of UPLINK.
type UplinkConfig struct {
	MaxAge   time.Duration
	MaxBytes int64
}

// ClusterConfig joins the nodes of one site.
type ClusterConfig struct {
	Name, Listen string
	Routes       []string
}

const (
	// pingInterval and pingsOut are how soon a connection over which nothing comes counts as lost: within 60 to 75 s. A link's answer
	// waits behind the frames under way, which on a slow one may take most of that.
	pingInterval = 15 * time.Second
	pingsOut     = 3
)

// headerRoom is what the payload limit allows for a frame's headers.
const headerRoom = 64 << 10

// MaxPayload is the payload limit of the embedded server for pictures of at most maxFrame bytes.
func MaxPayload(maxFrame int) int32 { return int32(maxFrame + headerRoom) }

// errOperatorMode says that the merged configuration wants credentials signed by an operator, which the node does not have.
var errOperatorMode = errors.New("nats.config uses operator mode (JWT); define accounts and users in the file instead")

// options builds the server's options: ours, then the operator's file over them, then what the node cannot do without. own are
// the users that the node defines, sites those that have credentials. What the server merely warns of in the file goes to warn.
func (c *ServerConfig) options(own users, sites []Site, warn func(error)) (o *server.Options, err error) {
	o = &server.Options{
		ServerName:             c.Site + "-" + c.Node,
		JetStreamDomain:        c.Site,
		MaxPayload:             MaxPayload(c.MaxFrame),
		MaxPending:             128 << 20, // above what a consumer's pull of many frames brings at once
		PingInterval:           cmp.Or(c.Ping, pingInterval),
		MaxPingsOut:            pingsOut,
		WriteDeadline:          10 * time.Second,
		NoFastProducerStall:    true, // a slow viewer loses messages, no camera waits for it
		StreamMaxBufferedSize:  256 << 20,
		DisableJetStreamBanner: true,
	}
	if err := c.listeners(o); err != nil {
		return nil, err
	}
	if c.File != "" {
		if err := o.ProcessConfigFile(c.File); err != nil {
			err = fmt.Errorf("reading nats.config %s: %w", c.File, err)
			if !onlyWarnings(err) {
				return nil, err
			}
			warn(err)
		}
	}
	o.ConfigFile = "" // the server must not reread the file by itself: it would lose what is set here
	o.NoSigs, o.NoLog = true, false
	o.JetStream = true
	if o.StoreDir == "" {
		o.StoreDir = c.DataDir
	}
	if o.JetStreamMaxStore <= 0 {
		o.JetStreamMaxStore = c.Stream.storeLimit()
		if c.Uplink != nil {
			o.JetStreamMaxStore += c.Uplink.MaxBytes
		}
		if disk, err := DiskOf(c.DataDir); c.Hub && err == nil {
			o.JetStreamMaxStore = max(o.JetStreamMaxStore, disk.Total-disk.Floor) // how many sites will come is not known
		}
	}
	if o.JetStreamMaxMemory <= 0 {
		o.JetStreamMaxMemory = 64 << 20
	}
	o.DontListen = o.Host == "" && o.Port == 0
	c.Stream.Sync.apply(o)
	if int(o.MaxPayload) < c.MaxFrame+headerRoom {
		return nil, fmt.Errorf("nats.config sets max_payload %d, below capture.max_frame %d and %d for headers; raise max_payload or lower max_frame",
			o.MaxPayload, c.MaxFrame, headerRoom)
	}
	return o, c.accounts(o, own, sites)
}

// onlyWarnings tells the two kinds apart that the server returns as one error.
func onlyWarnings(err error) bool {
	var all interface{ Errors() []error }
	return errors.As(err, &all) && len(all.Errors()) == 0
}

func (c *ServerConfig) listeners(o *server.Options) error {
	var err error
	if o.Host, o.Port, err = hostPort("nats.listen", c.Listen); err != nil {
		return err
	}
	if err := c.leaf(o); err != nil {
		return err
	}
	if c.Cluster.Listen != "" {
		o.Cluster.Name = c.Cluster.Name
		if o.Cluster.Host, o.Cluster.Port, err = hostPort("nats.cluster.listen", c.Cluster.Listen); err != nil {
			return err
		}
		for _, r := range c.Cluster.Routes {
			u, err := url.Parse(r)
			if err != nil {
				return errors.New("nats.cluster.routes: a url cannot be read")
			}
			o.Routes = append(o.Routes, u)
		}
	}
	return nil
}

// hostPort takes a listen address apart; the server writes "any free port" as -1.
func hostPort(key, address string) (string, int, error) {
	if address == "" {
		return "", 0, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%s %q: %w; write host:port", key, address, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 0 || n > 65535 {
		return "", 0, fmt.Errorf("%s %q: the port is not a number from 0 to 65535", key, address)
	}
	if n == 0 {
		n = server.RANDOM_PORT
	}
	return host, n, nil
}
