package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/edge-video/edge-video/node"
)

// TestSiteAdd_CredentialsThatCannotBeWrittenEndNoOthers wants them written where there is no directory.
func TestSiteAdd_CredentialsThatCannotBeWrittenEndNoOthers(t *testing.T) {
	path, dataDir := write(t, "hub: {mirror: true}\nnats: {leaf: {listen: '127.0.0.1:7422'}}\n")
	output := filepath.Join(t.TempDir(), "lisbon.creds")
	if r := execute(t, "site", "add", "lisbon", "--config", path, "--output", output); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	if text, err := os.ReadFile(output); err != nil || !strings.Contains(string(text), "USER NKEY SEED") {
		t.Errorf("got %q, %v", text, err)
	}
	before, err := node.ReadSites(dataDir)
	if err != nil || len(before) != 1 {
		t.Fatalf("got %v, %v", before, err)
	}
	if r := execute(t, "site", "add", "lisbon", "--replace", "--config", path, "--output", "/nowhere/lisbon.creds"); r.code != exitFailed || !strings.Contains(r.err, "/nowhere") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if after, err := node.ReadSites(dataDir); err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("got %v, %v, want %v", after, err, before)
	}
}
