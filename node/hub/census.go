package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// censusPeriod is how often the sites of one name are counted, and censusWait how long a second answer is waited for after the first.
	censusPeriod = 5 * time.Second
	censusWait   = 300 * time.Millisecond
	// clockMost is how far apart the clocks of hub and site may be.
	clockMost = 30 * time.Second
	// originKey is what a mirror's metadata remember its site by.
	originKey = "edge-video-origin"
)

// count asks who has the site's name, and what its clock says, and tells the site what it ought to know. Of two sites with one name the one
// that is mirrored already goes on; else it is the older.
func (s *site) count(ctx context.Context) {
	if time.Since(s.counted) < censusPeriod {
		return
	}
	s.counted = time.Now()
	answers, err := s.census(ctx)
	if err != nil {
		s.log.Debug("counting sites of the name", "err", err)
		return
	}
	if answers = distinct(answers); len(answers) == 0 {
		return
	}
	s.twins = len(answers) > 1
	first := answers[0]
	for _, a := range answers {
		if origin(&a) == s.first {
			first = a
		}
	}
	if s.first == "" {
		s.first = origin(&first)
	}
	if first.State.Msgs > 0 {
		s.frameBytes = first.State.Bytes / first.State.Msgs
	}
	n := schema.HubNote{Hub: s.hub.config.Site, Node: s.hub.config.Node}
	s.clock = s.hub.now().Sub(first.TimeStamp)
	s.hub.metrics.clock.WithLabelValues(s.name).Set(s.clock.Seconds())
	if s.clock.Abs() > clockMost {
		n.Clock = s.clock.Round(clockMost)
	}
	text := s.clockText(n.Clock, first.TimeStamp)
	switch made, _, _ := strings.Cut(s.first, " "); {
	case s.twins:
		var servers []string
		for _, a := range answers {
			servers = append(servers, serverOf(&a))
		}
		n.Origin, n.Twins = s.first, strings.Join(servers, " and ")
		text = fmt.Sprintf("two sites with the name %s are connected to the hub %s, as %s; that of %s is mirrored; give the other a name of its own",
			s.name, s.hub.config.Site, n.Twins, serverOf(&first))
	case made != first.Created.UTC().Format(time.RFC3339Nano):
		text = fmt.Sprintf("site %s has begun its frames anew at %s, and %s is of those begun at %s: that stays, and what comes now is put behind it",
			s.name, first.Created.UTC().Format(time.RFC3339), schema.MirrorStream(schema.StreamFrames, s.name), made)
	}
	s.warn(text)
	if n != s.noted || s.twins {
		s.tell(ctx, n)
	}
}

// census gathers what every site of the name says about its frames. The time that it gives is the site's.
func (s *site) census(ctx context.Context) ([]jetstream.StreamInfo, error) {
	var all []jetstream.StreamInfo
	wait := reachTimeout
	err := s.hub.gather(ctx, schema.DomainAPI(s.name)+".STREAM.INFO."+schema.StreamFrames, func() time.Duration { return wait }, func(data []byte) error {
		var info jetstream.StreamInfo
		if err := json.Unmarshal(data, &info); err != nil {
			return err
		}
		if info.Created.IsZero() {
			return nil // an error
		}
		all, wait = append(all, info), censusWait
		return nil
	})
	if err != nil {
		return all, fmt.Errorf("asking site %s: %w", s.name, err)
	}
	return all, nil
}

// distinct are the answers of different sites, the older first. Of a cluster two nodes may answer, where one has lost the lead and does not
// know it yet.
func distinct(answers []jetstream.StreamInfo) []jetstream.StreamInfo {
	slices.SortFunc(answers, func(a, b jetstream.StreamInfo) int { return strings.Compare(origin(&a), origin(&b)) })
	return slices.CompactFunc(answers, func(a, b jetstream.StreamInfo) bool { return origin(&a) == origin(&b) })
}

func (s *site) clockText(clock time.Duration, at time.Time) string {
	if clock == 0 {
		return ""
	}
	return fmt.Sprintf("the clock of site %s is %s off that of the hub %s: %s there, %s here; set both by NTP", s.name, clock.Abs(), s.hub.config.Site,
		at.UTC().Format(time.RFC3339), s.hub.now().UTC().Format(time.RFC3339))
}

// tell leaves a note at the site.
func (s *site) tell(ctx context.Context, n schema.HubNote) {
	text, err := json.Marshal(n)
	if err != nil {
		s.log.Error("writing a note to the site", "err", err)
		return
	}
	js, err := jetstream.NewWithAPIPrefix(s.hub.nc, schema.DomainAPI(s.name))
	if err != nil {
		s.log.Error("writing a note to the site", "err", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if _, err := js.CreateOrUpdateConsumer(ctx, schema.StreamEvents, jetstream.ConsumerConfig{Durable: schema.HubNoteConsumer(s.hub.config.Site),
		Description: "a note of the hub " + s.hub.config.Site, DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckNonePolicy,
		FilterSubject: schema.SiteSubjects("events", s.name), Metadata: map[string]string{schema.MetadataKey: s.hub.config.Node, schema.NoteKey: string(text)}}); err != nil {
		s.log.Debug("leaving a note at the site", "err", err)
		return
	}
	s.noted = n
}

// warn notes what is wrong beside, and tells it where that is news.
func (s *site) warn(text string) {
	s.mu.Lock()
	kind := func(text string) string { before, _, _ := strings.Cut(text, ":"); return before }
	news := kind(text) != kind(s.status.Warning)
	s.status.Warning = text
	s.mu.Unlock()
	if !news || text == "" {
		return
	}
	s.log.Warn("a site", "warning", text)
	s.hub.journal.Event(schema.Event{Class: schema.ClassLink, Name: s.name, Kind: schema.KindControl, State: "warned", Reason: "site", Message: text})
}

func origin(info *jetstream.StreamInfo) string {
	c := clusterOf(info)
	return schema.Origin(info.Created, c.Name, c.Leader)
}

// serverOf is the server that leads a site's stream, or the cluster where none does.
func serverOf(info *jetstream.StreamInfo) string {
	c := clusterOf(info)
	return cmp.Or(c.Leader, c.Name)
}

func clusterOf(info *jetstream.StreamInfo) jetstream.ClusterInfo {
	if info.Cluster == nil {
		return jetstream.ClusterInfo{}
	}
	return *info.Cluster
}
