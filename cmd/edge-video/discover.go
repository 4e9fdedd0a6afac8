package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/cmd/edge-video/onvif"
	"github.com/edge-video/edge-video/schema"
)

// discoverAtOnce is how many devices are asked for their streams at a time.
const discoverAtOnce = 8

type discoverCommand struct {
	Devices      []string      `arg:"" optional:"" placeholder:"DEVICE" help:"Hosts or URLs of device services to ask, instead of looking for devices."`
	Username     string        `placeholder:"NAME" help:"User of the cameras. Every device that is asked gets a digest of the password: give a user who may only view."`
	PasswordFile string        `placeholder:"FILE" help:"File with the password; the configuration that is printed names it."`
	Interface    []string      `placeholder:"NAME" help:"Look on this network interface alone; may be given again."`
	Timeout      time.Duration `default:"3s" help:"How long devices are waited for. By default ${default}."`
	JSON         bool          `name:"json" help:"Print what was found as JSON."`
	To           string        `hidden:"" default:"239.255.255.250:3702"`
}

// foundDevice is a device with its streams; its JSON is an interface.
type foundDevice struct {
	Service  string          `json:"service"`
	Name     string          `json:"name,omitempty"`
	Hardware string          `json:"hardware,omitempty"`
	Streams  []onvif.Profile `json:"streams"`         // the largest first
	Error    string          `json:"error,omitempty"` // why there are none, or not all

	err error
}

// Run looks for ONVIF cameras and prints configuration for them.
func (d *discoverCommand) Run(ctx context.Context, c console) error {
	client := onvif.Client{Username: d.Username}
	if (d.Username == "") != (d.PasswordFile == "") {
		return usageError{"--username and --password-file belong together"}
	}
	if d.PasswordFile != "" {
		var err error
		if client.Password, err = readPassword(d.PasswordFile); err != nil {
			return err
		}
		if d.PasswordFile, err = filepath.Abs(d.PasswordFile); err != nil {
			return fmt.Errorf("finding %s: %w", d.PasswordFile, err)
		}
	}
	found, err := d.devices(ctx)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("no ONVIF device answers; see that ONVIF is switched on in the cameras, and give --interface, " +
			"or the addresses of devices beyond a router")
	}
	all := make([]foundDevice, len(found))
	var g errgroup.Group
	g.SetLimit(discoverAtOnce)
	for i, device := range found {
		g.Go(func() error {
			all[i] = ask(ctx, &client, device)
			return nil
		})
	}
	_ = g.Wait() // none has an error
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d.JSON {
		return c.json(all)
	}
	_, err = c.out.Write(d.configuration(all))
	return err
}

// readPassword reads a file the way the configuration does.
func readPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// devices are those that were named, or those that answer.
func (d *discoverCommand) devices(ctx context.Context) (all []onvif.Device, err error) {
	for _, name := range d.Devices {
		if !strings.Contains(name, "://") {
			name = "http://" + name + "/onvif/device_service"
		}
		all = append(all, onvif.Device{Services: []string{name}})
	}
	if len(all) > 0 {
		return all, nil
	}
	from, err := onvif.Addresses(d.Interface...)
	if err != nil {
		return nil, err
	}
	if len(from) == 0 {
		return nil, errors.New("no network interface has an IPv4 address and multicast; give one with --interface, or the devices' addresses")
	}
	if ip, _, err := net.SplitHostPort(d.To); err == nil && net.ParseIP(ip).IsLoopback() {
		from = []net.IP{net.ParseIP(ip)}
	}
	waiting, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	if all, err = onvif.Discover(waiting, d.To, from); ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return all, err
}

// ask asks a device for its streams, at each of its addresses until one answers.
func ask(ctx context.Context, client *onvif.Client, device onvif.Device) foundDevice {
	found := foundDevice{Name: device.Name, Hardware: device.Hardware, Streams: []onvif.Profile{}}
	for _, service := range device.Services {
		streams, err := client.Profiles(ctx, service)
		found.Service, found.err, found.Error = service, err, ""
		if err != nil {
			found.Error = err.Error()
		}
		if len(streams) > 0 {
			found.Streams = streams
		}
		if err == nil || len(streams) > 0 || errors.Is(err, onvif.ErrCredentials) {
			break
		}
	}
	slices.SortStableFunc(found.Streams, func(a, b onvif.Profile) int { return b.Width*b.Height - a.Width*a.Height })
	return found
}

// configuration is the devices' largest streams as cameras, the others beside them as comments.
func (d *discoverCommand) configuration(all []foundDevice) []byte {
	var b bytes.Buffer
	taken := map[string]bool{}
	fmt.Fprintf(&b, "# ONVIF devices: %d\ncameras:\n", len(all))
	none := true
	for _, f := range all {
		fmt.Fprintf(&b, "  # %s at %s\n", strings.TrimSpace(f.Name+" "+f.Hardware), comment(f.Service))
		if f.Error != "" {
			fmt.Fprintf(&b, "  # %s\n", comment(f.Error))
		}
		if errors.Is(f.err, onvif.ErrCredentials) {
			b.WriteString("  # give --username and --password-file of a user of this device\n")
		}
		for i, s := range f.Streams {
			lead := "  - "
			if i > 0 {
				lead = "  # - "
			}
			none = none && i > 0
			id := s.Name
			if i == 0 {
				id = f.Name
			}
			fmt.Fprintf(&b, "%s%s # %s\n", lead, d.camera(unique(id, taken), s.URL), comment(describeStream(s)))
		}
	}
	if none {
		b.WriteString("  []\n")
	}
	return b.Bytes()
}

// camera is a camera's entry.
func (d *discoverCommand) camera(id, url string) string {
	text := fmt.Sprintf("{id: %s, url: %s", quoted(id), quoted(url))
	if d.Username != "" {
		text += fmt.Sprintf(", username: %s, password_file: %s", quoted(d.Username), quoted(d.PasswordFile))
	}
	return text + "}"
}

// quoted is text as the configuration's YAML takes it, in which ${ would be a variable.
func quoted(text string) string {
	// Text can always be encoded, and what JSON calls a string is one in YAML too.
	b, _ := json.Marshal(strings.ReplaceAll(text, "${", "$${"))
	return string(b)
}

// comment is text that stays in its line.
func comment(text string) string { return strings.Join(strings.Fields(text), " ") }

func describeStream(s onvif.Profile) string {
	text := "profile " + s.Name
	if s.Codec != "" {
		text += ", " + s.Codec
	}
	if s.Width > 0 {
		text += fmt.Sprintf(" %dx%d", s.Width, s.Height)
	}
	if s.FPS > 0 {
		text += fmt.Sprintf(", up to %g fps", s.FPS)
	}
	return text
}

// unique makes an id out of a name.
func unique(name string, taken map[string]bool) string {
	id := strings.Map(func(r rune) rune {
		if r < 0x80 && schema.ValidName(string(r)) {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if id = strings.Trim(id, "-"); id == "" {
		id = "camera"
	}
	id = id[:min(len(id), 56)]
	for n, base := 2, id; taken[id]; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	taken[id] = true
	return id
}
