package harness

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Prometheus is a Prometheus of the test's own.
type Prometheus struct {
	*service
	port int
}

// StartPrometheus starts a Prometheus with the configuration in a file and returns when it is ready.
func StartPrometheus(t testing.TB, config string) *Prometheus {
	t.Helper()
	p := &Prometheus{port: FreePort(t)}
	dir := t.TempDir()
	p.service = newService(t, program{name: "prometheus", pkg: "prometheus", path: "prometheus", dir: dir,
		args: []string{"--config.file", config, "--storage.tsdb.path", dir, "--web.listen-address", hostPort(p.port), "--log.level", "warn"}}, func() error {
		resp, err := http.Get("http://" + hostPort(p.port) + "/-/ready")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("ready: %s", resp.Status)
		}
		return nil
	})
	p.Start()
	return p
}

// Series is one time series of an answer with its value.
type Series struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"` // time and number, the number as text
}

// Query evaluates an expression now. The error is that of an expression that Prometheus does not take.
func (p *Prometheus) Query(expr string) ([]Series, error) {
	p.t.Helper()
	var answer struct {
		Result json.RawMessage `json:"result"`
		Type   string          `json:"resultType"`
	}
	if err := p.get("/api/v1/query", url.Values{"query": {expr}, "time": {fmt.Sprintf("%.3f", float64(time.Now().UnixMilli())/1e3)}}, &answer); err != nil {
		return nil, err
	}
	var all []Series
	if answer.Type == "scalar" {
		return []Series{{}}, nil
	}
	if err := json.Unmarshal(answer.Result, &all); err != nil {
		p.t.Fatalf("reading the answer to %s: %v", expr, err)
	}
	return all, nil
}

// Rule is an alerting rule as Prometheus has it.
type Rule struct {
	Name        string            `json:"name"`
	Query       string            `json:"query"`
	Health      string            `json:"health"` // ok, unknown before its first evaluation, or err
	Error       string            `json:"lastError"`
	Annotations map[string]string `json:"annotations"`
	Alerts      []struct {
		State       string            `json:"state"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"alerts"`
}

// Rules are its alerting rules.
func (p *Prometheus) Rules() (all []Rule) {
	p.t.Helper()
	var answer struct {
		Groups []struct {
			Rules []Rule `json:"rules"`
		} `json:"groups"`
	}
	if err := p.get("/api/v1/rules", nil, &answer); err != nil {
		p.t.Fatal(err)
	}
	for _, g := range answer.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// get asks its API.
func (p *Prometheus) get(path string, query url.Values, into any) error {
	p.t.Helper()
	resp, err := http.Get("http://" + hostPort(p.port) + path + "?" + query.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		p.t.Fatalf("reading the answer of Prometheus: %v", err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("Prometheus says: %s", answer.Error)
	}
	if err := json.Unmarshal(answer.Data, into); err != nil {
		p.t.Fatalf("reading the answer of Prometheus: %v", err)
	}
	return nil
}
