package node

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const (
	// figuresAge is how old the figures of the embedded server may be: several that ask at once cost one look.
	figuresAge = time.Second
	// figuresMost is of how many consumers there are figures; what is beyond it is in the numbers of its stream alone.
	figuresMost = 2000
)

// figures are the embedded server's own numbers, under the names and labels that prometheus-nats-exporter gives them, which public
// dashboards know. server_id is the server's name, so that a restart in place does not begin other series. Consumers that are not durable
// come and go under made-up names, and have no figures of their own.
type figures struct {
	server  *Server
	version *prometheus.Desc
	varz    []figure[*server.Varz]
	js      []figure[*server.JSInfo]
	stream  []figure[*server.StreamDetail]
	one     []figure[*server.ConsumerInfo]

	mu   sync.Mutex
	at   time.Time
	last []prometheus.Metric
}

// figure is one number of what the server tells.
type figure[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(T) float64
}

// Figures are the embedded server's own numbers for Prometheus: none while it is down.
func (s *Server) Figures() prometheus.Collector {
	serverLabels := []string{"server_id", "server_name", "cluster", "domain", "meta_leader", "is_meta_leader"}
	streamLabels := append(slices.Clone(serverLabels), "account", "account_id", "stream_name", "stream_leader", "is_stream_leader")
	consumerLabels := append(slices.Clone(streamLabels), "consumer_name", "consumer_leader", "is_consumer_leader", "consumer_desc")
	return &figures{server: s,
		version: prometheus.NewDesc("gnatsd_varz_version", "1, with the version of the embedded NATS server.",
			[]string{"server_id", "value"}, nil),
		varz:   describe("gnatsd_varz_", []string{"server_id"}, varzFigures),
		js:     describe("jetstream_server_", serverLabels, jetStreamFigures),
		stream: describe("jetstream_stream_", streamLabels, streamFigures),
		one:    describe("jetstream_consumer_", consumerLabels, consumerFigures)}
}

// named is a figure to be described.
type named[T any] struct {
	name, help string
	of         func(T) float64
}

// describe makes figures of names. They are gauges, as the exporter's are, but for names that are reserved for counters or histograms.
func describe[T any](prefix string, labels []string, all []named[T]) []figure[T] {
	var out []figure[T]
	for _, n := range all {
		kind := prometheus.GaugeValue
		switch n.name {
		case "consumer_count":
			kind = prometheus.UntypedValue
		case "jetstream_stats_api_total":
			kind = prometheus.CounterValue
		}
		out = append(out, figure[T]{prometheus.NewDesc(prefix+n.name, n.help, labels, nil), kind, n.of})
	}
	return out
}

// send makes metrics of figures of one thing.
func send[T any](all []figure[T], of T, to []prometheus.Metric, labels ...string) []prometheus.Metric {
	pairs := prometheus.MakeLabelPairs(all[0].desc, labels)
	for _, f := range all {
		to = append(to, &metric{desc: f.desc, kind: f.kind, value: f.of(of), labels: pairs})
	}
	return to
}

// metric is one value with labels that it shares with others: they are most of what a scrape of many streams costs.
type metric struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	value  float64
	labels []*dto.LabelPair
}

// Desc implements [prometheus.Metric].
func (m *metric) Desc() *prometheus.Desc { return m.desc }

// Write implements [prometheus.Metric].
func (m *metric) Write(out *dto.Metric) error {
	out.Label = m.labels
	switch m.kind {
	case prometheus.CounterValue:
		out.Counter = &dto.Counter{Value: &m.value}
	case prometheus.UntypedValue:
		out.Untyped = &dto.Untyped{Value: &m.value}
	default:
		out.Gauge = &dto.Gauge{Value: &m.value}
	}
	return nil
}

// Describe implements [prometheus.Collector].
func (f *figures) Describe(ch chan<- *prometheus.Desc) {
	ch <- f.version
	for _, n := range f.varz {
		ch <- n.desc
	}
	for _, n := range f.js {
		ch <- n.desc
	}
	for _, n := range f.stream {
		ch <- n.desc
	}
	for _, n := range f.one {
		ch <- n.desc
	}
}

// Collect implements [prometheus.Collector].
func (f *figures) Collect(ch chan<- prometheus.Metric) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) >= figuresAge {
		f.last = f.look(f.last[:0])
		f.at = time.Now()
	}
	for _, m := range f.last {
		ch <- m
	}
}

