package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"
)

// Role is what a caller may do.
type Role string

// Roles, each with the rights of those before it.
const (
	Viewer   Role = "viewer"   // sees everything
	Operator Role = "operator" // changes what the node does
)

// allows reports whether who has the role may do what needs another.
func (r Role) allows(needed Role) bool { return r == Operator || r == needed }

// User may show a password.
type User struct {
	Name         string
	Role         Role
	PasswordHash string // by [HashPassword]
}

// Token is a program's credentials.
type Token struct {
	Name      string
	Role      Role
	TokenHash string // by [HashToken]
}

// Access is who may do what. Without users and tokens everyone may do everything.
type Access struct {
	Users  []User
	Tokens []Token
}

func (a Access) open() bool { return len(a.Users)+len(a.Tokens) == 0 }

// holds reports whether a caller would be let in again as the same.
func (a Access) holds(c caller) bool {
	return a.open() || slices.Contains(a.Users, User{c.name, c.role, c.hash}) || slices.Contains(a.Tokens, Token{c.name, c.role, c.hash})
}

const (
	// passwordMost is what bcrypt takes into account.
	passwordMost = 72
	// hashCost makes one guess cost some 50 ms.
	hashCost   = 10
	hashPrefix = "sha256:"
)

// HashPassword makes what the configuration holds of a password.
func HashPassword(password string) (string, error) {
	if len(password) < 8 || len(password) > passwordMost {
		return "", fmt.Errorf("the password has %d bytes; take 8 to %d", len(password), passwordMost)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), hashCost)
	if err != nil {
		return "", fmt.Errorf("hashing the password: %w", err)
	}
	return string(hash), nil
}

// CheckPasswordHash reports what keeps a text from being a password's hash.
func CheckPasswordHash(hash string) error {
	cost, err := bcrypt.Cost([]byte(hash))
	switch {
	case err != nil:
		return errors.New("is no bcrypt hash")
	case cost > 14:
		return fmt.Errorf("is a bcrypt hash of cost %d, and each wrong password would take seconds; 10 to 14 are usual", cost)
	}
	return nil
}

// NewToken makes a random token.
func NewToken() string { return "ev_" + rand.Text() + rand.Text() }

// HashToken makes what the configuration holds of a token. It is quick, and so only for tokens that nobody can guess.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// CheckTokenHash reports what keeps a text from being a token's hash.
func CheckTokenHash(hash string) error {
	digits, ok := strings.CutPrefix(hash, hashPrefix)
	if b, err := hex.DecodeString(digits); !ok || err != nil || len(b) != sha256.Size {
		return fmt.Errorf("is not %s and 64 hexadecimal digits", hashPrefix)
	}
	return nil
}

// caller is who asks.
type caller struct {
	name string // of a user or token, "" where none are asked for
	role Role
	hash string // of the password or token
}

const (
	// knownMost bounds how many verified credentials are remembered, knownFor for how long.
	knownMost = 1024
	knownFor  = 10 * time.Minute
	// guesses are how many wrong credentials one address may show at once, and guessPause how long each takes to be forgiven.
	guesses    = 10
	guessPause = 2 * time.Second
	// guessing is how many passwords are looked at at once: each keeps a core busy for a while.
	guessing = 2
)

// gate knows callers by their credentials.
type gate struct {
	key    []byte // of the keyed hashes under which credentials are remembered
	wrong  *buckets
	places chan struct{} // one for each password that is looked at

	mu     sync.Mutex
	access Access
	known  map[[sha256.Size]byte]known
}

type known struct {
	caller
	until time.Time
}

func newGate(access Access) *gate {
	g := &gate{key: make([]byte, 32), wrong: newBuckets(), places: make(chan struct{}, guessing), access: access,
		known: map[[sha256.Size]byte]known{}}
	_, _ = rand.Read(g.key) // never fails
	return g
}

// update puts other users and tokens in force, at once.
func (g *gate) update(access Access) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.access = access
	clear(g.known)
}

// open reports whether everyone may do everything.
func (g *gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.access.open()
}

// holds reports whether a caller would be let in again as the same.
func (g *gate) holds(c caller) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.access.holds(c)
}

var (
	errNoCredentials = errors.New("this needs credentials: a user with password (Basic), or a token (Bearer); " +
		"http.users and http.tokens of the configuration name them")
	errWrongCredentials = errors.New("the credentials are not known; check user and password, or token")
)

