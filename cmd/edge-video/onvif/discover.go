package onvif

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Group is where devices listen for probes.
const Group = "239.255.255.250:3702"

// probes is how often a probe is sent: datagrams get lost.
const probes = 3

// probeText asks for video transmitters; %s is the message's id.
const probeText = `<?xml version="1.0" encoding="UTF-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" ` +
	`xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header>` +
	`<w:MessageID>%s</w:MessageID><w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>` +
	`<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>` +
	`<e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>`

// Discover sends probes to an address, which is [Group] but for tests, from each of the local addresses, and returns the devices that
// answer before ctx ends, which is what ends it. It fails where no probe could be sent.
func Discover(ctx context.Context, to string, from []net.IP) ([]Device, error) {
	target, err := net.ResolveUDPAddr("udp4", to)
	if err != nil {
		return nil, fmt.Errorf("discovering: %w", err)
	}
	s := search{found: map[string]*Device{}}
	var g sync.WaitGroup
	errs := make([]error, len(from))
	for i, ip := range from {
		g.Go(func() { errs[i] = s.probe(ctx, target, ip) })
	}
	g.Wait()
	if failed := errors.Join(errs...); failed != nil && !slices.Contains(errs, nil) {
		return nil, fmt.Errorf("discovering: %w", failed)
	}
	all := make([]Device, 0, len(s.found))
	for _, d := range s.found {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b Device) int { return strings.Compare(a.Services[0], b.Services[0]) })
	return all, nil
}

// search gathers answers of all interfaces.
type search struct {
	mu    sync.Mutex
	found map[string]*Device // by id
}

// probe asks from one local address until ctx ends.
func (s *search) probe(ctx context.Context, to *net.UDPAddr, from net.IP) error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: from})
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	id := newID()
	sent, finish := context.WithCancel(ctx)
	defer finish()
	var g sync.WaitGroup
	defer g.Wait()
	first := make(chan error, 1)
	g.Go(func() { send(sent, conn, to, fmt.Appendf(nil, probeText, id), first) })
	if err := <-first; err != nil {
		return err
	}
	b := make([]byte, maxDatagram)
	for {
		n, sender, err := conn.ReadFromUDP(b)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			finish()
			return err
		}
		// Anyone may send anything to this port: what is no answer is passed over.
		if devices, err := parseMatches(b[:n], id); err == nil {
			for _, d := range devices {
				prefer(d.Services, sender.IP.String())
			}
			s.add(devices)
		}
	}
}

// send sends the probe, and again. What came of the first goes to first.
func send(ctx context.Context, conn *net.UDPConn, to *net.UDPAddr, probe []byte, first chan<- error) {
	for i := range probes {
		_, err := conn.WriteToUDP(probe, to)
		if i == 0 {
			first <- err
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// prefer puts the addresses of the host that answered first: others may be of a network that cannot be reached from here.
func prefer(services []string, host string) {
	slices.SortStableFunc(services, func(a, b string) int {
		at := func(text string) bool {
			u, err := url.Parse(text)
			return err == nil && u.Hostname() == host
		}
		switch {
		case at(a) == at(b):
			return 0
		case at(a):
			return -1
		}
		return 1
	})
}

func newID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// add takes devices, each once with all its addresses.
func (s *search) add(devices []Device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range devices {
		if known := s.found[d.ID]; known != nil {
			for _, u := range d.Services {
				if !slices.Contains(known.Services, u) && len(known.Services) < maxProfiles {
					known.Services = append(known.Services, u)
				}
			}
		} else if len(s.found) < maxDevices {
			s.found[d.ID] = &d
		}
	}
}

// matches is the answer to a probe.
type matches struct {
	RelatesTo string `xml:"Header>RelatesTo"`
	Matches   []struct {
		Address string `xml:"EndpointReference>Address"`
		Scopes  string `xml:"Scopes"`
		XAddrs  string `xml:"XAddrs"`
	} `xml:"Body>ProbeMatches>ProbeMatch"`
}

// parseMatches reads an answer to the probe of that id. Devices without an address that can be used are left out.
func parseMatches(b []byte, id string) ([]Device, error) {
	var m matches
	if err := decode(b, &m); err != nil {
		return nil, err
	}
	if strings.TrimSpace(m.RelatesTo) != id {
		return nil, fmt.Errorf("%w: to another question", ErrAnswer)
	}
	var all []Device
	for _, match := range m.Matches[:min(len(m.Matches), maxDevices)] {
		d := Device{ID: plain(match.Address)}
		for _, text := range strings.Fields(match.XAddrs) {
			if u, err := address(text, "http", "https"); err == nil && len(d.Services) < maxProfiles {
				d.Services = append(d.Services, u.String())
			}
		}
		if len(d.Services) == 0 {
			continue
		}
		if d.ID == "" {
			d.ID = d.Services[0]
		}
		d.Name, d.Hardware = scope(match.Scopes, "name/"), scope(match.Scopes, "hardware/")
		all = append(all, d)
	}
	return all, nil
}

// scope is the value of an ONVIF scope, "" where there is none.
func scope(scopes, name string) string {
	for _, s := range strings.Fields(scopes) {
		if value, ok := strings.CutPrefix(s, "onvif://www.onvif.org/"+name); ok {
			if text, err := url.PathUnescape(value); err == nil {
				return plain(text)
			}
		}
	}
	return ""
}

// address reads a URL of one of the schemes, and takes credentials out of it.
func address(text string, schemes ...string) (*url.URL, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%w: an address of %d bytes", ErrAnswer, len(text))
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme) || plain(u.String()) != u.String() {
		return nil, fmt.Errorf("%w: an address that is none", ErrAnswer)
	}
	u.User = nil
	return u, nil
}

// plain is text in one line without anything that a terminal or a file of YAML would take for more than text.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r == '\ufffd' {
			return -1
		}
		return r
	}, strings.TrimSpace(text))
	if len(text) > maxText {
		return strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}

// decode reads XML whose elements are nested no deeper than maxDepth.
func decode(b []byte, into any) error {
	if len(b) > maxAnswer {
		return fmt.Errorf("%w: more than %d bytes", ErrAnswer, maxAnswer)
	}
	depth := 0
	for d := xml.NewDecoder(strings.NewReader(string(b))); ; {
		token, err := d.RawToken()
		if err != nil {
			break // the end, or what the reading below says
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.Directive:
			return fmt.Errorf("%w: it holds a document type", ErrAnswer)
		}
		if depth > maxDepth {
			return fmt.Errorf("%w: nested too deeply", ErrAnswer)
		}
	}
	if err := xml.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return nil
}
