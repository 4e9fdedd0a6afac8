package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const oldFile = "migrate/testdata/first.toml"

// TestMigrate_WritesAConfigurationThatChecks takes an old file to one that check accepts, with every file its user's alone.
func TestMigrate_WritesAConfigurationThatChecks(t *testing.T) {
	dir := t.TempDir()
	output := filepath.Join(dir, "node.yaml")
	r := execute(t, "migrate", oldFile, "--output", output)
	if r.code != 0 || r.out != "" {
		t.Fatalf("exit %d with output %q: %s", r.code, r.out, r.err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", path, mode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files != 5 {
		t.Errorf("got %d files, want the configuration and 4 secrets", files)
	}
	c := execute(t, "check", "--config", output)
	if c.code != 0 {
		t.Fatalf("check: exit %d: %s", c.code, c.err)
	}
	for _, secret := range []string{"s3same", "w@tch", "t0psecret", "p@ss"} {
		if strings.Contains(r.err+c.out+c.err, secret) {
			t.Errorf("the output shows %q", secret)
		}
	}
}

// TestMigrate_OverwritesOnlyWhenForced keeps every file that is in the way, and makes no other then.
func TestMigrate_OverwritesOnlyWhenForced(t *testing.T) {
	dir := t.TempDir()
	output, secrets := filepath.Join(dir, "node.yaml"), filepath.Join(dir, "secrets")
	args := []string{"migrate", oldFile, "--output", output, "--secrets", secrets}
	precious := filepath.Join(secrets, "redis-url")
	if err := os.Mkdir(secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(precious, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := execute(t, args...)
	if r.code != exitFailed || !strings.Contains(r.err, precious+" exists; ") || !strings.Contains(r.err, "--force") {
		t.Errorf("exit %d with message %q, want %d and the file in the way", r.code, r.err, exitFailed)
	}
	if data, err := os.ReadFile(precious); err != nil || string(data) != "mine" {
		t.Errorf("the file in the way holds %q (%v)", data, err)
	}
	if _, err := os.Stat(output); err == nil {
		t.Error("the configuration was written beside it")
	}
	if r := execute(t, append(args, "--force")...); r.code != 0 {
		t.Errorf("forced: exit %d: %s", r.code, r.err)
	}
	info, err := os.Stat(precious)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v (%v), want the file overwritten with mode 600", info, err)
	}
}

// TestMigrate_ToStandardOutputNamesVariables writes no file, and says which variables to set.
func TestMigrate_ToStandardOutputNamesVariables(t *testing.T) {
	r := execute(t, "migrate", oldFile)
	if r.code != 0 || !strings.Contains(r.out, "url: ${RABBITMQ_URL}") || !strings.Contains(r.err, "set RABBITMQ_URL to the secret of amqp.amqp_url\n") {
		t.Fatalf("exit %d:\n%s\n%s", r.code, r.out, r.err)
	}
	path, _ := write(t, r.out)
	if c := execute(t, "check", "--config", path); c.code != exitUsage || !strings.Contains(c.err, "RABBITMQ_URL") {
		t.Errorf("unset: exit %d: %s", c.code, c.err)
	}
	for name, value := range map[string]string{"CAMERA_DOCK_1_PASSWORD": "a", "CAMERA_DOCK_2_URL": "rtsp://h/x", "RABBITMQ_URL": "amqp://h", "REDIS_URL": "redis://h"} {
		t.Setenv(name, value)
	}
	if c := execute(t, "check", "--config", path); c.code != 0 {
		t.Errorf("set: exit %d: %s", c.code, c.err)
	}
}

func TestMigrate_BadInputNamesTheCulprit(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "old.toml")
	if err := os.WriteFile(bad, []byte("target_fps = 1\n[[cameras]]\nid = 'a'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{bad}, exitUsage, "old.toml:3: cameras[0].url: is missing; write"},
		{[]string{"/nowhere/old.toml"}, exitFailed, "reading the old configuration: open /nowhere/old.toml"},
		{[]string{oldFile, "--output", "/nowhere/node.yaml"}, exitFailed, "/nowhere/node.yaml"},
		{[]string{}, exitUsage, "see edge-video --help"},
	} {
		r := execute(t, append([]string{"migrate"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) {
			t.Errorf("%v: exit %d with message %q, want %d and %q", c.args, r.code, r.err, c.code, c.want)
		}
	}
}
