package web_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/edge-video/edge-video/node/web"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// described is the API's description, with a validator of what it says of answers.
type described struct {
	t        *testing.T
	doc      map[string]any
	compiler *jsonschema.Compiler
}

// TestOpenAPI_IsWhatTheServerDoes holds the description to name every route, and nothing else, and answers to be as it says.
func TestOpenAPI_IsWhatTheServerDoes(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	d := described{t: t, compiler: jsonschema.NewCompiler()}
	s.get("/api/v1/openapi.json").json(t, &d.doc)
	if r := s.get("/api/v1/openapi.yaml"); !strings.HasPrefix(string(r.body), "openapi: 3.1") ||
		r.Header.Get("Content-Type") != "application/yaml" {
		t.Errorf("the YAML is %.40q", r.body)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.get("/api/v1/openapi.json").body))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.compiler.AddResource("api.json", doc); err != nil {
		t.Fatal(err)
	}
	var described []string
	for path, item := range d.doc["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(described)
	if served := web.Patterns(s.web); !slices.Equal(described, served) {
		t.Errorf("described are\n%s\nand served are\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
	s.camera("dock-1", schema.CameraUp)
	s.journal.State(schema.BucketBridges, "broker", schema.BridgeStatus{State: schema.BreakerClosed, Since: time.Now().UTC(), Pending: 3})
	s.journal.Event(schema.Event{Class: schema.ClassCamera, Name: "dock-1", Kind: schema.KindState})
	s.store(frame(t, "dock-1", 1, time.Now(), 320), frame(t, "dock-1", 2, time.Now(), 320))
	harness.WaitFor(t, 5*time.Second, "a camera and a bridge", func() bool {
		return len(s.get("/api/v1/cameras").body) > 10 && len(s.get("/api/v1/bridges").body) > 10
	})
	span := "from=" + time.Now().Add(-time.Minute).UTC().Format(time.RFC3339) + "&to=" + time.Now().UTC().Format(time.RFC3339Nano)
	for _, c := range []struct {
		method, pattern, path, body string
		want                        int
	}{
		{"GET", "/healthz", "", "", 200},
		{"GET", "/readyz", "", "", 200},
		{"GET", "/metrics", "", "", 200},
		{"GET", "/api/v1/status", "", "", 200},
		{"GET", "/api/v1/cameras", "", "", 200},
		{"GET", "/api/v1/cameras/{id}", "/api/v1/cameras/dock-1", "", 200},
		{"GET", "/api/v1/cameras/{id}", "/api/v1/cameras/none", "", 404},
		{"GET", "/api/v1/cameras/{id}/snapshot.jpg", "/api/v1/cameras/dock-1/snapshot.jpg?width=64", "", 200},
		{"GET", "/api/v1/cameras/{id}/frames", "/api/v1/cameras/dock-1/frames?limit=1&" + span, "", 200},
		{"GET", "/api/v1/cameras/{id}/frames/{seq}", "/api/v1/cameras/dock-1/frames/1", "", 200},
		{"GET", "/api/v1/cameras/{id}/frames/{seq}", "/api/v1/cameras/dock-1/frames/9", "", 404},
		{"GET", "/api/v1/cameras/{id}/clip.mp4", "/api/v1/cameras/dock-1/clip.mp4?" + span, "", 200},
		{"GET", "/api/v1/clip.mkv", "/api/v1/clip.mkv?camera=dock-1&" + span, "", 200},
		{"POST", "/api/v1/cameras/{id}/kick", "/api/v1/cameras/dock-1/kick", "", 503},
		{"GET", "/api/v1/bridges", "", "", 200},
		{"POST", "/api/v1/bridges/{name}/drill", "/api/v1/bridges/none/drill", `{"for":"1s"}`, 404},
		{"GET", "/api/v1/streams", "", "", 200},
		{"GET", "/api/v1/sites", "", "", 200},
		{"GET", "/api/v1/links", "", "", 200},
		{"GET", "/api/v1/events", "/api/v1/events?limit=5", "", 200},
		{"POST", "/api/v1/reload", "", "", 200},
		{"GET", "/api/v1/openapi.json", "", "", 200},
	} {
		if c.path == "" {
			c.path = c.pattern
		}
		r := ask(t, s.address, c.method, c.path, c.body)
		if r.StatusCode != c.want {
			t.Errorf("%s %s: status %d, want %d: %.200s", c.method, c.path, r.StatusCode, c.want, r.body)
			continue
		}
		d.check(c.method, c.pattern, r)
	}
}

// TestOpenAPI_NamesEveryField holds the description of each object to name all that it may hold, also what is left out where there is none.
func TestOpenAPI_NamesEveryField(t *testing.T) {
	t.Parallel()
	_, address := serve(t, web.Config{Site: "test"}, web.Parts{Connect: noServer})
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any
			}
		}
	}
	ask(t, address, "GET", "/api/v1/openapi.json", "").json(t, &doc)
	for name, object := range map[string]reflect.Type{"camera": reflect.TypeFor[web.Camera](), "bridge": reflect.TypeFor[web.Bridge](),
		"stream": reflect.TypeFor[web.Stream](), "site": reflect.TypeFor[web.Site](), "link": reflect.TypeFor[web.Link](),
		"event": reflect.TypeFor[web.Event](), "entry": reflect.TypeFor[web.Entry](), "readiness": reflect.TypeFor[web.Readiness]()} {
		described := doc.Components.Schemas[name].Properties
		for _, f := range reflect.VisibleFields(object) {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.Anonymous && key != "-" && described[key] == nil {
				t.Errorf("nothing is said of %q of a %s", key, name)
			}
		}
	}
}

// check holds an answer to what is described for its status and content type.
func (d described) check(method, pattern string, r reply) {
	d.t.Helper()
	operation := d.doc["paths"].(map[string]any)[pattern].(map[string]any)[strings.ToLower(method)].(map[string]any)
	responses := operation["responses"].(map[string]any)
	path := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(pattern)
	status, pointer := r.Status[:3], "/paths/"+path+"/"+strings.ToLower(method)+"/responses/"
	if _, ok := responses[status]; !ok {
		status = "default"
	}
	pointer += status
	response := responses[status].(map[string]any)
	if ref, ok := response["$ref"].(string); ok {
		pointer = strings.TrimPrefix(ref, "#")
		response = d.doc["components"].(map[string]any)["responses"].(map[string]any)[ref[strings.LastIndexByte(ref, '/')+1:]].(map[string]any)
	}
	contents := response["content"].(map[string]any)
	contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if contents[contentType] == nil {
		d.t.Errorf("%s %s: content type %q is not among %v", method, pattern, contentType, slices.Collect(maps.Keys(contents)))
		return
	}
	if !strings.HasSuffix(contentType, "json") {
		return
	}
	s, err := d.compiler.Compile("api.json#" + pointer + "/content/" + strings.ReplaceAll(contentType, "/", "~1") + "/schema")
	if err != nil {
		d.t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(r.body, &v); err != nil {
		d.t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		d.t.Errorf("%s %s: %v\n%s", method, pattern, err, r.body)
	}
}
