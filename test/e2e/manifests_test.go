package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/edge-video/edge-video/test/harness"
)

// The parts of manifests that have to agree with each other and with the program. Unknown keys are not looked at.
type (
	kustomization struct {
		Resources          []string `json:"resources"`
		ConfigMapGenerator []struct {
			Name  string   `json:"name"`
			Files []string `json:"files"`
		} `json:"configMapGenerator"`
		Patches []struct {
			Path string `json:"path"`
		} `json:"patches"`
	}
	selector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	}
	probe struct {
		HTTPGet struct {
			Path string `json:"path"`
			Port string `json:"port"`
		} `json:"httpGet"`
	}
	container struct {
		Name  string   `json:"name"`
		Image string   `json:"image"`
		Args  []string `json:"args"`
		Env   []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"env"`
		Ports []struct {
			Name          string `json:"name"`
			ContainerPort int    `json:"containerPort"`
		} `json:"ports"`
		StartupProbe   probe `json:"startupProbe"`
		LivenessProbe  probe `json:"livenessProbe"`
		ReadinessProbe probe `json:"readinessProbe"`
		Resources      struct {
			Limits map[string]string `json:"limits"`
		} `json:"resources"`
		VolumeMounts []struct {
			Name      string `json:"name"`
			MountPath string `json:"mountPath"`
		} `json:"volumeMounts"`
		EnvFrom []struct {
			SecretRef struct {
				Name string `json:"name"`
			} `json:"secretRef"`
		} `json:"envFrom"`
	}
	manifest struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec struct {
			ServiceName string `json:"serviceName"`
			Selector    any    `json:"selector"`
			Ports       []struct {
				TargetPort string `json:"targetPort"`
			} `json:"ports"`
			Template struct {
				Metadata struct {
					Labels map[string]string `json:"labels"`
				} `json:"metadata"`
				Spec struct {
					SecurityContext struct {
						RunAsUser    int  `json:"runAsUser"`
						RunAsNonRoot bool `json:"runAsNonRoot"`
					} `json:"securityContext"`
					Containers []container `json:"containers"`
					Volumes    []struct {
						Name   string `json:"name"`
						Secret struct {
							SecretName string `json:"secretName"`
						} `json:"secret"`
						ConfigMap struct {
							Name string `json:"name"`
						} `json:"configMap"`
					} `json:"volumes"`
				} `json:"spec"`
			} `json:"template"`
			VolumeClaimTemplates []struct {
				Metadata struct {
					Name string `json:"name"`
				} `json:"metadata"`
			} `json:"volumeClaimTemplates"`
		} `json:"spec"`
	}
)

// parsed reads a file of deploy.
func parsed[T any](t *testing.T, name string) (v T) {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(deployed(t, name)))
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// checks runs edge-video check on a configuration, with folders of this test in place of the container's, and returns its text.
func checks(t *testing.T, name string, env ...string) string {
	t.Helper()
	secrets := t.TempDir()
	for _, file := range []string{"hub.creds", "hub-ca.crt", "tls.crt", "tls.key"} {
		if err := os.WriteFile(filepath.Join(secrets, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(t.TempDir(), "edge-video.yaml")
	text := strings.ReplaceAll(deployed(t, name), "/var/lib/edge-video", t.TempDir())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "check", "--config", config)
	cmd.Env = append(append(os.Environ(), "CREDENTIALS_DIRECTORY="+secrets, "CONFIG_DIRECTORY="+filepath.Join(deployDir, path.Dir(name))), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("edge-video check of %s: %v\n%s", name, err, out)
	}
	return text
}

// TestDeploy_ManifestsAgreeWithTheProgram follows every name in the manifests to what it names: files, configurations, ports, paths, users.
func TestDeploy_ManifestsAgreeWithTheProgram(t *testing.T) {
	containerfile, guide := deployed(t, "../Containerfile"), deployed(t, "README.md")
	user := regexp.MustCompile(`useradd .*--uid (\d+) `).FindStringSubmatch(containerfile)
	if user == nil {
		t.Fatal("the Containerfile adds no user")
	}
	node := harness.StartNode(t, harness.NodeOptions{Program: program})
	for _, overlay := range []string{"hub", "site", "cluster"} {
		t.Run(overlay, func(t *testing.T) {
			k := parsed[kustomization](t, overlay+"/kustomization.yaml")
			base := parsed[kustomization](t, "base/kustomization.yaml")
			if !slices.Contains(k.Resources, "../base") || len(k.ConfigMapGenerator) != 1 || len(k.Patches) != 1 {
				t.Fatalf("got %+v", k)
			}
			var all []manifest
			for _, r := range base.Resources {
				all = append(all, parsed[manifest](t, "base/"+r))
			}
			for _, r := range k.Resources {
				if r != "../base" {
					all = append(all, parsed[manifest](t, overlay+"/"+r))
				}
			}
			set := all[slices.IndexFunc(all, func(m manifest) bool { return m.Kind == "StatefulSet" })]
			patch := parsed[manifest](t, overlay+"/"+k.Patches[0].Path)
			c, own := set.Spec.Template.Spec.Containers[0], patch.Spec.Template.Spec.Containers[0]
			if patch.Kind != set.Kind || patch.Metadata.Name != set.Metadata.Name || own.Name != c.Name {
				t.Errorf("the patch is for %s %s, container %s", patch.Kind, patch.Metadata.Name, own.Name)
			}
			c.Ports, c.Env, c.VolumeMounts = append(c.Ports, own.Ports...), append(c.Env, own.Env...), append(c.VolumeMounts, own.VolumeMounts...)

			generated := k.ConfigMapGenerator[0]
			for _, f := range generated.Files {
				deployed(t, overlay+"/"+f)
			}
			env := []string{"RABBITMQ_URL=amqp://rabbitmq", "REDIS_URL=redis://redis", "CLUSTER_PASSWORD=abc123"}
			for _, e := range c.Env {
				if e.Name == "HUB_URL" {
					env = append(env, e.Name+"="+e.Value)
				}
			}
			config := checks(t, overlay+"/edge-video.yaml", env...)

			volumes := append(set.Spec.Template.Spec.Volumes, patch.Spec.Template.Spec.Volumes...)
			places := map[string]string{}
			for _, m := range c.VolumeMounts {
				places[m.Name] = m.MountPath
			}
			for _, v := range volumes {
				if places[v.Name] == "" {
					t.Errorf("volume %s is not mounted", v.Name)
				}
				if v.ConfigMap.Name != "" && v.ConfigMap.Name != generated.Name {
					t.Errorf("config map %s is not made", v.ConfigMap.Name)
				}
				if s := v.Secret.SecretName; s != "" && !strings.Contains(guide, "secret "+map[bool]string{true: "tls", false: "generic"}[s == "hub-tls"]+" "+s) {
					t.Errorf("the guide does not make secret %s", s)
				}
			}
			for _, e := range own.EnvFrom {
				if !strings.Contains(guide, "secret generic "+e.SecretRef.Name) {
					t.Errorf("the guide does not make secret %s", e.SecretRef.Name)
				}
			}
			if want := []string{"run", "--config", places["config"] + "/edge-video.yaml"}; !slices.Equal(c.Args, want) || !slices.Contains(generated.Files, "edge-video.yaml") {
				t.Errorf("arguments are %q, want %q", c.Args, want)
			}
			if places[set.Spec.VolumeClaimTemplates[0].Metadata.Name] != "/var/lib/edge-video" || !strings.Contains(deployed(t, overlay+"/edge-video.yaml"), "data_dir: /var/lib/edge-video\n") {
				t.Error("the volume is not data_dir")
			}
			if !strings.Contains(containerfile, `ENTRYPOINT ["edge-video"]`) || !strings.Contains(containerfile, "-t "+strings.TrimSuffix(c.Image, ":latest")+" ") {
				t.Errorf("the Containerfile does not make %s", c.Image)
			}
			if s := set.Spec.Template.Spec.SecurityContext; fmt.Sprint(s.RunAsUser) != user[1] || !s.RunAsNonRoot {
				t.Errorf("it runs as %d, the Containerfile's user is %s", s.RunAsUser, user[1])
			}
			if c.Resources.Limits["memory"] == "" || c.Resources.Limits["cpu"] == "" {
				t.Errorf("limits are %v", c.Resources.Limits)
			}
			ports := map[string]int{}
			for _, p := range c.Ports {
				if ports[p.Name] = p.ContainerPort; !strings.Contains(config, fmt.Sprintf("0.0.0.0:%d", p.ContainerPort)) {
					t.Errorf("nothing listens on port %s %d", p.Name, p.ContainerPort)
				}
			}
			if n := strings.Count(config, "0.0.0.0:"); n != len(ports) {
				t.Errorf("the configuration opens %d ports, the manifest names %v", n, ports)
			}
			for _, p := range []probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
				if got := node.Get(p.HTTPGet.Path); got != http.StatusOK || ports[p.HTTPGet.Port] == 0 {
					t.Errorf("probe of %s at port %q: the program answers %d", p.HTTPGet.Path, p.HTTPGet.Port, got)
				}
			}
			for _, m := range all {
				labels := labelsOf(t, m.Spec.Selector)
				for key, value := range labels {
					if set.Spec.Template.Metadata.Labels[key] != value {
						t.Errorf("%s %s selects %v, the pods have %v", m.Kind, m.Metadata.Name, labels, set.Spec.Template.Metadata.Labels)
					}
				}
				for _, p := range m.Spec.Ports {
					if len(labels) == 0 || ports[p.TargetPort] == 0 {
						t.Errorf("%s %s leads to port %q", m.Kind, m.Metadata.Name, p.TargetPort)
					}
				}
				if m.Kind == "Service" && m.Metadata.Name != set.Spec.ServiceName && m.Metadata.Name != "leaf" {
					t.Errorf("service %s is not %s", m.Metadata.Name, set.Spec.ServiceName)
				}
			}
			if overlay == "cluster" && !strings.Contains(config, fmt.Sprintf("@lisbon-%s-0.lisbon-%s:%d", set.Metadata.Name, set.Spec.ServiceName, ports["routes"])) {
				t.Error("the routes are not the pods' names")
			}
		})
	}
}

// labelsOf are those of a selector in either of its forms.
func labelsOf(t *testing.T, any any) map[string]string {
	t.Helper()
	text, err := json.Marshal(any)
	if err != nil {
		t.Fatal(err)
	}
	var s selector
	if err := json.Unmarshal(text, &s); err == nil && s.MatchLabels != nil {
		return s.MatchLabels
	}
	var labels map[string]string
	if err := json.Unmarshal(text, &labels); err != nil {
		t.Fatal(err)
	}
	return labels
}

// TestDeploy_ComposeAgreesWithTheProgram follows the names in the Compose file.
func TestDeploy_ComposeAgreesWithTheProgram(t *testing.T) {
	type compose struct {
		Services map[string]struct {
			Image       string            `json:"image"`
			Environment map[string]string `json:"environment"`
			Configs     []struct {
				Source string `json:"source"`
				Target string `json:"target"`
			} `json:"configs"`
			Secrets []string `json:"secrets"`
			Volumes []string `json:"volumes"`
		} `json:"services"`
		Configs map[string]struct{ File string } `json:"configs"`
		Secrets map[string]struct{ File string } `json:"secrets"`
		Volumes map[string]any                   `json:"volumes"`
	}
	c := parsed[compose](t, "compose.yaml")
	containerfile := deployed(t, "../Containerfile")
	for name, s := range c.Services {
		for _, v := range s.Volumes {
			volume, place, _ := strings.Cut(v, ":")
			if _, ok := c.Volumes[volume]; !ok {
				t.Errorf("service %s: volume %s is not declared", name, volume)
			}
			if s.Image == "edge-video:latest" && !strings.Contains(containerfile, "VOLUME "+place) {
				t.Errorf("service %s: %s is no volume of the Containerfile", name, place)
			}
		}
		for _, secret := range s.Secrets {
			if !strings.HasPrefix(c.Secrets[secret].File, "secrets/") {
				t.Errorf("service %s: secret %s is not declared", name, secret)
			}
		}
		if s.Image != "edge-video:latest" {
			continue
		}
		if len(s.Configs) != 1 || !strings.Contains(containerfile, fmt.Sprintf("%q", s.Configs[0].Target)) {
			t.Fatalf("service %s: the Containerfile does not run %+v", name, s.Configs)
		}
		var env []string
		for key, value := range s.Environment {
			if key != "CREDENTIALS_DIRECTORY" {
				env = append(env, key+"="+value)
			}
		}
		config := checks(t, c.Configs[s.Configs[0].Source].File, env...)
		for _, m := range regexp.MustCompile(`\$\{CREDENTIALS_DIRECTORY\}/([a-z.-]+)"?[,}\n]`).FindAllStringSubmatch(config, -1) {
			if !slices.Contains(s.Secrets, m[1]) {
				t.Errorf("service %s has no secret %s", name, m[1])
			}
		}
	}
}
