package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/cmd/edge-video/onvif"
)

// TestDiscover_PrintsConfigurationThatLoads also where devices say what YAML, or the configuration, would take for more than text.
func TestDiscover_PrintsConfigurationThatLoads(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &discoverCommand{Username: `vi"ewer`, PasswordFile: secret}
	text := string(d.configuration([]foundDevice{
		{Service: "http://10.0.0.5/", Name: "Gate North", Streams: []onvif.Profile{{Name: "main",
			URL: "rtsp://10.0.0.5/a?b=1&c='\"#{}${HOME}", Width: 1920, Height: 1080}, {Name: "sub", URL: "rtsp://10.0.0.5/sub"}}},
		{Service: "http://10.0.0.6/", Name: "Gate North", Streams: []onvif.Profile{{Name: "a: b\n- {id: c}", URL: "rtsp://10.0.0.6/"}}},
		{Service: "http://10.0.0.7/", Name: "é: {", Error: "no\nanswer", Streams: []onvif.Profile{}, err: onvif.ErrCredentials},
	}))
	cfg, _, err := config.Parse("found.yaml", []byte(text), func(string) (string, bool) {
		t.Error("a variable was looked up")
		return "",
			false
	})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if len(cfg.Cameras) != 2 || cfg.Cameras[0].ID != "gate-north" || cfg.Cameras[1].ID != "gate-north-2" ||
		!strings.HasSuffix(cfg.Cameras[0].URL.Reveal(), "${HOME}") ||
		cfg.Cameras[0].Username != `vi"ewer` || cfg.Cameras[0].Password.Reveal() != "hunter2" {
		t.Errorf("%+v of\n%s", cfg.Cameras, text)
	}
	if strings.Contains(text, "hunter2") || !strings.Contains(text, "give --username") {
		t.Errorf("%s", text)
	}
	if _, _, err := config.Parse("none.yaml", (&discoverCommand{}).configuration(nil), os.LookupEnv); err != nil {
		t.Errorf("of nothing: %v", err)
	}
}

// simulator is an ONVIF device on loopback, which answers a probe at the address returned.
func simulator(t *testing.T) (probes string) {
	t.Helper()
	var service string
	soap := func(text string) string {
		return `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">` + text + `</s:Envelope>`
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for question, answer := range map[string]string{
			"<GetServices":  `<GetServicesResponse><Service><Namespace>http://www.onvif.org/ver10/media/wsdl</Namespace><XAddr>` + service + `</XAddr></Service></GetServicesResponse>`,
			"<GetProfiles":  `<GetProfilesResponse><Profiles token="1"><Name>main</Name></Profiles></GetProfilesResponse>`,
			"<GetStreamUri": `<GetStreamUriResponse><MediaUri><Uri>rtsp://127.0.0.1/main</Uri></MediaUri></GetStreamUriResponse>`,
		} {
			if strings.Contains(string(body), question) {
				fmt.Fprint(w, soap("<s:Body>"+answer+"</s:Body>"))
			}
		}
	}))
	t.Cleanup(web.Close)
	service = web.URL
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := conn.ReadFromUDP(b)
			if err != nil {
				return
			}
			id := regexp.MustCompile(`MessageID>([^<]*)<`).FindSubmatch(b[:n])
			if id == nil {
				continue
			}
			answer := soap("<s:Header><RelatesTo>" + string(id[1]) + "</RelatesTo></s:Header><s:Body><ProbeMatches><ProbeMatch><Scopes>onvif://www.onvif.org/name/Gate</Scopes><XAddrs>" +
				service + "</XAddrs></ProbeMatch></ProbeMatches></s:Body>")
			// Where it is lost, the probe comes again.
			_, _ = conn.WriteToUDP([]byte(answer), from)
		}
	}()
	return conn.LocalAddr().String()
}

func TestDiscover_FindsADeviceAndItsStreams(t *testing.T) {
	r := execute(t, "discover", "--to", simulator(t), "--timeout", "1s")
	cfg, _, err := config.Parse("found.yaml", []byte(r.out), os.LookupEnv)
	if r.code != 0 || err != nil || len(cfg.Cameras) != 1 || cfg.Cameras[0].ID != "gate" ||
		cfg.Cameras[0].URL.Reveal() != "rtsp://127.0.0.1/main" {
		t.Errorf("exit %d, %v, %s%s", r.code, err, r.out, r.err)
	}
}

func TestDiscover_SaysWhatToDoWhereNothingAnswers(t *testing.T) {
	if r := execute(t, "discover", "--to", "127.0.0.1:1", "--timeout", (100 * time.Millisecond).String()); r.code != exitFailed ||
		r.err == "" {
		t.Errorf("exit %d, %s%s", r.code, r.out, r.err)
	}
	if r := execute(t, "discover", "--username", "viewer"); r.code != exitUsage || !strings.Contains(r.err, "--password-file") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
	r := execute(t, "discover", "127.0.0.1:1")
	if r.code != 0 || !strings.Contains(r.out, "refused") {
		t.Errorf("exit %d, %s%s", r.code, r.out, r.err)
	}
}
