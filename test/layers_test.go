// Package test_test holds rules over the whole module.
package test_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/edge-video/edge-video/"

// layers are the packages of the product and what they may import of one another: only what stands in a lower layer, and node and
// bridge never each other.
var layers = map[string]int{
	"schema":                      0,
	"schema/journal":              1,
	"node/archive":                1,
	"node/process":                1,
	"node/render":                 2,
	"node/camera":                 2,
	"node/cluster":                2,
	"bridge":                      2,
	"node":                        3,
	"node/hub":                    3,
	"node/link":                   4,
	"node/web":                    4,
	"bridge/mqtt":                 3,
	"bridge/rabbitmq":             3,
	"bridge/redis":                3,
	"bridge/uplink":               3,
	"cmd/edge-video/config":       5,
	"cmd/edge-video/doctor":       6,
	"cmd/edge-video/migrate":      6,
	"cmd/edge-video/onvif":        6,
	"cmd/edge-video/registration": 6,
	"cmd/edge-video/telling":      6,
	"cmd/edge-video":              7,
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestImports_PointDownOnly(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if name == "test" || strings.HasPrefix(name, "test/") {
			continue
		}
		layer, known := layers[name]
		if !known {
			t.Errorf("package %s has no layer; give it one", name)
			continue
		}
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, module)
			if !ours {
				if name == "schema" && strings.Contains(strings.Split(imported, "/")[0], ".") {
					t.Errorf("schema imports %s, and may import the standard library alone", imported)
				}
				continue
			}
			if strings.HasPrefix(to, "test") {
				t.Errorf("%s imports the tests' package %s", name, to)
			} else if layers[to] >= layer {
				t.Errorf("%s imports %s, which is not below it", name, to)
			}
			if a, b := side(name), side(to); a != b && a != "" && b != "" {
				t.Errorf("%s imports %s: node and bridge meet in JetStream alone", name, to)
			}
		}
	}
}

// side is "node" or "bridge" for the packages of either.
func side(name string) string {
	top, _, _ := strings.Cut(name, "/")
	if top == "node" || top == "bridge" {
		return top
	}
	return ""
}

// TestProgram_HoldsNoTestPackage keeps what only tests need out of the program.
func TestProgram_HoldsNoTestPackage(t *testing.T) {
	for _, p := range list(t) {
		if p.ImportPath != module+"cmd/edge-video" {
			continue
		}
		for _, d := range p.Deps {
			for _, only := range []string{"testing", "github.com/Shopify/toxiproxy", "go.uber.org/goleak", "github.com/google/go-cmp", "github.com/santhosh-tekuri/jsonschema", module + "test"} {
				if d == only || strings.HasPrefix(d, only+"/") {
					t.Errorf("the program holds %s", d)
				}
			}
		}
	}
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
