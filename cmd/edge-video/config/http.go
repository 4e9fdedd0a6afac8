package config

import (
	"fmt"

	"github.com/edge-video/edge-video/node/web"
)

// HTTP configures the page, the API, metrics and health. An empty Listen means none.
type HTTP struct {
	Listen   string  `yaml:"listen"`
	Insecure bool    `yaml:"insecure"`
	TLS      HTTPTLS `yaml:"tls"`
	Users    []User  `yaml:"users"`
	Tokens   []Token `yaml:"tokens"`
}

// HTTPTLS is what the listener proves itself with: paths of PEM files. Both "" is HTTP without TLS.
type HTTPTLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// User is one who shows a password. PasswordHash is filled in from PasswordHashFile where that is given.
type User struct {
	Name             string `yaml:"name"`
	Role             string `yaml:"role"` // viewer or operator
	PasswordHash     Secret `yaml:"password_hash"`
	PasswordHashFile string `yaml:"password_hash_file,omitempty"`
}

// Token is a program's. TokenHash is filled in from TokenHashFile where that is given.
type Token struct {
	Name          string `yaml:"name"`
	Role          string `yaml:"role"` // viewer or operator
	TokenHash     Secret `yaml:"token_hash"`
	TokenHashFile string `yaml:"token_hash_file,omitempty"`
}

// credentials reports whether whoever comes has to show some.
func (h HTTP) credentials() bool { return len(h.Users)+len(h.Tokens) > 0 }

const userCommand = "edge-video user NAME makes one"

func (k *checker) http() {
	h := k.c.HTTP
	k.readable("http.tls.certificate", h.TLS.Certificate)
	k.readable("http.tls.key", h.TLS.Key)
	if (h.TLS.Certificate == "") != (h.TLS.Key == "") {
		k.fail("http.tls", "has one of certificate and key", "give both, or neither")
	}
	names := map[string]string{}
	for i, u := range h.Users {
		path := fmt.Sprintf("http.users[%d]", i)
		k.account(path, u.Name, u.Role, names)
		k.hash(path+".password_hash", u.PasswordHash, web.CheckPasswordHash)
	}
	for i, t := range h.Tokens {
		path := fmt.Sprintf("http.tokens[%d]", i)
		k.account(path, t.Name, t.Role, names)
		k.hash(path+".token_hash", t.TokenHash, web.CheckTokenHash)
	}
	if l := (listener{section: "http", address: h.Listen, insecure: true}); h.Listen != "" && h.TLS.Certificate == "" && h.credentials() &&
		k.listener(&l) && !l.loopback() {
		k.warn("http.listen", "passwords and pictures go over the network unencrypted", "give http.tls, or listen on 127.0.0.1 behind a proxy that has TLS")
	}
}

// account checks a name, which nobody else may have, and a role.
func (k *checker) account(path, name, role string, names map[string]string) {
	k.name(path+".name", name)
	if other, taken := names[name]; taken {
		k.fail(path+".name", fmt.Sprintf("%q is the name of %s as well", name, other), "choose another")
	}
	names[name] = path
	if role == "" {
		k.fail(path+".role", "is missing", "write viewer, who sees everything, or operator, who may change things as well")
		return
	}
	k.oneOf(path+".role", role, string(web.Viewer), string(web.Operator))
}

func (k *checker) hash(path string, hash Secret, check func(string) error) {
	if hash == "" {
		k.fail(path, "is missing", userCommand)
	} else if err := check(hash.Reveal()); err != nil {
		k.fail(path, err.Error(), userCommand)
	}
}
