package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
)

// maxFile is far above any sensible configuration and keeps a wrong path, such as a video, from being read whole.
const maxFile = 1 << 20

// Load reads the configuration file at path. env looks up the variables that the file names. The error is an [*Error], as for
// [Parse].
func Load(path string, env func(string) (string, bool)) (*Config, []Warning, error) {
	data, err := readFile(path, maxFile)
	if err != nil {
		p := Problem{File: path, What: reason(err), Remedy: "name a readable YAML file"}
		return nil, nil, &Error{Problems: []Problem{p}}
	}
	return Parse(path, data, env)
}

// Parse reads a configuration from data; file is its name in messages. The error is an [*Error] with all problems. Warnings come
// with or without it.
func Parse(file string, data []byte, env func(string) (string, bool)) (*Config, []Warning, error) {
	c := Default()
	r := &report{source: source{file: file, given: map[string]mark{}}, faulty: map[string]bool{}}
	root, ok := parseYAML(r, data)
	if !ok {
		_, err := r.result()
		return nil, nil, err
	}
	d := newDecoder(r, env, c)
	d.anchor(root)
	d.value(reflect.ValueOf(c).Elem(), root, "")
	(&checker{report: r, c: c}).run()
	c.source = r.source
	warnings, err := r.result()
	if err != nil {
		return nil, warnings, err
	}
	return c, warnings, nil
}

// readFile reads a small file whole.
func readFile(path string, limit int64) (data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("is larger than %s", Size(limit))
	}
	return data, nil
}

// reason is an error of readFile without the path, which the message names anyway.
func reason(err error) string {
	if path := new(fs.PathError); errors.As(err, &path) {
		return "cannot be read: " + path.Err.Error()
	}
	return err.Error()
}
