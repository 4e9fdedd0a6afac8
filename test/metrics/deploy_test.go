package metrics_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const deployDir = "../../deploy"

func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section is the part of deploy/README.md under a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(deployed(t, "README.md"), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("deploy/README.md has no section %s", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// rows are the cells of the tables in a text, without their heads.
func rows(text string) (all [][]string) {
	head := true
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			head = true
		case strings.HasPrefix(line, "|---"):
			head = false
		case !head:
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			all = append(all, cells)
		}
	}
	return all
}

// alert is one of deploy's.
type alert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []alert `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal([]byte(deployed(t, "prometheus/alerts.yml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// promtool runs promtool in the folder of Prometheus' files.
func promtool(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing: apt-get install prometheus")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir, cmd.Stdin = filepath.Join(deployDir, "prometheus"), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestAlerts_EachFiresAndStaysQuietAsItsTestsSay runs the tests that are shipped, of which each alert has two.
func TestAlerts_EachFiresAndStaysQuietAsItsTestsSay(t *testing.T) {
	t.Parallel()
	tests := deployed(t, "prometheus/alerts_test.yml")
	for _, a := range alerts(t) {
		for _, name := range []string{a.Alert + " fires", a.Alert + " does not"} {
			if !strings.Contains(tests, "- name: "+name+"\n") {
				t.Errorf("there is no test %q", name)
			}
		}
	}
	for _, args := range [][]string{{"test", "rules", "alerts_test.yml"}, {"check", "config", "prometheus.yml"}} {
		if out, err := promtool(t, "", args...); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestAlerts_EachSaysWhatToDo follows each alert to its line in the guide, and back.
func TestAlerts_EachSaysWhatToDo(t *testing.T) {
	t.Parallel()
	var told []string
	for _, row := range rows(section(t, "Alert")) {
		for _, m := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[0], -1) {
			told = append(told, m[1])
		}
		if len(row) != 2 || len(row[1]) < 20 {
			t.Errorf("the guide does not say what to do about %s", row[0])
		}
	}
	for _, a := range alerts(t) {
		if !slices.Contains(told, a.Alert) {
			t.Errorf("the guide has no line about %s", a.Alert)
		}
		told = slices.DeleteFunc(told, func(name string) bool { return name == a.Alert })
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has severity %q", a.Alert, s)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" ||
			!strings.HasSuffix(a.Annotations["runbook_url"], "/deploy/README.md#alert") {
			t.Errorf("%s has annotations %v", a.Alert, a.Annotations)
		}
	}
	if len(told) > 0 {
		t.Errorf("the guide tells of alerts that there are not: %v", told)
	}
}

// dashboard is what the tests read of a dashboard of Grafana.
type dashboard struct {
	SchemaVersion int `json:"schemaVersion"`
	Templating    struct {
		List []struct {
			Name       string `json:"name"`
			Type       string `json:"type"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
	Panels []struct {
		ID         int         `json:"id"`
		Type       string      `json:"type"`
		Title      string      `json:"title"`
		Datasource *datasource `json:"datasource"`
		GridPos    struct{ H, W, X, Y int }
		Targets    []struct {
			Expr       string      `json:"expr"`
			Datasource *datasource `json:"datasource"`
		} `json:"targets"`
	} `json:"panels"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

func board(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(deployed(t, "grafana/edge-video.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboard_CanBeImportedAnywhere looks at what Grafana asks of it: rows, variables, a data source to choose, panels that do not
// overlap.
func TestDashboard_CanBeImportedAnywhere(t *testing.T) {
	t.Parallel()
	d := board(t)
	var rowTitles, variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("%q lies upon %q, or beside the page", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			rowTitles = append(rowTitles, p.Title)
			continue
		}
		for _, target := range p.Targets {
			if p.Datasource == nil || p.Datasource.UID != "${datasource}" || target.Datasource == nil || *target.Datasource != *p.Datasource {
				t.Errorf("%q does not use the data source that was chosen", p.Title)
			}
		}
	}
	if want := []string{"Fleet", "Camera", "Bridge", "Site and hub"}; !slices.Equal(rowTitles, want) {
		t.Errorf("rows are %q, want %q", rowTitles, want)
	}
	if want := []string{"datasource", "site", "camera_id", "bridge"}; !slices.Equal(variables, want) {
		t.Errorf("variables are %q, want %q", variables, want)
	}
	if d.SchemaVersion < 41 {
		t.Errorf("schema version is %d", d.SchemaVersion)
	}
}
