package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/edge-video/edge-video/node/web"
	"github.com/edge-video/edge-video/schema"
)

type userCommand struct {
	Name     string `arg:"" help:"Name of the user, or of the program that a token is for."`
	Role     string `required:"" enum:"viewer,operator" help:"viewer sees everything; operator changes things as well."`
	Token    bool   `help:"Make a random token for a program, instead of taking a password."`
	Generate bool   `help:"Make a random password, instead of asking for one."`
}

// Validate implements kong's check of what was given.
func (u *userCommand) Validate() error {
	if !schema.ValidName(u.Name) {
		return fmt.Errorf("%q cannot name a user; use 1 to 64 of A-Z a-z 0-9 _ -", u.Name)
	}
	if u.Token && u.Generate {
		return errors.New("--token makes a random token already; leave --generate out")
	}
	return nil
}

// Run prints an entry for the configuration. A secret that it makes up goes to standard error, once.
func (u *userCommand) Run(c console) error {
	if u.Token {
		token := web.NewToken()
		fmt.Fprintf(c.err, "the token, which is shown only now: %s\n", token)
		fmt.Fprintln(c.err, "http.tokens of the configuration takes the following, and SIGHUP has the node read it:")
		return u.print(c, "token_hash", web.HashToken(token))
	}
	password := rand.Text()
	if u.Generate {
		fmt.Fprintf(c.err, "the password, which is shown only now: %s\n", password)
	} else {
		var err error
		if password, err = askPassword(c, os.Stdin); err != nil {
			return err
		}
	}
	hash, err := web.HashPassword(password)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.err, "http.users of the configuration takes the following, and SIGHUP has the node read it:")
	return u.print(c, "password_hash", hash)
}

func (u *userCommand) print(c console, key, hash string) error {
	_, err := fmt.Fprintf(c.out, "    - name: %s\n      role: %s\n      %s: %s\n", u.Name, u.Role, key, hash)
	return err
}

// askPassword asks on a terminal, twice and without showing it, and else reads a line.
func askPassword(c console, in *os.File) (string, error) {
	if !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var typed [2]string
	for i, prompt := range []string{"Password: ", "Again: "} {
		fmt.Fprint(c.err, prompt)
		text, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(c.err)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two are not the same; try again")
	}
	return typed[0], nil
}