// look asks the server that runs now.
func (f *figures) look(to []prometheus.Metric) []prometheus.Metric {
	f.server.mu.Lock()
	srv := f.server.srv
	f.server.mu.Unlock()
	if srv == nil {
		return to
	}
	var varz *server.Varz
	var js *server.JSInfo
	err := f.server.steady(func() (err error) {
		if varz, err = srv.Varz(nil); err != nil {
			return err
		}
		js, err = srv.Jsz(&server.JSzOptions{Consumer: true, Config: true})
		return err
	})
	if err != nil {
		f.server.log.Debug("asking the embedded server for its figures", "err", err)
		return to
	}
	name := srv.Name()
	to = append(to, prometheus.MustNewConstMetric(f.version, prometheus.GaugeValue, 1, name, varz.Version))
	to = send(f.varz, varz, to, name)
	cluster, leader := "", ""
	if js.Meta != nil {
		cluster, leader = js.Meta.Name, js.Meta.Leader
	}
	own := []string{name, name, cluster, js.Config.Domain, leader, leads(js.Meta == nil, leader, name)}
	to = send(f.js, js, to, own...)
	room := figuresMost
	for _, account := range js.AccountDetails {
		for i := range account.Streams {
			stream := &account.Streams[i]
			labels := append(slices.Clip(own), account.Name, account.Id, stream.Name, leaderOf(stream.Cluster),
				leads(stream.Cluster == nil, leaderOf(stream.Cluster), name))
			to = send(f.stream, stream, to, labels...)
			for _, c := range stream.Consumer {
				if c.Config == nil || c.Config.Durable == "" || room == 0 {
					continue
				}
				room--
				to = send(f.one, c, to, append(slices.Clip(labels), c.Name, leaderOf(c.Cluster),
					leads(c.Cluster == nil, leaderOf(c.Cluster), name), c.Config.Description)...)
			}
		}
	}
	return to
}

func leaderOf(c *server.ClusterInfo) string {
	if c == nil {
		return ""
	}
	return c.Leader
}

// leads is the label that says whether the server leads what has no leader but itself where it is alone.
func leads(alone bool, leader, name string) string {
	return strconv.FormatBool(alone || leader == name)
}

var varzFigures = []named[*server.Varz]{
	{"connections", "Connections that are open.", func(v *server.Varz) float64 { return float64(v.Connections) }},
	{"total_connections", "Connections that there have been.", func(v *server.Varz) float64 { return float64(v.TotalConnections) }},
	{"subscriptions", "Subscriptions that there are.", func(v *server.Varz) float64 { return float64(v.Subscriptions) }},
	{"routes", "Connections to other servers of the cluster.", func(v *server.Varz) float64 { return float64(v.Routes) }},
	{"leafnodes", "Leaf node connections.", func(v *server.Varz) float64 { return float64(v.Leafs) }},
	{"in_msgs", "Messages received since the server started.", func(v *server.Varz) float64 { return float64(v.InMsgs) }},
	{"in_bytes", "Bytes received since the server started.", func(v *server.Varz) float64 { return float64(v.InBytes) }},
	{"out_msgs", "Messages sent since the server started.", func(v *server.Varz) float64 { return float64(v.OutMsgs) }},
	{"out_bytes", "Bytes sent since the server started.", func(v *server.Varz) float64 { return float64(v.OutBytes) }},
	{"slow_consumers", "Connections ended because they took too long to read.",
		func(v *server.Varz) float64 { return float64(v.SlowConsumers) }},
	{"mem", "Resident memory of the process, in bytes.", func(v *server.Varz) float64 { return float64(v.Mem) }},
	{"cpu", "Processor time that the process uses, in percent of a core.", func(v *server.Varz) float64 { return v.CPU }},
	{"cores", "Cores of the machine.", func(v *server.Varz) float64 { return float64(v.Cores) }},
	{"max_connections", "The most connections allowed.", func(v *server.Varz) float64 { return float64(v.MaxConn) }},
	{"max_payload", "The largest message allowed, in bytes.", func(v *server.Varz) float64 { return float64(v.MaxPayload) }},
	{"max_pending", "Bytes that may wait for a connection before it counts as slow.",
		func(v *server.Varz) float64 { return float64(v.MaxPending) }},
	{"jetstream_config_max_memory", "Memory that JetStream may use, in bytes.",
		func(v *server.Varz) float64 { return float64(jsConfig(v).MaxMemory) }},
	{"jetstream_config_max_storage", "Disk space that JetStream may use, in bytes.",
		func(v *server.Varz) float64 { return float64(jsConfig(v).MaxStore) }},
	{"jetstream_stats_memory", "Memory that JetStream's streams use, in bytes.",
		func(v *server.Varz) float64 { return float64(jsStats(v).Memory) }},
	{"jetstream_stats_storage", "Disk space that JetStream's streams use, in bytes.",
		func(v *server.Varz) float64 { return float64(jsStats(v).Store) }},
	{"jetstream_stats_reserved_memory", "Memory that JetStream's streams may come to use, in bytes.",
		func(v *server.Varz) float64 { return float64(jsStats(v).ReservedMemory) }},
	{"jetstream_stats_reserved_storage", "Disk space that JetStream's streams may come to use, in bytes.",
		func(v *server.Varz) float64 { return float64(jsStats(v).ReservedStore) }},
	{"jetstream_stats_accounts", "Accounts that have JetStream.", func(v *server.Varz) float64 { return float64(jsStats(v).Accounts) }},
	{"jetstream_stats_ha_assets", "Replicated streams and consumers, and JetStream's own group.",
		func(v *server.Varz) float64 { return float64(jsStats(v).HAAssets) }},
	{"jetstream_stats_api_total", "Requests to JetStream's API.", func(v *server.Varz) float64 { return float64(jsStats(v).API.Total) }},
	{"jetstream_stats_api_errors", "Requests to JetStream's API that were answered by an error.",
		func(v *server.Varz) float64 { return float64(jsStats(v).API.Errors) }},
}

