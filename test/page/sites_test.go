package page_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

// TestSites_HubAndSiteShowTheirLink looks at both ends of a link, and at a site's camera through its hub.
func TestSites_HubAndSiteShowTheirLink(t *testing.T) {
	t.Parallel()
	door := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	hub := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "hub", NATS: ", leaf: {listen: '" + door + "'}", More: "hub: {mirror: true}\n"})
	credentials := filepath.Join(t.TempDir(), "lisbon.creds")
	if out, err := exec.Command(program, "site", "add", "lisbon", "--config", hub.Config, "--output", credentials).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	site := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "lisbon", Cameras: "  - {id: cam-1, url: 'lavfi:testsrc2=size=320x180:rate=10'}",
		NATS: fmt.Sprintf(", leaf: {remotes: [{url: 'nats-leaf://%s', credentials: '%s'}]}", door, credentials)})
	harness.WaitFor(t, time.Minute, "the camera to deliver", func() bool { return site.Metric("edge_video_camera_up") == 1 })
	links := open(t, site, "#/sites", look{})
	links.wait("the link", "document.querySelector('h1').textContent === 'Links' && document.querySelector('.card .state')?.textContent.startsWith('up')")
	links.shot("links")
	sites := open(t, hub, "#/sites", look{})
	sites.wait("the site", "document.querySelector('h1').textContent === 'Sites' && document.querySelector('[aria-label=\"Site lisbon\"] .state')?.textContent.startsWith('up')")
	sites.wait("its cameras", "document.querySelector('.card').textContent.includes('1 of 1 up')")
	sites.shot("sites")
	camera := open(t, hub, "#/camera/lisbon.cam-1", look{})
	camera.wait("a live picture through the hub", stage+".dataset.mode === 'live'")
	camera.shot("hub-camera")
}
