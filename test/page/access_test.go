package page_test

import (
	"fmt"
	"net/http"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/edge-video/edge-video/test/harness"
)

// TestAccess_ViewersSeeAndOperatorsSteer opens the page as either, and takes the viewer's password away.
func TestAccess_ViewersSeeAndOperatorsSteer(t *testing.T) {
	t.Parallel()
	users := func(viewer string) string {
		return fmt.Sprintf(", users: [{name: eve, role: viewer, password_hash: '%s'}, {name: olga, role: operator, password_hash: '%s'}]", hashed(t, viewer), hashed(t, "steer"))
	}
	options := harness.NodeOptions{Program: program, Cameras: "  - {id: cam-1, url: 'lavfi:testsrc2=size=320x180:rate=10'}", HTTP: users("look")}
	node := harness.StartNode(t, options)
	resp, err := http.Get(node.URL() + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a name the page answers %s", resp.Status)
	}
	viewer := open(t, node, "#/camera/cam-1", look{user: "eve:look"})
	viewer.wait("a live picture", stage+".dataset.mode === 'live'")
	if n := get[int](viewer, "document.querySelectorAll('.acts button').length"); n != 1 { // that of the dialog of keys
		t.Errorf("a viewer has %d buttons to steer", n-1)
	}
	operator := open(t, node, "#/camera/cam-1", look{user: "olga:steer"})
	operator.wait("what an operator may do", "document.querySelector('[data-act=kick]')")
	operator.click("[data-act=kick]")
	operator.wait("the answer", "document.querySelector('#said').textContent.includes('cam-1: tried now')")
	options.HTTP = users("another")
	node.Configure(options)
	node.Hangup()
	viewer.wait("the page to ask for a name", "!document.querySelector('#cut').hidden && document.querySelector('#link').textContent === 'not signed in' && document.querySelector('#cut-act').textContent === 'Sign in'")
	viewer.shot("not-signed-in")
}

func hashed(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}
