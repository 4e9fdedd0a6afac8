package node

import (
	"cmp"
	"errors"
	"fmt"
	"net"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// framesAccount holds the streams, where nats.config does not define accounts itself.
const framesAccount = "FRAMES"

// users are those that the node itself defines, with keys that are new in each run.
type users struct {
	self      user // the node, inside the process
	anonymous user // whoever shows no credentials, where nats.config defines no users
	operator  user // whoever may read the node's context file for the nats CLI
	system    user // the same in the system account, which server reports are asked of
}

// user has a key pair; its public key is the user's name.
type user struct {
	nkeys.KeyPair
	name string
}

func newUser() (user, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return user{}, fmt.Errorf("making a user: %w", err)
	}
	name, err := pair.PublicKey()
	if err != nil {
		return user{}, fmt.Errorf("making a user: %w", err)
	}
	return user{pair, name}, nil
}

func newUsers() (users, error) {
	var own users
	for _, u := range []*user{&own.self, &own.anonymous, &own.operator, &own.system} {
		var err error
		if *u, err = newUser(); err != nil {
			return users{}, err
		}
	}
	return own, nil
}

// connectionTypes are allowed ways to connect, as the server writes them.
func connectionTypes(types ...string) map[string]struct{} {
	m := make(map[string]struct{}, len(types))
	for _, t := range types {
		m[t] = struct{}{}
	}
	return m
}

// accounts gives the streams an account, the clients of the file a place in it, and the node a user of its own, which may connect only
// inside the process. Where the file asks nobody for credentials, neither does the node; leaf nodes must show some where sites have been
// given theirs, or others than this machine can reach the listener.
func (c *ServerConfig) accounts(o *server.Options, own users, sites []Site) error {
	if len(o.TrustedOperators) > 0 || len(o.TrustedKeys) > 0 {
		return errOperatorMode
	}
	if o.Authorization != "" {
		return errors.New("nats.config gives an authorization token; name users instead, so that the node can have one of its own")
	}
	open := asksNobody(o)
	frames, err := streamAccount(o)
	if err != nil {
		return err
	}
	if o.Username != "" {
		// A list of users replaces the single one that the file may give.
		o.Users = append(o.Users, &server.User{Username: o.Username, Password: o.Password})
	}
	for _, u := range o.Users {
		if u.Account == nil {
			u.Account = frames
		}
	}
	for _, u := range o.Nkeys {
		if u.Account == nil {
			u.Account = frames
		}
	}
	if open {
		may := connectionTypes(jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket, jwt.ConnectionTypeMqtt, jwt.ConnectionTypeMqttWS)
		if len(sites) == 0 && (c.Leaf.Insecure || loopback(o.LeafNode.Host)) {
			may[jwt.ConnectionTypeLeafnode] = struct{}{}
			may[jwt.ConnectionTypeLeafnodeWS] = struct{}{}
		}
		o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: own.anonymous.name, Account: frames, AllowedConnectionTypes: may})
		o.NoAuthUser = own.anonymous.name
	}
	here := connectionTypes(jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket)
	o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: own.self.name, Account: frames, AllowedConnectionTypes: connectionTypes(jwt.ConnectionTypeInProcess)},
		&server.NkeyUser{Nkey: own.operator.name, Account: frames, AllowedConnectionTypes: here})
	if system := systemAccount(o); system != nil {
		o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: own.system.name, Account: system, AllowedConnectionTypes: here})
	}
	for _, r := range o.LeafNode.Remotes {
		if r.LocalAccount == "" {
			r.LocalAccount = frames.GetName()
		}
	}
	return siteAccounts(o, frames, sites)
}

// asksNobody reports whether nats.config leaves clients without credentials.
func asksNobody(o *server.Options) bool {
	return len(o.Users) == 0 && len(o.Nkeys) == 0 && o.Username == "" && len(o.Accounts) == 0
}

// systemAccount is the server's own account, nil where nats.config switches it off.
func systemAccount(o *server.Options) *server.Account {
	if o.NoSystemAccount {
		return nil
	}
	name := cmp.Or(o.SystemAccount, server.DEFAULT_SYSTEM_ACCOUNT)
	for _, a := range o.Accounts {
		if a.GetName() == name {
			return a
		}
	}
	if name != server.DEFAULT_SYSTEM_ACCOUNT {
		return nil // the server says that there is none of that name
	}
	a := server.NewAccount(name)
	o.Accounts, o.SystemAccount = append(o.Accounts, a), name
	return a
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// streamAccount is the account that holds the streams: the one called FRAMES, else the only one there is beside the system account,
// else a new one.
func streamAccount(o *server.Options) (*server.Account, error) {
	var found []*server.Account
	for _, a := range o.Accounts {
		switch a.GetName() {
		case framesAccount:
			return a, nil
		case o.SystemAccount, server.DEFAULT_SYSTEM_ACCOUNT:
		default:
			found = append(found, a)
		}
	}
	switch len(found) {
	case 0:
		// Only text enables JetStream in an account that the server does not have yet.
		if err := o.ProcessConfigString("accounts { " + framesAccount + " { jetstream: enabled } }"); err != nil {
			return nil, fmt.Errorf("defining account %s: %w", framesAccount, err)
		}
		return o.Accounts[len(o.Accounts)-1], nil
	case 1:
		return found[0], nil
	}
	return nil, errors.New("nats.config defines several accounts; call the one that holds the streams FRAMES, and enable jetstream in it")
}
