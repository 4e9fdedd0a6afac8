package onvif

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const envelope = `<?xml version="1.0" encoding="UTF-8"?><S:Envelope xmlns:S="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" ` +
	`xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" ` +
	`xmlns:tt="http://www.onvif.org/ver10/schema">%s</S:Envelope>`

func match(id, address, scopes string, xaddrs ...string) string {
	return fmt.Sprintf(envelope, `<S:Header><wsa:RelatesTo>`+id+`</wsa:RelatesTo></S:Header><S:Body><d:ProbeMatches><d:ProbeMatch><wsa:EndpointReference><wsa:Address>`+
		address+`</wsa:Address></wsa:EndpointReference><d:Scopes>`+scopes+`</d:Scopes><d:XAddrs>`+strings.Join(xaddrs, " ")+`</d:XAddrs></d:ProbeMatch></d:ProbeMatches></S:Body>`)
}

// answerProbes answers each probe that comes to a port of loopback.
func answerProbes(t *testing.T, answers func(id string) []string) (address string) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, maxDatagram)
		for {
			n, from, err := conn.ReadFromUDP(b)
			if err != nil {
				return
			}
			_, rest, _ := strings.Cut(string(b[:n]), "MessageID>")
			id, _, _ := strings.Cut(rest, "<")
			for _, a := range answers(id) {
				if _, err := conn.WriteToUDP([]byte(a), from); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return conn.LocalAddr().String()
}

func TestDiscover_FindsEachDeviceOnceAmongNoise(t *testing.T) {
	to := answerProbes(t, func(id string) []string {
		return []string{
			match(id, "urn:uuid:1", "onvif://www.onvif.org/name/Gate%20North onvif://www.onvif.org/hardware/X1",
				"http://10.0.0.5/onvif/device_service", "http://127.0.0.1/onvif/device_service"),
			match(id, "urn:uuid:1", "", "http://10.0.0.5/onvif/device_service"),
			match(id, "urn:uuid:2", "onvif://www.onvif.org/name/a%0Ab%1B[2J", "http://u:hunter2@10.0.0.6/"),
			match("urn:uuid:another", "urn:uuid:3", "", "http://10.0.0.7/"),
			match(id, "urn:uuid:4", "", "file:///etc/passwd", "http://"),
			"no XML", "", "<a>" + strings.Repeat("<a>", 20_000),
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	all, err := Discover(ctx, to, []net.IP{net.IPv4(127, 0, 0, 1)})
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if d := all[1]; d.Services[0] != "http://127.0.0.1/onvif/device_service" || len(d.Services) != 2 || d.Name != "Gate North" ||
		d.Hardware != "X1" {
		t.Errorf("%+v", d)
	}
	if d := all[0]; d.Services[0] != "http://10.0.0.6/" || d.Name != "ab[2J" {
		t.Errorf("%+v", d)
	}
}

// device is an ONVIF device whose clock is an hour ahead.
type device struct {
	t        *testing.T
	old      bool // knows no GetServices
	second   bool // has the second media service, too
	broken   bool // which fails
	password string
	url      string
}

func (d *device) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b := make([]byte, 64<<10)
	n, _ := r.Body.Read(b)
	body := string(b[:n])
	now := time.Now().Add(time.Hour).UTC()
	answer := func(text string) { fmt.Fprintf(w, envelope, "<S:Body>"+text+"</S:Body>") }
	if strings.Contains(body, "<GetSystemDateAndTime") {
		answer(fmt.Sprintf(`<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime><tt:Time><tt:Hour>%d</tt:Hour><tt:Minute>%d</tt:Minute><tt:Second>%d</tt:Second></tt:Time>`+
			`<tt:Date><tt:Year>%d</tt:Year><tt:Month>%d</tt:Month><tt:Day>%d</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>`,
			now.Hour(), now.Minute(), now.Second(), now.Year(), now.Month(), now.Day()))
		return
	}
	if !d.admits(body, now) {
		w.WriteHeader(http.StatusBadRequest)
		answer(`<S:Fault><S:Code><S:Value>S:Sender</S:Value><S:Subcode><S:Value>ter:NotAuthorized</S:Value></S:Subcode></S:Code></S:Fault>`)
		return
	}
	switch {
	case strings.Contains(body, "<GetServices") && d.old:
		w.WriteHeader(http.StatusInternalServerError)
		answer(`<S:Fault><S:Code><S:Value>S:Receiver</S:Value></S:Code></S:Fault>`)
	case strings.Contains(body, "<GetServices") && d.second:
		answer(`<tds:GetServicesResponse><tds:Service><tds:Namespace>http://www.onvif.org/ver10/media/wsdl</tds:Namespace><tds:XAddr>http://192.0.2.1:9/media</tds:XAddr></tds:Service>` +
			`<tds:Service><tds:Namespace>http://www.onvif.org/ver20/media/wsdl</tds:Namespace><tds:XAddr>http://192.0.2.1:9/media2</tds:XAddr></tds:Service></tds:GetServicesResponse>`)
	case strings.Contains(body, "<GetServices"):
		answer(`<tds:GetServicesResponse><tds:Service><tds:Namespace>http://www.onvif.org/ver10/media/wsdl</tds:Namespace><tds:XAddr>http://192.0.2.1:9/media</tds:XAddr></tds:Service></tds:GetServicesResponse>`)
	case strings.Contains(body, "<GetCapabilities"):
		answer(`<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media><tt:XAddr>` + d.url + `/media</tt:XAddr></tt:Media></tds:Capabilities></tds:GetCapabilitiesResponse>`)
	case r.URL.Path == "/media2" && d.broken:
		w.WriteHeader(http.StatusInternalServerError)
		answer(`<S:Fault><S:Code><S:Value>S:Receiver</S:Value></S:Code></S:Fault>`)
	case r.URL.Path == "/media2":
		d.media2(body, answer)
	case r.URL.Path != "/media":
		w.WriteHeader(http.StatusNotFound)
	case strings.Contains(body, "<GetProfiles"):
		answer(`<trt:GetProfilesResponse><trt:Profiles token="p&lt;1"><tt:Name>main</tt:Name><tt:VideoEncoderConfiguration><tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>1920</tt:Width>` +
			`<tt:Height>1080</tt:Height></tt:Resolution><tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit></tt:RateControl></tt:VideoEncoderConfiguration></trt:Profiles></trt:GetProfilesResponse>`)
	case strings.Contains(body, "<GetStreamUri") && strings.Contains(body, "<ProfileToken>p&lt;1</ProfileToken>"):
		answer(`<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>rtsp://admin:secret@10.0.0.5:554/main?a=1&amp;b=2</tt:Uri></trt:MediaUri></trt:GetStreamUriResponse>`)
	default:
		d.t.Errorf("asked for %s", body)
	}
}

// media2 answers as the second media service.
func (d *device) media2(body string, answer func(string)) {
	const ns = `xmlns="http://www.onvif.org/ver20/media/wsdl"`
	switch {
	case strings.Contains(body, "<GetProfiles "+ns+"><Type>VideoEncoder</Type>"):
		answer(`<tr2:GetProfilesResponse xmlns:tr2="http://www.onvif.org/ver20/media/wsdl"><tr2:Profiles token="p2"><tr2:Name>main</tr2:Name><tr2:Configurations><tr2:VideoEncoder token="v">` +
			`<tt:Encoding>H265</tt:Encoding><tt:Resolution><tt:Width>3840</tt:Width><tt:Height>2160</tt:Height></tt:Resolution>` +
			`<tt:RateControl ConstantBitRate="false"><tt:FrameRateLimit>12.5</tt:FrameRateLimit></tt:RateControl></tr2:VideoEncoder></tr2:Configurations></tr2:Profiles></tr2:GetProfilesResponse>`)
	case strings.Contains(body, "<GetStreamUri "+ns+"><Protocol>RTSP</Protocol><ProfileToken>p2</ProfileToken>"):
		answer(`<tr2:GetStreamUriResponse xmlns:tr2="http://www.onvif.org/ver20/media/wsdl"><tr2:Uri>rtsp://10.0.0.5/second</tr2:Uri></tr2:GetStreamUriResponse>`)
	default:
		d.t.Errorf("asked the second media service for %s", body)
	}
}

// admits checks the token as the standard says, and that it was made just now by the device's own clock.
func (d *device) admits(body string, now time.Time) bool {
	part := func(before, after string) string {
		_, rest, _ := strings.Cut(body, before)
		text, _, _ := strings.Cut(rest, after)
		return text
	}
	if d.password == "" {
		return true
	}
	created, err := time.Parse(time.RFC3339, part("<u:Created>", "<"))
	var nonce []byte
	if err == nil {
		nonce, err = base64.StdEncoding.DecodeString(part(`soap-message-security-1.0#Base64Binary">`, "<"))
	}
	return err == nil && now.Sub(created).Abs() < time.Minute && strings.Contains(body, "<w:Username>viewer</w:Username>") &&
		part(`#PasswordDigest">`, "<") == digest(nonce, part("<u:Created>", "<"), d.password)
}

func TestProfiles_ByServicesAndByCapabilitiesWithADigest(t *testing.T) {
	first := Profile{Token: "p<1", Name: "main", Codec: "H264", Width: 1920, Height: 1080, FPS: 25, URL: "rtsp://10.0.0.5:554/main?a=1&b=2"}
	second := Profile{Token: "p2", Name: "main", Codec: "H265", Width: 3840, Height: 2160, FPS: 12.5, URL: "rtsp://10.0.0.5/second"}
	for _, c := range []struct {
		device device
		want   Profile
	}{{device{}, first}, {device{old: true}, first}, {device{second: true}, second}, {device{second: true, broken: true}, first}} {
		d := c.device
		d.t, d.password = t, "hunter2"
		s := httptest.NewServer(&d)
		defer s.Close()
		d.url = s.URL
		all, err := (&Client{Username: "viewer", Password: "hunter2"}).Profiles(t.Context(), s.URL+"/onvif/device_service")
		if err != nil || len(all) != 1 || all[0] != c.want {
			t.Errorf("%+v, %v, want %+v", all, err, c.want)
		}
		for _, c := range []Client{{}, {Username: "viewer", Password: "wrong"}} {
			if _, err := c.Profiles(t.Context(), s.URL+"/"); !errors.Is(err, ErrCredentials) {
				t.Errorf("%v, want %v", err, ErrCredentials)
			}
		}
	}
}

// TestDigest_IsThatOfTheStandard takes the example of the ONVIF Application Programmer's Guide.
func TestDigest_IsThatOfTheStandard(t *testing.T) {
	nonce, err := base64.StdEncoding.DecodeString("LKqI6G/AikKCQrN0zqZFlg==")
	if err != nil {
		t.Fatal(err)
	}
	if got := digest(nonce, "2010-09-16T07:50:45Z", "userpassword"); got != "tuOSpGlFlIXsozq4HFNeeGeFLEI=" {
		t.Errorf("got %s", got)
	}
}

func TestProfiles_HostileAnswersAreErrors(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"endless": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<a>"+strings.Repeat("x", 2*maxAnswer)) },
		"deep":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("<a>", 50_000)) },
		"entities": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`)
		},
		"no XML": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
	} {
		s := httptest.NewServer(http.HandlerFunc(answer))
		if _, err := (&Client{}).Profiles(t.Context(), s.URL); !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %v, want %v", name, err, ErrAnswer)
		}
		s.Close()
	}
}

func FuzzParseMatches(f *testing.F) {
	const id = "urn:uuid:1"
	f.Add([]byte(match(id, "urn:uuid:2", "onvif://www.onvif.org/name/a%0Ab", "http://10.0.0.5/ http://[fe80::1]/ http://u:p@h/x")))
	f.Add([]byte("<a><b/></a>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parseMatches(b, id)
		if err != nil && !errors.Is(err, ErrAnswer) {
			t.Errorf("%v is no %v", err, ErrAnswer)
		}
		for _, d := range all {
			for _, text := range append([]string{d.ID, d.Name, d.Hardware}, d.Services...) {
				if len(text) > 3*maxText || strings.ContainsAny(text, "\n\r\x1b\x00") {
					t.Errorf("%q is no plain text", text)
				}
			}
			for _, s := range d.Services {
				if u, err := address(s, "http", "https"); err != nil || u.User != nil {
					t.Errorf("%q: %v", s, err)
				}
			}
		}
	})
}