// who is the caller of a request. The error is a fault, which wraps errNoCredentials where there are none.
func (g *gate) who(r *http.Request) (caller, error) {
	g.mu.Lock()
	access := g.access
	g.mu.Unlock()
	if access.open() {
		return caller{role: Operator}, nil
	}
	shown := r.Header.Get("Authorization")
	if shown == "" {
		return caller{}, unauthorized(r, errNoCredentials)
	}
	mac := hmac.New(sha256.New, g.key)
	mac.Write([]byte(shown))
	var id [sha256.Size]byte
	mac.Sum(id[:0])
	g.mu.Lock()
	k, ok := g.known[id]
	g.mu.Unlock()
	if ok && time.Now().Before(k.until) {
		return k.caller, nil
	}
	// The address pays before it is known whether the credentials are right: the answer of one that has guessed too often says nothing of
	// them.
	from := client(r)
	if wait := g.wrong.take(from, guesses, rate.Every(guessPause)); wait > 0 {
		return caller{}, busyf(http.StatusTooManyRequests, wait, "too many wrong credentials from %s; wait", from)
	}
	c, ok := g.verify(r, access, shown)
	if !ok {
		return caller{}, unauthorized(r, errWrongCredentials)
	}
	g.wrong.giveBack(from)
	g.remember(id, access, c)
	return c, nil
}

// unauthorized asks for credentials. A script of the page is not told of Basic: the browser would ask whoever sits there by itself, again
// and again, and hold the script up meanwhile.
func unauthorized(r *http.Request, err error) error {
	ways := []string{`Basic realm="edge-video", charset="UTF-8"`, `Bearer realm="edge-video"`}
	if r.Header.Get("Sec-Fetch-Dest") == "empty" {
		ways = ways[1:]
	}
	return &fault{status: http.StatusUnauthorized, detail: err.Error(), header: http.Header{"Www-Authenticate": ways}}
}

// remember spares the next request with the same credentials the work, unless other users are in force meanwhile.
func (g *gate) remember(id [sha256.Size]byte, access Access, c caller) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !same(access, g.access) {
		return
	}
	if len(g.known) >= knownMost {
		clear(g.known)
	}
	g.known[id] = known{c, time.Now().Add(knownFor)}
}

// same reports whether two are the very same lists.
func same(a, b Access) bool {
	return len(a.Users) == len(b.Users) && len(a.Tokens) == len(b.Tokens) &&
		(len(a.Users) == 0 || &a.Users[0] == &b.Users[0]) && (len(a.Tokens) == 0 || &a.Tokens[0] == &b.Tokens[0])
}

// verify looks at credentials. It takes as long for a user that there is none of.
func (g *gate) verify(r *http.Request, access Access, shown string) (caller, bool) {
	scheme, rest, _ := strings.Cut(shown, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return access.token(strings.TrimSpace(rest))
	case strings.EqualFold(scheme, "Basic"):
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
		if err != nil {
			return caller{}, false
		}
		name, password, ok := strings.Cut(string(decoded), ":")
		if !ok {
			return caller{}, false
		}
		if c, ok := access.token(password); ok && c.name == name {
			return c, true // for clients that have no Bearer
		}
		select {
		case g.places <- struct{}{}:
			defer func() { <-g.places }()
		case <-r.Context().Done():
			return caller{}, false
		}
		return access.user(name, password)
	}
	return caller{}, false
}

// token finds a token. All are compared, however many there are before it.
func (a Access) token(token string) (c caller, ok bool) {
	hash := []byte(HashToken(token))
	for _, t := range a.Tokens {
		if subtle.ConstantTimeCompare(hash, []byte(strings.ToLower(t.TokenHash))) == 1 {
			c, ok = caller{t.Name, t.Role, t.TokenHash}, true
		}
	}
	return c, ok
}

// nobody is the hash of a password that was thrown away.
const nobody = "$2a$10$za4Ms8gweVvw13ToEn/FmOYIo83S2ClTw.IgR4NsS3lR1VCrSJWM."

func (a Access) user(name, password string) (caller, bool) {
	hash, c := nobody, caller{}
	if len(a.Users) > 0 {
		hash = a.Users[0].PasswordHash // of the cost that is usual here
	}
	found := 0
	for _, u := range a.Users {
		if subtle.ConstantTimeCompare([]byte(name), []byte(u.Name)) == 1 {
			hash, c, found = u.PasswordHash, caller{u.Name, u.Role, u.PasswordHash}, 1
		}
	}
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	if err != nil || found == 0 || len(password) > passwordMost {
		return caller{}, false
	}
	return c, true
}