func jsConfig(v *server.Varz) server.JetStreamConfig {
	if v.JetStream.Config == nil {
		return server.JetStreamConfig{}
	}
	return *v.JetStream.Config
}

func jsStats(v *server.Varz) server.JetStreamStats {
	if v.JetStream.Stats == nil {
		return server.JetStreamStats{}
	}
	return *v.JetStream.Stats
}

var jetStreamFigures = []named[*server.JSInfo]{
	{"jetstream_disabled", "1 while JetStream is off.", func(j *server.JSInfo) float64 { return number(j.Disabled) }},
	{"total_streams", "Streams.", func(j *server.JSInfo) float64 { return float64(j.Streams) }},
	{"total_consumers", "Consumers of all streams.", func(j *server.JSInfo) float64 { return float64(j.Consumers) }},
	{"total_messages", "Messages in all streams.", func(j *server.JSInfo) float64 { return float64(j.Messages) }},
	{"total_message_bytes", "Bytes in all streams.", func(j *server.JSInfo) float64 { return float64(j.Bytes) }},
	{"max_memory", "Memory that JetStream may use, in bytes.", func(j *server.JSInfo) float64 { return float64(j.Config.MaxMemory) }},
	{"max_storage", "Disk space that JetStream may use, in bytes.", func(j *server.JSInfo) float64 { return float64(j.Config.MaxStore) }},
}

var streamFigures = []named[*server.StreamDetail]{
	{"total_messages", "Messages in the stream.", func(s *server.StreamDetail) float64 { return float64(s.State.Msgs) }},
	{"total_bytes", "Bytes in the stream.", func(s *server.StreamDetail) float64 { return float64(s.State.Bytes) }},
	{"first_seq", "Sequence of the oldest message in the stream.", func(s *server.StreamDetail) float64 { return float64(s.State.FirstSeq) }},
	{"last_seq", "Sequence of the newest message in the stream.", func(s *server.StreamDetail) float64 { return float64(s.State.LastSeq) }},
	{"consumer_count", "Consumers of the stream.", func(s *server.StreamDetail) float64 { return float64(s.State.Consumers) }},
}

var consumerFigures = []named[*server.ConsumerInfo]{
	{"delivered_consumer_seq", "Deliveries of the consumer.", func(c *server.ConsumerInfo) float64 { return float64(c.Delivered.Consumer) }},
	{"delivered_stream_seq", "Sequence of the last message that was delivered.",
		func(c *server.ConsumerInfo) float64 { return float64(c.Delivered.Stream) }},
	{"num_pending", "Messages not delivered yet.", func(c *server.ConsumerInfo) float64 { return float64(c.NumPending) }},
	{"num_ack_pending", "Messages delivered and not acknowledged yet.",
		func(c *server.ConsumerInfo) float64 { return float64(c.NumAckPending) }},
	{"num_redelivered", "Messages delivered more than once and not acknowledged yet.",
		func(c *server.ConsumerInfo) float64 { return float64(c.NumRedelivered) }},
	{"num_waiting", "Requests for messages that wait.", func(c *server.ConsumerInfo) float64 { return float64(c.NumWaiting) }},
	{"ack_floor_stream_seq", "Sequence up to which all is acknowledged.",
		func(c *server.ConsumerInfo) float64 { return float64(c.AckFloor.Stream) }},
	{"ack_floor_consumer_seq", "Delivery up to which all is acknowledged.",
		func(c *server.ConsumerInfo) float64 { return float64(c.AckFloor.Consumer) }},
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
