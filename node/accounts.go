package node

import (
	"errors"
	"fmt"
	"net"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// framesAccount holds the streams, where nats.config does not define accounts itself.
const framesAccount = "FRAMES"

// users are those that the node itself defines, by their public keys.
type users struct {
	self      string // the node, inside the process
	anonymous string // whoever shows no credentials, where nats.config defines no users
}

func newUser() (nkeys.KeyPair, string, error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, "", fmt.Errorf("making a user: %w", err)
	}
	key, err := user.PublicKey()
	if err != nil {
		return nil, "", fmt.Errorf("making a user: %w", err)
	}
	return user, key, nil
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
	open := len(o.Users) == 0 && len(o.Nkeys) == 0 && o.Username == "" && len(o.Accounts) == 0
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
		o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: own.anonymous, Account: frames, AllowedConnectionTypes: may})
		o.NoAuthUser = own.anonymous
	}
	o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: own.self, Account: frames, AllowedConnectionTypes: connectionTypes(jwt.ConnectionTypeInProcess)})
	for _, r := range o.LeafNode.Remotes {
		if r.LocalAccount == "" {
			r.LocalAccount = frames.GetName()
		}
	}
	return siteAccounts(o, frames, sites)
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
