package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/edge-video/edge-video/schema"
)

// Site is a site that a hub has given credentials to.
type Site struct {
	Name string `json:"name"`
	Key  string `json:"key"` // public; the seed is the site's alone
}

// sitesFile holds the hub's sites, in its data directory.
const sitesFile = "sites.json"

// ErrSiteExists says that the hub has given that site credentials before.
var ErrSiteExists = errors.New("site has credentials already")

// ReadSites reads which sites have been given credentials; none have where there is no file.
func ReadSites(dataDir string) ([]Site, error) {
	name := filepath.Join(dataDir, sitesFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the sites: %w", err)
	}
	var sites []Site
	if err := json.Unmarshal(text, &sites); err != nil {
		return nil, fmt.Errorf("reading the sites in %s: %w", name, err)
	}
	for _, s := range sites {
		if !schema.ValidSite(s.Name) || !nkeys.IsValidPublicUserKey(s.Key) {
			return nil, fmt.Errorf("reading the sites in %s: %q has no valid name and key; remove the entry and add the site again", name, s.Name)
		}
	}
	return sites, nil
}

// AddSite gives a site credentials and returns them, the content of the file that the site's nats.leaf.remotes names. A running hub takes
// them up within a second. With replace the site's earlier credentials end, and a link that has signed in with them; without, an error
// that wraps [ErrSiteExists] says that there are some. The credentials count once all of hand have taken them; an error of theirs leaves
// everything as it was.
func AddSite(dataDir, name string, replace bool, hand ...func(credentials []byte) error) (credentials []byte, err error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("creating data_dir: %w", err)
	}
	err = changeSites(dataDir, func(sites []Site) ([]Site, error) {
		at := slices.IndexFunc(sites, func(s Site) bool { return s.Name == name })
		if at >= 0 && !replace {
			return nil, fmt.Errorf("%w: %s", ErrSiteExists, name)
		}
		user, err := newUser()
		if err != nil {
			return nil, fmt.Errorf("giving site %s credentials: %w", name, err)
		}
		defer user.Wipe()
		seed, err := user.Seed()
		if err != nil {
			return nil, fmt.Errorf("giving site %s credentials: %w", name, err)
		}
		if at >= 0 {
			sites[at].Key = user.name
		} else {
			sites = append(sites, Site{Name: name, Key: user.name})
		}
		credentials = fmt.Appendf(nil, "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", seed)
		return sites, nil
	}, func() error {
		for _, f := range hand {
			if err := f(credentials); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return credentials, nil
}

// RemoveSite ends a site's credentials and its link. What the hub holds of it stays. It reports false where the site had none.
func RemoveSite(dataDir, name string) (had bool, err error) {
	err = changeSites(dataDir, func(sites []Site) ([]Site, error) {
		left := slices.DeleteFunc(slices.Clone(sites), func(s Site) bool { return s.Name == name })
		had = len(left) < len(sites)
		return left, nil
	}, func() error { return nil })
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return had, err
}

// changeSites changes the sites while nobody else does: it locks the directory itself, which needs no file that others may not open. What
// is to be done before the change counts is done once that cannot fail for want of room or of rights.
func changeSites(dataDir string, change func([]Site) ([]Site, error), before func() error) error {
	dir, err := os.Open(dataDir)
	if err != nil {
		return fmt.Errorf("opening data_dir: %w; run it as the user that runs the node", err)
	}
	defer dir.Close()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", dataDir, err)
	}
	sites, err := ReadSites(dataDir)
	if err != nil {
		return err
	}
	changed, err := change(slices.Clone(sites))
	if err != nil || slices.Equal(changed, sites) {
		return err
	}
	return writeSites(dir, changed, before)
}

// writeSites replaces the file as a whole, so that a hub that reads it meanwhile sees the old or the new one. It is the directory's
// owner's, as whom the hub runs, also where root writes it.
func writeSites(dir *os.File, sites []Site, before func() error) error {
	text, err := json.MarshalIndent(sites, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the sites: %w", err)
	}
	f, err := os.CreateTemp(dir.Name(), "."+sitesFile+"-*") // of mode 0600, and no link that the owner has put there
	if err != nil {
		return fmt.Errorf("writing the sites: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, giveTo(f, dir), f.Sync(), f.Close())
	if err == nil {
		if err := before(); err != nil {
			return errors.Join(err, os.Remove(f.Name()))
		}
		err = os.Rename(f.Name(), filepath.Join(dir.Name(), sitesFile))
	}
	if err != nil {
		return fmt.Errorf("writing the sites: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// giveTo makes a file of root's the property of a directory's owner. Another user may write where the directory is not its own, as on a
// volume that belongs to its group, and then it is the one that the hub runs as.
func giveTo(f, dir *os.File) error {
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || st.Uid == 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// siteAccounts makes an account for each site with credentials. What its leaf node sends and asks for stays in there; the streams'
// account reaches the site through it by the API of the site's domain, by what its mirrors have delivered, by their flow control, and by
// what operators at the hub ask the site's nodes to do about a camera.
func siteAccounts(o *server.Options, frames *server.Account, sites []Site) error {
	for _, s := range sites {
		a := server.NewAccount("SITE_" + s.Name)
		only := []*server.Account{frames}
		api, delivered := schema.DomainAPI(s.Name)+".>", schema.MirrorSubjects(s.Name)
		err := errors.Join(
			a.AddServiceExportWithResponse(api, server.Streamed, only),
			frames.AddServiceImport(a, api, api),
			a.AddStreamExport(delivered, only),
			frames.AddStreamImport(a, delivered, ""))
		for _, asked := range []string{"$JS.FC." + s.Name + ".>", schema.KickSubject(s.Name, "*"), schema.PauseSubject(s.Name, "*"), schema.ResumeSubject(s.Name, "*")} {
			err = errors.Join(err, a.AddServiceExport(asked, only), frames.AddServiceImport(a, asked, asked))
		}
		if err != nil {
			return fmt.Errorf("making the account of site %s: %w", s.Name, err)
		}
		o.Accounts = append(o.Accounts, a)
		o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: s.Key, Account: a,
			AllowedConnectionTypes: connectionTypes(jwt.ConnectionTypeLeafnode, jwt.ConnectionTypeLeafnodeWS)})
	}
	return nil
}

// remoteKey takes the seed out of a file that AddSite made. Of other files, with a signed user, it is "".
func remoteKey(name string) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("nats.leaf.remotes: reading credentials: %w", err)
	}
	if strings.Contains(string(text), "USER JWT") {
		return "", nil
	}
	user, err := nkeys.ParseDecoratedNKey(text)
	if err != nil {
		return "", fmt.Errorf("nats.leaf.remotes: %s holds no credentials; make some with `edge-video site add` at the hub", name)
	}
	defer user.Wipe()
	seed, err := user.Seed()
	if err != nil {
		return "", fmt.Errorf("nats.leaf.remotes: reading credentials %s: %w", name, err)
	}
	return string(seed), nil
}

// Sites names the sites that have credentials now.
func (s *Server) Sites() []string {
	var names []string
	for _, site := range s.sitesNow() {
		names = append(names, site.Name)
	}
	return names
}

func (s *Server) sitesNow() []Site {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sites
}

// readSites brings the sites with credentials up to date, where this is a hub.
func (s *Server) readSites() error {
	if !s.config.Hub {
		return nil
	}
	sites, err := ReadSites(s.config.DataDir)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sites = sites
	return nil
}

// refreshSites has the running server take up sites that were given credentials, or lost theirs. What cannot be read or taken up changes
// nothing, and is tried again.
func (s *Server) refreshSites() {
	fault := ""
	if err := s.takeUpSites(); err != nil {
		fault = err.Error()
	}
	if fault != s.sitesFault && fault != "" {
		s.log.Error("the sites' credentials stay what they were", "err", fault)
	}
	s.sitesFault = fault
}

func (s *Server) takeUpSites() error {
	if err := s.readSites(); err != nil {
		return err
	}
	before, now := s.sitesTaken, s.sitesNow()
	if slices.Equal(before, now) {
		return nil
	}
	if err := s.reload(); err != nil {
		return err
	}
	ended, err := s.endLinks(before, now)
	if err != nil {
		return err
	}
	s.sitesTaken = now
	s.log.Info("sites with credentials", "count", len(now), "before", len(before), "links_ended", ended)
	return nil
}

// endLinks ends the links that have signed in with what counts no more: nats-server asks only clients again when its users change, not
// leaf nodes. Without sites, those of this machine may come with nothing.
func (s *Server) endLinks(before, now []Site) (ended int, err error) {
	s.mu.Lock()
	srv := s.srv
	s.mu.Unlock()
	if srv == nil {
		return 0, nil
	}
	leafs, err := srv.Leafz(nil)
	if err != nil {
		return 0, fmt.Errorf("ending the links of sites: %w", err)
	}
	void := map[string]bool{s.users.anonymous.name: len(now) > 0}
	for _, site := range before {
		void[site.Key] = true
	}
	for _, site := range now {
		delete(void, site.Key)
	}
	for _, leaf := range leafs.Leafs {
		// One that has gone meanwhile is none. Links of our own to a hub have no user here.
		c := srv.GetLeafNode(leaf.ID)
		if c == nil || !void[c.GetOpts().Nkey] {
			continue
		}
		if srv.DisconnectClientByID(leaf.ID) == nil {
			ended++
		}
	}
	return ended, nil
}

// reload has the running server take up options that have changed.
func (s *Server) reload() error {
	s.reloads.Lock()
	defer s.reloads.Unlock()
	s.mu.Lock()
	srv := s.srv
	s.mu.Unlock()
	if srv == nil {
		return nil // the next one starts with them
	}
	opts, err := s.options()
	if err != nil {
		return err
	}
	if err := srv.ReloadOptions(opts); err != nil {
		return fmt.Errorf("changing the embedded NATS server: %w", err)
	}
	s.writeContexts(srv, opts) // the certificate may be another
	return nil
}
