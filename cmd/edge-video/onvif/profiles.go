package onvif

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"
)

// Namespaces of ONVIF's two media services. The second tells of H.265 too; devices that have it mostly have the first as well.
const (
	media1 = "http://www.onvif.org/ver10/media/wsdl"
	media2 = "http://www.onvif.org/ver20/media/wsdl"
)

// Profiles asks a device for its streams, its second media service first. Without credentials most devices refuse, which is [ErrCredentials].
func (c *Client) Profiles(ctx context.Context, service string) ([]Profile, error) {
	device, err := address(service, "http", "https")
	if err != nil {
		return nil, err
	}
	var offset time.Duration
	if c.Username != "" {
		offset = c.ahead(ctx, device.String())
	}
	services, err := c.media(ctx, device, offset)
	if err != nil {
		return nil, err
	}
	var all []Profile
	for _, s := range services {
		if all, err = c.profiles(ctx, s, offset); err == nil && len(all) > 0 || refusal(err) {
			break
		}
	}
	return all, err
}

// media is a media service of a device.
type media struct{ namespace, url string }

// encoder is how a profile's video is encoded.
type encoder struct {
	Codec  string  `xml:"Encoding"`
	Width  int     `xml:"Resolution>Width"`
	Height int     `xml:"Resolution>Height"`
	FPS    float64 `xml:"RateControl>FrameRateLimit"`
}

// profiles asks one media service.
func (c *Client) profiles(ctx context.Context, m media, offset time.Duration) (all []Profile, err error) {
	var answer struct {
		Profiles []struct {
			Token   string   `xml:"token,attr"`
			Name    string   `xml:"Name"`
			First   *encoder `xml:"VideoEncoderConfiguration"`
			Encoder *encoder `xml:"Configurations>VideoEncoder"` // of the second service
		} `xml:"Body>GetProfilesResponse>Profiles"`
	}
	body := `<GetProfiles xmlns="` + m.namespace + `"/>`
	if m.namespace == media2 {
		body = `<GetProfiles xmlns="` + m.namespace + `"><Type>VideoEncoder</Type></GetProfiles>`
	}
	if err := c.call(ctx, m.url, body, offset, &answer); err != nil {
		return nil, fmt.Errorf("asking for profiles: %w", err)
	}
	for _, a := range answer.Profiles[:min(len(answer.Profiles), maxProfiles)] {
		p := Profile{Token: a.Token, Name: plain(a.Name)}
		if e := cmp.Or(a.Encoder, a.First); e != nil {
			p.Codec, p.Width, p.Height, p.FPS = plain(e.Codec), e.Width, e.Height, e.FPS
		}
		if len(a.Token) > maxText {
			continue
		}
		if p.URL, err = c.stream(ctx, m, a.Token, offset); err != nil {
			return all, fmt.Errorf("asking for the stream of profile %q: %w", p.Name, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// media are the media services of a device, the best first.
func (c *Client) media(ctx context.Context, device *url.URL, offset time.Duration) (all []media, err error) {
	var services struct {
		All []struct {
			Namespace string `xml:"Namespace"`
			XAddr     string `xml:"XAddr"`
		} `xml:"Body>GetServicesResponse>Service"`
	}
	body := `<GetServices xmlns="http://www.onvif.org/ver10/device/wsdl"><IncludeCapability>false</IncludeCapability></GetServices>`
	err = c.call(ctx, device.String(), body, offset, &services)
	if refusal(err) {
		return nil, fmt.Errorf("asking for services: %w", err)
	}
	for _, namespace := range []string{media2, media1} {
		for _, s := range services.All {
			if s.Namespace != namespace {
				continue
			}
			u, err := at(device, s.XAddr)
			if err != nil {
				return nil, err
			}
			all = append(all, media{namespace, u})
			break
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	var capabilities struct {
		XAddr string `xml:"Body>GetCapabilitiesResponse>Capabilities>Media>XAddr"`
	}
	body = `<GetCapabilities xmlns="http://www.onvif.org/ver10/device/wsdl"><Category>Media</Category></GetCapabilities>`
	if err := c.call(ctx, device.String(), body, offset, &capabilities); err != nil {
		return nil, fmt.Errorf("asking for capabilities: %w", err)
	}
	u, err := at(device, capabilities.XAddr)
	return []media{{media1, u}}, err
}

// at is a service of a device at the host that answers. Another host is not followed: behind NAT it is wrong, and it would get the
// credentials' digest.
func at(device *url.URL, text string) (string, error) {
	u, err := address(text, "http", "https")
	if err != nil {
		return "", err
	}
	if u.Hostname() != device.Hostname() {
		u.Scheme, u.Host = device.Scheme, device.Host
	}
	return u.String(), nil
}

// stream is the URL of a profile's stream, without credentials.
func (c *Client) stream(ctx context.Context, m media, token string, offset time.Duration) (string, error) {
	var answer struct {
		First string `xml:"Body>GetStreamUriResponse>MediaUri>Uri"`
		URI   string `xml:"Body>GetStreamUriResponse>Uri"` // of the second service
	}
	setup := `<StreamSetup><Stream xmlns="http://www.onvif.org/ver10/schema">RTP-Unicast</Stream>` +
		`<Transport xmlns="http://www.onvif.org/ver10/schema"><Protocol>RTSP</Protocol></Transport></StreamSetup>`
	if m.namespace == media2 {
		setup = `<Protocol>RTSP</Protocol>`
	}
	body := `<GetStreamUri xmlns="` + m.namespace + `">` + setup + `<ProfileToken>` + escape(token) + `</ProfileToken></GetStreamUri>`
	if err := c.call(ctx, m.url, body, offset, &answer); err != nil {
		return "", err
	}
	u, err := address(cmp.Or(answer.URI, answer.First), "rtsp", "rtsps", "http", "https")
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// Addresses are the IPv4 addresses of this machine's interfaces from which multicast can be sent, of those with one of the names, or all
// without names.
func Addresses(names ...string) ([]net.IP, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	var all []net.IP
	for _, i := range interfaces {
		if len(names) > 0 && !slices.Contains(names, i.Name) || len(names) == 0 &&
			i.Flags&(net.FlagMulticast|net.FlagUp) != net.FlagMulticast|net.FlagUp {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("listing the addresses of %s: %w", i.Name, err)
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
				all = append(all, n.IP.To4())
			}
		}
	}
	return all, nil
}
