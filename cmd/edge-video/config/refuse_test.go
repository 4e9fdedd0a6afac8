package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	oneCamera = "cameras: [{id: a, url: 'lavfi:testsrc2'}]\n"
	header    = oneCamera + "bridges:\n  - name: b\n"
)

// cam is a camera section with further lines, of which the first is line 4.
func cam(lines string) string {
	return "cameras:\n  - id: a\n    url: rtsp://h/x\n" + indent(lines)
}

// rabbit and cache are a bridge section with keys of its sink from line 5 on.
func rabbit(lines string) string { return header + "    rabbitmq:\n" + indent(indent(lines)) }
func cache(lines string) string  { return header + "    redis:\n" + indent(indent(lines)) }
func mqtt(lines string) string   { return header + "    mqtt:\n" + indent(indent(lines)) }

// stored is a bridge beside one to Redis, with keys of its own from line 7 on and of its sink in line 4. status is one of states, with
// keys of its sink from line 7 on.
func stored(lines, sink string) string {
	return oneCamera + "bridges:\n  - {name: cache, redis: {url: 'redis://h'}}\n  - rabbitmq: {url: 'amqp://h', " + sink + "}\n    name: b\n    source: stored\n" + indent(lines)
}
func status(lines string) string {
	return rabbit("url: amqp://h\nbody: status\n"+lines) + "    source: events\n"
}

func indent(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		b.WriteString("    " + line)
	}
	return strings.TrimSuffix(b.String(), "\n") + "\n"
}

// refused lists inputs with the beginning of the only problem each has.
func refused() map[string][2]string {
	return map[string][2]string{
		// structure
		"unknown key":             {"site: a\nfoo: 1", "f.yaml:2: foo: unknown key; known here: site node data_dir nats "},
		"Latin-1 text":            {"site: a\ndata_dir: '/data/m\xfcnchen'", "f.yaml:2: is not UTF-8 text; save the file as UTF-8"},
		"misspelt key":            {"stream:\n  max_bites: 1", "f.yaml:2: stream.max_bites: unknown key; did you mean max_bytes?"},
		"swapped letters":         {"capture:\n  fsp: 1", "f.yaml:2: capture.fsp: unknown key; did you mean fps?"},
		"unknown camera key":      {cam("passwd: x"), "f.yaml:4: cameras[0].passwd: unknown key; did you mean password?"},
		"key of another section":  {cam("starts_per_second: 3"), "f.yaml:4: cameras[0].starts_per_second: unknown key; known"},
		"key with a line break":   {"\"a\\nb\": 1", `f.yaml:1: "a\nb": unknown key`},
		"duplicate key":           {"site: a\nnode: b\nsite: c", "f.yaml:3: site: is given twice, first on line 1; remove"},
		"duplicate nested key":    {"log: {level: info, level: warn}", "f.yaml:1: log.level: is given twice"},
		"list for mapping":        {"stream: [1]", "f.yaml:1: stream: is a list where a mapping is expected"},
		"text for mapping":        {"log: info", "f.yaml:1: log: is text where a mapping is expected; write keys with values: level format"},
		"mapping for list":        {"cameras:\n  dock: 1", "f.yaml:2: cameras: is a mapping where a list is expected"},
		"text for list":           {header + "    cameras: '*'\n    redis: {url: 'redis://h'}", "f.yaml:4: bridges[0].cameras: is text where a list is expected"},
		"mapping for text":        {"site:\n  name: a", "f.yaml:2: site: is a mapping where a single value is expected; write text"},
		"list for number":         {"capture:\n  quality: [3]", "f.yaml:2: capture.quality: is a list where a single value is expected; write a whole number"},
		"list as file":            {"- a", "f.yaml:1: is a list where a mapping is expected"},
		"empty list entry":        {"cameras:\n  -", "f.yaml:2: cameras[0]: is an empty list entry"},
		"two documents":           {"site: a\n---\nsite: b", "f.yaml:2: holds more than one YAML document"},
		"directive":               {"%YAML 1.2\n---\nsite: a", "f.yaml:1: YAML directives are not read here"},
		"tag":                     {"site: !x a", "f.yaml:1: site: YAML tags are not read here; quote text that begins with !"},
		"alias without anchor":    {"site: a\nnode: *x", "f.yaml:2: node: this YAML alias has no anchor; quote text"},
		"anchor twice":            {"site: &x a\nnode: &x b", "f.yaml:2: this YAML anchor name is given twice"},
		"alias to itself":         {"site: &x\n  *x", "f.yaml:2: site: this YAML alias leads back to itself"},
		"merge of text":           {"log:\n  <<: info", "f.yaml:2: log: a merge key << takes a mapping, and this is text"},
		"syntax":                  {"site: a\nlog: {level: info", "f.yaml:2: YAML syntax: "},
		"bare asterisk":           {"site: a\nnode: b\nlog: [*]", "f.yaml:3: YAML syntax: "},
		"tab":                     {"nats:\n\tlisten: x", "f.yaml:2: YAML syntax: "},
		"deep nesting":            {strings.Repeat("[", 1000), "f.yaml:1: is nested too deeply"},
		"deep nesting of entries": {strings.Repeat("- ", 1000), "f.yaml:1: is nested too deeply"},

		// scalars
		"duration without unit": {"stream:\n  max_age: 6", `f.yaml:2: stream.max_age: "6" is not a duration; add a unit, as in 6s or 6m`},
		"duration in days":      {"stream:\n  max_age: 1d", `f.yaml:2: stream.max_age: "1d" is not a duration; write a number with one of ms s m h`},
		"size with bad unit":    {"stream:\n  max_bytes: 10gigs", `f.yaml:2: stream.max_bytes: "10gigs" is not a size; write a whole number with one of B KiB`},
		"size with fraction":    {"stream:\n  max_bytes: 1.5GiB", `f.yaml:2: stream.max_bytes: "1.5GiB" is not a size`},
		"size overflow":         {"stream:\n  max_bytes: 9000000TiB", `f.yaml:2: stream.max_bytes: "9000000TiB" is not a size; write at most 8388607TiB`},
		"sync":                  {"stream:\n  sync: often", `f.yaml:2: stream.sync: "often" is not a sync policy; write an interval such as 2s, or always, or async`},
		"sync zero":             {"stream:\n  sync: 0s", `f.yaml:2: stream.sync: "0s" is not a sync policy`},
		"quoted number":         {"capture:\n  fps: '10'", "f.yaml:2: capture.fps: is quoted text; write a number without quotes"},
		"number that is text":   {"capture:\n  fps: fast", `f.yaml:2: capture.fps: "fast" is not a number`},
		"fraction for integer":  {"capture:\n  quality: 5.5", `f.yaml:2: capture.quality: "5.5" is not a whole number`},
		"yes for true":          {"nats:\n  insecure: yes", `f.yaml:2: nats.insecure: "yes" is not true or false; write true or false`},
		"unset variable":        {"site: a\nnode: ${NODE}", "f.yaml:2: node: variable ${NODE} is not set; set it in the node's environment"},
		"unclosed variable":     {"node: ${NODE", "f.yaml:1: node: holds ${ without a variable name and }"},
		"variable with default": {"node: ${NODE:-x}", "f.yaml:1: node: holds ${ without a variable name and }"},

		// names
		"site with capital":    {"site: Lisbon", `f.yaml:1: site: "Lisbon" is not a valid name; use 1 to 32 of a-z 0-9 _ -`},
		"empty site":           {"site: ''", `f.yaml:1: site: "" is not a valid name`},
		"node with dot":        {"node: a.b", `f.yaml:1: node: "a.b" is not a valid name; use 1 to 32`},
		"empty data_dir":       {"data_dir: ''", "f.yaml:1: data_dir: is empty"},
		"camera id with dot":   {"cameras:\n  - url: file:/x\n    id: a.b", `f.yaml:3: cameras[0].id: "a.b" is not a valid name; use 1 to 64 of A-Z a-z 0-9 _ - (no dots or spaces)`},
		"camera id with space": {"cameras:\n  - url: file:/x\n    id: a b", `f.yaml:3: cameras[0].id: "a b" is not a valid name`},
		"camera without id":    {"cameras:\n  - url: file:/x", "f.yaml:2: cameras[0].id: is missing"},
		"camera without url":   {"cameras:\n  - id: a", "f.yaml:2: cameras[0].url: is missing; begin with one of rtsp rtsps rtmp http https udp srt file v4l2 lavfi"},
		"duplicate camera id":  {"cameras:\n  - {id: a, url: 'file:/x'}\n  - {id: a, url: 'file:/y'}", `f.yaml:3: cameras[1].id: "a" is already the id of cameras[0]`},

		// capture
		"negative fps":            {"capture:\n  fps: -1", "f.yaml:2: capture.fps: -1 is not above 0 and at most 240"},
		"zero fps":                {"capture:\n  fps: 0", "f.yaml:2: capture.fps: 0 is not above 0"},
		"fps NaN":                 {"capture:\n  fps: NaN", "f.yaml:2: capture.fps: NaN is not above 0"},
		"fps too high":            {cam("fps: 241"), "f.yaml:4: cameras[0].fps: 241 is not above 0 and at most 240"},
		"quality":                 {"capture:\n  quality: 1", "f.yaml:2: capture.quality: 1 is not from 2 (best) to 31"},
		"odd width":               {"capture:\n  width: 641", "f.yaml:2: capture.width: 641 is neither 0 nor an even number"},
		"small width":             {"capture:\n  width: 8", "f.yaml:2: capture.width: 8 is neither"},
		"unknown mode":            {"capture:\n  mode: jpg", `f.yaml:2: capture.mode: "jpg" is not known here; did you mean jpeg? write one of jpeg keyframes copy`},
		"unknown hwaccel":         {"capture:\n  hwaccel: gpu", `f.yaml:2: capture.hwaccel: "gpu" is not known here; write one of none auto`},
		"stall_timeout":           {"capture:\n  stall_timeout: -2s", "f.yaml:2: capture.stall_timeout: -2s is not above 0"},
		"short stall_timeout":     {"capture:\n  stall_timeout: 10ms", "f.yaml:2: capture.stall_timeout: 10ms is too short; write at least 1s"},
		"stall below fps":         {"capture:\n  fps: 0.1", "f.yaml:2: capture.fps: stall_timeout 15s is less than two pictures at 0.1 fps take; make stall_timeout at least 20s"},
		"stall below camera fps":  {cam("stall_timeout: 4s\nfps: 0.2"), "f.yaml:4: cameras[0].stall_timeout: stall_timeout 4s is less"},
		"max_frame over payload":  {"capture: {queue_bytes: 1GiB,\n  max_frame: 64MiB}", "f.yaml:2: capture.max_frame: 64MiB is more than a message can hold; write at most 65520KiB"},
		"max_frame negative":      {"capture:\n  max_frame: -1", "f.yaml:2: capture.max_frame: -1 is too small"},
		"max_frame over queue":    {cam("max_frame: 16MiB"), "f.yaml:4: cameras[0].max_frame: queue_bytes 16MiB cannot hold a picture of max_frame 16MiB"},
		"queue below max_frame":   {"capture:\n  queue_bytes: 4MiB", "f.yaml:2: capture.queue_bytes: queue_bytes 4MiB cannot hold"},
		"starts_per_second":       {"capture:\n  starts_per_second: 0", "f.yaml:2: capture.starts_per_second: 0 is not above 0"},
		"inherited fault is told": {"capture:\n  quality: 99\n" + cam("fps: 2"), "f.yaml:2: capture.quality: 99 is not from 2"},

		// camera addresses
		"copy of lavfi":       {"cameras:\n  - {id: a, mode: copy, url: 'lavfi:testsrc2'}", "f.yaml:2: cameras[0].url: a made-up camera has no encoding to copy; write mode: jpeg for it"},
		"unknown scheme":      {"cameras:\n  - id: a\n    url: ftp://h/x", `f.yaml:3: cameras[0].url: "ftp://h/x" has no scheme that works here; begin with one of rtsp rtsps rtmp http https udp srt file v4l2 lavfi`},
		"no scheme":           {"cameras:\n  - id: a\n    url: 10.0.0.5/x", `f.yaml:3: cameras[0].url: "***" has no scheme`},
		"no slashes":          {"cameras:\n  - id: a\n    url: 'rtsp:10.0.0.5'", `f.yaml:3: cameras[0].url: "***" has no scheme`},
		"no host":             {"cameras:\n  - id: a\n    url: rtsp:///x", `f.yaml:3: cameras[0].url: "rtsp:///x" has no host`},
		"port without host":   {"cameras:\n  - id: a\n    url: rtsp://:554/x", `f.yaml:3: cameras[0].url: "rtsp://:554/x" has no host`},
		"port too high":       {"cameras:\n  - id: a\n    url: rtsp://h:99999/x", `f.yaml:3: cameras[0].url: "rtsp://h:99999/x" has a port above 65535`},
		"empty file":          {"cameras:\n  - id: a\n    url: 'file:'", `f.yaml:3: cameras[0].url: "file:" names nothing after the colon`},
		"user of file":        {"cameras:\n  - id: a\n    url: file:/x\n    username: u", "f.yaml:4: cameras[0].username: has no use with file"},
		"user of udp":         {"cameras:\n  - id: a\n    url: udp://:1234\n    username: u", "f.yaml:4: cameras[0].username: has no use with udp"},
		"user twice":          {"cameras:\n  - id: a\n    url: rtsp://v:w@h/x\n    username: u", "f.yaml:4: cameras[0].username: credentials are given here and in the url"},
		"password alone":      {cam("password: x"), "f.yaml:4: cameras[0].password: is given without a username"},
		"password file alone": {cam("password_file: ${SECRET_FILE}"), "f.yaml:4: cameras[0].password_file: is given without a username"},
		"password twice":      {cam("username: u\npassword: x\npassword_file: ${SECRET_FILE}"), "f.yaml:6: cameras[0].password_file: is given beside password; keep one"},
		"password file gone":  {cam("username: u\npassword_file: /nowhere/x"), `f.yaml:5: cameras[0].password_file: file "/nowhere/x" cannot be read: no such file or directory`},
		"password file empty": {cam("username: u\npassword_file: /dev/null"), `f.yaml:5: cameras[0].password_file: file "/dev/null" is empty`},

		// stream and hub
		"max_age zero":               {"stream:\n  max_age: 0s", "f.yaml:2: stream.max_age: 0s is not above 0"},
		"max_bytes too small":        {"stream:\n  max_bytes: 63MiB", "f.yaml:2: stream.max_bytes: 63MiB is too small to absorb an outage; write at least 64MiB"},
		"replicas zero":              {"stream:\n  replicas: 0", "f.yaml:2: stream.replicas: 0 is not from 1 to 5"},
		"replicas without a cluster": {"stream:\n  replicas: 3", "f.yaml:2: stream.replicas: 3 replicas need a cluster of nodes; set nats.cluster.listen"},
		"hub mirror":                 {"hub:\n  mirror: true", "f.yaml:2: hub.mirror: sites have nowhere to connect to; set nats.leaf.listen"},
		"hub bounds":                 {"hub:\n  max_bytes: 0", "f.yaml:2: hub.max_bytes: 0 is not above 0"},

		// listeners
		"address without port":    {"nats:\n  listen: localhost", `f.yaml:2: nats.listen: "localhost" is not host:port`},
		"address with bad port":   {"nats:\n  listen: localhost:nats", `f.yaml:2: nats.listen: "localhost:nats" has no port from 0 to 65535`},
		"address with high port":  {"http:\n  listen: localhost:65536", `f.yaml:2: http.listen: "localhost:65536" has no port from 0 to 65535`},
		"same port":               {"nats:\n  listen: localhost:8080", "f.yaml: http.listen: port 8080 is taken by nats.listen; choose another port"},
		"same port everywhere":    {"nats:\n  leaf:\n    insecure: true\n    listen: :4222", "f.yaml:4: nats.leaf.listen: port 4222 is taken by nats.listen"},
		"open nats":               {"nats:\n  listen: 0.0.0.0:4222", `f.yaml:2: nats.listen: "0.0.0.0:4222" is open to others without credentials; listen on 127.0.0.1, or set nats.insecure: true, or name a file with accounts in nats.config`},
		"open leaf":               {"nats:\n  leaf:\n    listen: ':7422'", `f.yaml:3: nats.leaf.listen: ":7422" is open to others without credentials`},
		"open cluster":            {"nats:\n  cluster:\n    name: x\n    listen: gate:6222", `f.yaml:4: nats.cluster.listen: "gate:6222" is open to others`},
		"open http":               {"nats: {config: nats.conf}\nhttp:\n  listen: '[::]:8080'", `f.yaml:3: http.listen: "[::]:8080" is open to others without credentials; listen on 127.0.0.1, or set http.insecure: true, or name http.users: edge-video user NAME makes one`},
		"cluster without name":    {"nats: {cluster: {listen: '127.0.0.1:6222'}}", "f.yaml:1: nats.cluster.name: is missing"},
		"cluster name with space": {"nats: {cluster: {name: a b}}", "f.yaml:1: nats.cluster.name: holds a space"},
		"routes without listener": {"nats: {cluster: {routes: ['nats://h:6222']}}", "f.yaml:1: nats.cluster.routes: routes need a listener"},
		"route scheme":            {"nats: {cluster: {name: a, listen: '127.0.0.1:6222', routes: ['http://h']}}", `f.yaml:1: nats.cluster.routes[0]: "http://h" has no scheme that works here; write nats-route://host; schemes are nats-route nats tls`},
		"remote scheme":           {"site: a\nnats: {leaf: {remotes: [{url: 'http://h'}]}}", `f.yaml:2: nats.leaf.remotes[0].url: "http://h" has no scheme that works here; write nats-leaf://host; schemes are nats-leaf nats tls ws wss`},
		"remote without url":      {"site: a\nnats: {leaf: {remotes: [{}]}}", "f.yaml:2: nats.leaf.remotes[0].url: is missing"},
		"remote credentials":      {"site: a\nnats: {leaf: {remotes: [{url: 'tls://h',\n  credentials: /nowhere}]}}", `f.yaml:3: nats.leaf.remotes[0].credentials: file "/nowhere" cannot be read: no such file`},
		"remote credentials both": {"site: a\nnats: {leaf: {remotes: [{url: 'tls://u:p@h',\n  credentials: '${SECRET_FILE}'}]}}", "f.yaml:3: nats.leaf.remotes[0].credentials: credentials are given here and in the url"},
		"remote tls in vain":      {"site: a\nnats: {leaf: {remotes: [{url: 'nats-leaf://h',\n  tls: {server_name: x}}]}}", "f.yaml:3: nats.leaf.remotes[0].tls: has no effect on a connection that is not encrypted; write tls or wss in url"},
		"remote tls file":         {"site: a\nnats: {leaf: {remotes: [{url: 'tls://h', tls: {\n  ca: /nowhere}}]}}", `f.yaml:3: nats.leaf.remotes[0].tls.ca: file "/nowhere" cannot be read`},
		"remote half certificate": {"site: a\nnats: {leaf: {remotes: [{url: 'tls://h',\n  tls: {certificate: '${SECRET_FILE}'}}]}}", "f.yaml:3: nats.leaf.remotes[0].tls: has one of certificate and key"},
		"remote unchecked":        {"site: a\nnats: {leaf: {remotes: [{url: 'tls://h', tls: {\n  insecure: true}}]}}", "f.yaml:3: nats.leaf.remotes[0].tls.insecure: unknown key"},
		"remote first of wss":     {"site: a\nnats: {leaf: {remotes: [{url: 'wss://h', tls: {\n  handshake_first: true}}]}}", "f.yaml:3: nats.leaf.remotes[0].tls.handshake_first: has no effect with wss; write tls"},
		"remote proxy scheme":     {"site: a\nnats: {leaf: {remotes: [{url: 'tls://h', proxy: {\n  url: 'socks5://h'}}]}}", `f.yaml:3: nats.leaf.remotes[0].proxy.url: "socks5://h" has no scheme that works here; write http://host; schemes are http https`},
		"remote proxy user":       {"site: a\nnats: {leaf: {remotes: [{url: 'tls://h', proxy: {\n  url: 'http://u@h'}}]}}", "f.yaml:3: nats.leaf.remotes[0].proxy.url: has one of user and password"},
		"remote proxy path":       {"site: a\nnats: {leaf: {remotes: [{url: 'tls://h', proxy: {\n  url: 'http://h/x'}}]}}", "f.yaml:3: nats.leaf.remotes[0].proxy.url: has more than a proxy's address"},
		"remote twice":            {"site: a\nnats: {leaf: {remotes: [{url: 'tls://h:1'}, {url: 'tls://h:2'},\n  {url: 'tls://u:p@h:1'}]}}", "f.yaml:3: nats.leaf.remotes[2].url: has the host and port of nats.leaf.remotes[0]; keep one of the two"},
		"remote twice by default": {"site: a\nnats: {leaf: {remotes: [{url: 'tls://h'}, {url: 'wss://h'}, {url: 'ws://h'},\n  {url: 'tls://u:p@h:7422'}]}}", "f.yaml:3: nats.leaf.remotes[3].url: has the host and port of nats.leaf.remotes[0]; keep one of the two"},
		"leaf tls half":           {"nats: {leaf: {listen: '127.0.0.1:1',\n  tls: {certificate: '${SECRET_FILE}'}}}", "f.yaml:2: nats.leaf.tls: wants both certificate and key"},
		"leaf tls in vain":        {"nats: {leaf: {\n  tls: {certificate: '${SECRET_FILE}', key: '${SECRET_FILE}'}}}", "f.yaml:2: nats.leaf.tls: has no effect without a listener"},
		"local site with remotes": {"site: local\nnats: {leaf: {remotes: [{url: 'tls://h'}]}}", `f.yaml:1: site: a site named "local" may not join a hub`},

		// registration
		"registration scheme":       {"registration: {url: 'ftp://h'}", `f.yaml:1: registration.url: "ftp://h" has no scheme that works here; write https://host`},
		"registration retry":        {"registration: {retry: 10ms}", "f.yaml:1: registration.retry: 10ms is too short; write at least 1s"},
		"registration timeout":      {"registration: {timeout: 0s}", "f.yaml:1: registration.timeout: 0s is not above 0"},
		"registration bridge":       {"registration: {url: 'https://h', bridge: b}", `f.yaml:1: registration.bridge: no bridge to RabbitMQ has the name "b"; name one`},
		"registration of Redis":     {cache("url: redis://h") + "registration: {url: 'https://h', bridge: b}", `f.yaml:6: registration.bridge: no bridge to RabbitMQ has the name "b"`},
		"registration tls":          {"registration: {url: 'http://h', tls: {server_name: x}}", "f.yaml:1: registration.tls: has no effect on a connection that is not encrypted; write https in url"},
		"registration token file":   {"registration: {url: 'https://h', token_file: /nowhere}", `f.yaml:1: registration.token_file: file "/nowhere" cannot be read`},
		"registration token beside": {"registration: {url: 'https://h', token: x, token_file: '${SECRET_FILE}'}", "f.yaml:1: registration.token_file: is given beside token"},

		// bridges
		"bridge without name":      {oneCamera + "bridges:\n  - redis: {url: 'redis://h'}", "f.yaml:3: bridges[0].name: is missing"},
		"bridge name with dot":     {oneCamera + "bridges:\n  - redis: {url: 'redis://h'}\n    name: a.b", `f.yaml:4: bridges[0].name: "a.b" is not a valid name`},
		"duplicate bridge name":    {header + "    redis: {url: 'redis://h'}\n  - name: b\n    redis: {url: 'redis://h'}", `f.yaml:5: bridges[1].name: "b" is already the name of bridges[0]`},
		"bridge without sink":      {header, "f.yaml:3: bridges[0]: a bridge has exactly one of rabbitmq, redis and mqtt"},
		"bridge with two sinks":    {header + "    redis: {url: 'redis://h'}\n    rabbitmq: {url: 'amqp://h'}", "f.yaml:3: bridges[0]: a bridge has exactly one of rabbitmq, redis and mqtt"},
		"max age negative":         {cache("url: redis://h") + "    max_age: -1s", "f.yaml:6: bridges[0].max_age: -1s is below 0; write 0s for none"},
		"bridge fps negative":      {cache("url: redis://h") + "    fps: -2", "f.yaml:6: bridges[0].fps: -2 is not from 0 to 240; write 0 for all"},
		"bridge fps high":          {cache("url: redis://h") + "    fps: 241", "f.yaml:6: bridges[0].fps: 241 is not from 0 to 240"},
		"rate negative":            {cache("url: redis://h") + "    rate: -1", "f.yaml:6: bridges[0].rate: -1 is not from 0 to 1000000; write 0 for no bound"},
		"rate not a number":        {cache("url: redis://h") + "    rate: .nan", `f.yaml:6: bridges[0].rate: ".nan" is not a number`},
		"name of a backfill":       {cache("url: redis://h") + "  - name: b-backfill\n    redis: {url: 'redis://h'}", `f.yaml:6: bridges[1].name: "b-backfill" is what bridge b names the consumer of its backlog; give it another name`},
		"order unknown":            {cache("url: redis://h") + "    order: latest", `f.yaml:6: bridges[0].order: "latest" is not known here`},
		"workers unknown":          {cache("url: redis://h") + "    workers: two", `f.yaml:6: bridges[0].workers: "two" is not known here; write one of one standby shared`},
		"workers and order":        {cache("url: redis://h") + "    workers: shared\n    order: newest", "f.yaml:7: bridges[0].order: newest needs one worker that knows what it has passed over; write workers: standby"},
		"workers and fps":          {cache("url: redis://h") + "    workers: shared\n    fps: 2", "f.yaml:7: bridges[0].fps: frames cannot be chosen where workers divide them; write workers: standby"},
		"hub and client id":        {mqtt("url: mqtt://h\nclient_id: x") + "hub: {mirror: true}\nnats: {leaf: {listen: '127.0.0.1:7422'}}\n", "f.yaml:6: bridges[0].mqtt.client_id: at a hub each site's frames have a connection of their own"},
		"hub and overlap":          {header + "    cameras: ['lisbon.*', lisbon.a]\n    mqtt: {url: mqtt://h}\nhub: {mirror: true}\nnats: {leaf: {listen: '127.0.0.1:7422'}}\n", `f.yaml:4: bridges[0].cameras[0]: "lisbon.*" already takes all cameras of site lisbon`},
		"a site's cameras, no hub": {header + "    cameras: ['lisbon.*']\n    mqtt: {url: mqtt://h}\n", `f.yaml:4: bridges[0].cameras[0]: "lisbon.*" is not a camera`},
		"workers and client id":    {mqtt("url: mqtt://h\nclient_id: x") + "    workers: standby", "f.yaml:6: bridges[0].mqtt.client_id: two workers cannot have the same client id"},
		"workers out of reach":     {"nats: {listen: ''}\n" + cache("url: redis://h") + "    in_node: false", "f.yaml:7: bridges[0].in_node: no other process can reach the node while nats.listen is empty; set nats.listen"},
		"name of the uplink":       {"uplink: {cameras: [a]}\nsite: lisbon\nnats: {leaf: {remotes: [{url: 'tls://h'}]}}\n" + strings.Replace(cache("url: redis://h"), "name: b", "name: uplink", 1), `f.yaml:6: bridges[0].name: "uplink" is what fills the stream of an uplink; give the bridge another name`},
		"name of a former uplink":  {strings.Replace(cache("url: redis://h"), "name: b", "name: uplink", 1) + "    start: newest", `f.yaml:3: bridges[0].name: "uplink" is what fills the stream of an uplink`},
		"start unknown":            {cache("url: redis://h") + "    start: now", `f.yaml:6: bridges[0].start: "now" is not known here; write one of oldest newest`},
		"breaker failures":         {cache("url: redis://h") + "    breaker: {failures: 0}", "f.yaml:6: bridges[0].breaker.failures: 0 is not above 0"},
		"breaker max_open":         {cache("url: redis://h") + "    breaker: {open: 2m}", "f.yaml:6: bridges[0].breaker.max_open: 1m is less than open 2m; write at least 2m"},
		"timeout":                  {cache("url: redis://h") + "    timeout: 0s", "f.yaml:6: bridges[0].timeout: 0s is not above 0"},
		"no camera for bridge":     {cache("url: redis://h") + "    cameras: []", `f.yaml:6: bridges[0].cameras: takes no camera; write ["*"] for all`},
		"unknown camera":           {cache("url: redis://h") + "    cameras: [dock]", `f.yaml:6: bridges[0].cameras[0]: no camera has the id "dock"`},
		"misspelt camera":          {"cameras: [{id: dock-1, url: 'file:/x'}]\nbridges:\n  - {name: b, redis: {url: 'redis://h'}, cameras: [dock1]}", `f.yaml:3: bridges[0].cameras[0]: no camera has the id "dock1"; did you mean dock-1?`},
		"camera pattern":           {cache("url: redis://h") + "    cameras: ['dock-*']", `f.yaml:6: bridges[0].cameras[0]: "dock-*" is not a camera; write "*", a camera's id, or <site>.<id>`},
		"camera beside all":        {cache("url: redis://h") + "    cameras:\n      - a\n      - '*'", `f.yaml:8: bridges[0].cameras[1]: "*" already takes all cameras`},
		"camera twice":             {cache("url: redis://h") + "    cameras: [a, local.a]", `f.yaml:6: bridges[0].cameras[1]: camera "local.a" is named twice`},
		"rabbitmq without url":     {rabbit("exchange: x"), "f.yaml:4: bridges[0].rabbitmq.url: is missing"},
		"rabbitmq scheme":          {rabbit("url: http://h"), `f.yaml:5: bridges[0].rabbitmq.url: "http://h" has no scheme that works here; write amqp://host; schemes are amqp amqps`},
		"rabbitmq url twice":       {rabbit("url: amqp://h\nurl_file: ${SECRET_FILE}"), "f.yaml:6: bridges[0].rabbitmq.url_file: is given beside url; keep one"},
		"rabbitmq url file gone":   {rabbit("url_file: /nowhere"), `f.yaml:5: bridges[0].rabbitmq.url_file: file "/nowhere" cannot be read`},
		"rabbitmq url file wrong":  {rabbit("url_file: ${SECRET_FILE}"), `f.yaml:5: bridges[0].rabbitmq.url_file: "***" has no scheme`},
		"tls without use":          {rabbit("url: amqp://h\ntls: {server_name: x}"), "f.yaml:6: bridges[0].rabbitmq.tls: has no effect on a connection that is not encrypted; write amqps in url"},
		"mqtt url scheme":          {mqtt("url: tcp://h"), `f.yaml:5: bridges[0].mqtt.url: `},
		"mqtt url path":            {mqtt("url: mqtt://h/cameras"), "f.yaml:5: bridges[0].mqtt.url: has more than user, password, host and port"},
		"mqtt qos 0":               {mqtt("url: mqtt://h\nqos: 0"), "f.yaml:6: bridges[0].mqtt.qos: 0 has the broker confirm nothing"},
		"mqtt qos 2":               {mqtt("url: mqtt://h\nqos: 2"), "f.yaml:6: bridges[0].mqtt.qos: 2 is not used here; write 1"},
		"mqtt topic empty":         {mqtt("url: mqtt://h\ntopic: ''"), "f.yaml:6: bridges[0].mqtt.topic: is empty"},
		"mqtt topic field":         {mqtt("url: mqtt://h\ntopic: '{vhost}'"), `f.yaml:6: bridges[0].mqtt.topic: template "{vhost}": unknown field {vhost}`},
		"mqtt topic wildcard":      {mqtt("url: mqtt://h\ntopic: 'a/+/{camera}'"), "f.yaml:6: bridges[0].mqtt.topic: holds # or +"},
		"mqtt prefix wildcard":     {mqtt("url: mqtt://h\nprefix: 'a/#/'"), "f.yaml:4: bridges[0].mqtt.topic: holds # or +"},
		"mqtt topic reserved":      {mqtt("url: mqtt://h\nprefix: '$SYS/'"), "f.yaml:4: bridges[0].mqtt.topic: begins with $"},
		"mqtt topic long":          {mqtt("url: mqtt://h\ntopic: " + strings.Repeat("x", 65_536)), "f.yaml:6: bridges[0].mqtt.topic: can become 65536 bytes long"},
		"mqtt prefix alone":        {mqtt("url: mqtt://h\ntopic: '{prefix}'\nprefix: ''"), "f.yaml:7: bridges[0].mqtt.prefix: is empty"},
		"mqtt tls without use":     {mqtt("url: mqtt://h\ntls: {server_name: x}"), "f.yaml:6: bridges[0].mqtt.tls: has no effect"},
		"mqtt beside redis":        {cache("url: redis://h") + "    mqtt: {url: 'mqtt://h'}\n", "f.yaml:3: bridges[0]: a bridge has exactly one of rabbitmq, redis and mqtt"},
		"tls half a pair":          {rabbit("url: amqps://h\ntls: {key: '${SECRET_FILE}'}"), "f.yaml:6: bridges[0].rabbitmq.tls: has one of certificate and key"},
		"tls file gone":            {rabbit("url: amqps://h\ntls: {ca: /nowhere}"), `f.yaml:6: bridges[0].rabbitmq.tls.ca: file "/nowhere" cannot be read`},
		"exchange empty":           {rabbit("url: amqp://h\nexchange: ''"), "f.yaml:6: bridges[0].rabbitmq.exchange: is empty"},
		"exchange reserved":        {rabbit("url: amqp://h\nexchange: amq.topic"), `f.yaml:6: bridges[0].rabbitmq.exchange: "amq.topic" is a name that the broker keeps for itself`},
		"exchange line":            {rabbit("url: amqp://h\nexchange: \"a\\nb\""), `f.yaml:6: bridges[0].rabbitmq.exchange: "a\nb" holds a control character, which the broker refuses or drops`},
		"vhost long":               {rabbit("url: amqp://h\nvhost: " + strings.Repeat("x", 256)), "f.yaml:6: bridges[0].rabbitmq.vhost: is 256 bytes long"},
		"expiration":               {rabbit("url: amqp://h\nexpiration: 1us"), "f.yaml:6: bridges[0].rabbitmq.expiration: 1µs is neither 0s nor at least 1ms"},
		"override of nobody":       {rabbit("url: amqp://h\noverrides: [{camera: b, exchange: x}]"), `f.yaml:6: bridges[0].rabbitmq.overrides[0].camera: no camera has the id "b"`},
		"override of nothing":      {rabbit("url: amqp://h\noverrides: [{camera: a}]"), "f.yaml:6: bridges[0].rabbitmq.overrides[0]: has neither exchange nor routing_key"},
		"override twice":           {rabbit("url: amqp://h\noverrides: [{camera: a, exchange: x}, {camera: local.a, exchange: y}]"), `f.yaml:6: bridges[0].rabbitmq.overrides[1].camera: camera "local.a" is named twice`},
		"override exchange":        {rabbit("url: amqp://h\noverrides: [{camera: a, exchange: amq.topic}]"), `f.yaml:6: bridges[0].rabbitmq.overrides[0].exchange: "amq.topic" is a name that the broker keeps`},
		"override routing key":     {rabbit("url: amqp://h\noverrides: [{camera: a, routing_key: '{cam}'}]"), `f.yaml:6: bridges[0].rabbitmq.overrides[0].routing_key: template "{cam}": unknown field {cam}`},
		"redis vhost":              {cache("url: redis://h\nkey: '{vhost}:{camera}:{unixnano}'\nvhost: ''"), "f.yaml:7: bridges[0].redis.vhost: is empty, and key wants it; give it, or take {vhost} out of key"},
		"exchange long":            {rabbit("url: amqp://h\nexchange: " + strings.Repeat("x", 256)), "f.yaml:6: bridges[0].rabbitmq.exchange: is 256 bytes long"},
		"routing key field":        {rabbit("url: amqp://h\nrouting_key: '{cam}'"), `f.yaml:6: bridges[0].rabbitmq.routing_key: template "{cam}": unknown field {cam}; known are {`},
		"routing key brace":        {rabbit("url: amqp://h\nrouting_key: '{camera'"), `f.yaml:6: bridges[0].rabbitmq.routing_key: template "{camera": a brace has no partner`},
		"routing key empty":        {rabbit("url: amqp://h\nrouting_key: ''"), "f.yaml:6: bridges[0].rabbitmq.routing_key: is empty"},
		"routing key long":         {rabbit("url: amqp://h\nrouting_key: '{camera}" + strings.Repeat("x", 192) + "'"), "f.yaml:6: bridges[0].rabbitmq.routing_key: can become 256 bytes long"},
		"redis scheme":             {cache("url: tcp://h"), `f.yaml:5: bridges[0].redis.url: "tcp://h" has no scheme that works here; write redis://host; schemes are redis rediss unix`},
		"redis ttl zero":           {cache("url: redis://h\nttl: 0s"), "f.yaml:6: bridges[0].redis.ttl: 0s is not above 0"},
		"redis ttl short":          {cache("url: redis://h\nttl: 999ms"), "f.yaml:6: bridges[0].redis.ttl: 999ms is too short; write at least 1s"},
		"redis key same frames":    {cache("url: redis://h\nkey: 'x:{camera}'"), "f.yaml:6: bridges[0].redis.key: has none of {unixnano} {uuid} {seq}, so frames would overwrite each other"},
		"redis key same cameras":   {cache("url: redis://h\nkey: 'x:{unixnano}'"), "f.yaml:6: bridges[0].redis.key: has no {camera}, so cameras would overwrite"},
		"redis key format":         {cache("url: redis://h\nkey: '{camera}:{seq:5}'"), `f.yaml:6: bridges[0].redis.key: template "{camera}:{seq:5}": field {seq:5}: the format is like 05d`},
		"redis ttl without unit":   {cache("url: redis://h\nttl: 5"), `f.yaml:6: bridges[0].redis.ttl: "5" is not a duration; add a unit, as in 5s or 5m; or write adaptive`},
		"redis ttl misspelt":       {cache("url: redis://h\nttl: adaptiv"), `f.yaml:6: bridges[0].redis.ttl: "adaptiv" is not a duration; write a number with one of ms s m h, as in 500ms or 6h; or write adaptive`},
		"redis ttl bounds":         {cache("url: redis://h\nttl: adaptive\nttl_min: 20m"), "f.yaml:7: bridges[0].redis.ttl_min: 20m is more than ttl_max 10m; write at most 10m"},
		"redis ttl_min zero":       {cache("url: redis://h\nttl: adaptive\nttl_min: 0s"), "f.yaml:7: bridges[0].redis.ttl_min: 0s is not above 0"},
		"redis ttl_max short":      {cache("url: redis://h\nttl: adaptive\nttl_min: 1s\nttl_max: 10ms"), "f.yaml:8: bridges[0].redis.ttl_max: 10ms is too short"},
		"redis unknown key":        {cache("url: redis://h\nttl_mim: 1m"), "f.yaml:6: bridges[0].redis.ttl_mim: unknown key; did you mean ttl_min?"},
		"cluster beside sentinel":  {cache("url: redis://h\ncluster: true\nsentinel: {master: m}"), "f.yaml:6: bridges[0].redis.cluster: is true beside sentinel; keep one of the two"},
		"cluster with database":    {cache("url: redis://h/2\ncluster: true"), "f.yaml:5: bridges[0].redis.url: names database 2, and a cluster has 0 alone; leave it out"},
		"cluster at a socket":      {cache("url: unix:///run/redis.sock\ncluster: true"), "f.yaml:5: bridges[0].redis.url: is a socket of one server; write redis://host"},
		"cluster ttl adaptive":     {cache("url: redis://h\ncluster: true\nttl: adaptive"), "f.yaml:7: bridges[0].redis.ttl: adaptive goes by the reads of one server, and a cluster has several; write a duration"},
		"sentinel without master":  {cache("url: redis://h\nsentinel: {username: u}"), "f.yaml:6: bridges[0].redis.sentinel.master: is missing; write the name that the Sentinels know it by, as in mymaster"},
		"addresses of nothing":     {cache("url: redis://h\naddresses: ['g:6379']"), "f.yaml:6: bridges[0].redis.addresses: are of Sentinels or of a cluster's nodes, and the sink has neither; write cluster: true"},
		"addresses with a scheme":  {cache("url: redis://h\ncluster: true\naddresses: [g, 'redis://g:6379']"), "f.yaml:7: bridges[0].redis.addresses[1]: is no address; write host:port"},
		"redis latest camera":      {cache("url: redis://h\nlatest: newest"), "f.yaml:6: bridges[0].redis.latest: has no {camera}, so cameras would overwrite each other's newest frame"},
		"redis latest frames":      {cache("url: redis://h\nlatest: 'x:{camera}:{seq}'"), "f.yaml:6: bridges[0].redis.latest: is not the same for every frame of a camera; write it as in latest:{camera}"},
		"redis latest field":       {cache("url: redis://h\nlatest: '{cam}'"), `f.yaml:6: bridges[0].redis.latest: template "{cam}": unknown field {cam}`},
		"redis metadata":           {cache("url: redis://h\nmetadata: {stream: '{x}'}"), `f.yaml:6: bridges[0].redis.metadata.stream: template "{x}": unknown field`},
		"redis metadata length":    {cache("url: redis://h\nmetadata: {max_len: 0}"), "f.yaml:6: bridges[0].redis.metadata.max_len: 0 is not above 0"},

		// what a bridge reads
		"source unknown":        {cache("url: redis://h") + "    source: frame", `f.yaml:6: bridges[0].source: "frame" is not known here; did you mean frames?`},
		"of without use":        {cache("url: redis://h") + "    of: b", "f.yaml:6: bridges[0].of: has no use with source frames; remove it"},
		"stored of nobody":      {stored("", "body: key"), "f.yaml:4: bridges[1].of: is missing: it says whose pictures are referred to; name a bridge to Redis, here one of cache"},
		"stored of unknown":     {stored("of: cash", "body: key"), `f.yaml:7: bridges[1].of: no bridge has the name "cash"; did you mean cache?`},
		"stored of a broker":    {stored("of: b", "body: key"), "f.yaml:7: bridges[1].of: bridge b keeps no pictures under keys; name a bridge to Redis, here one of cache"},
		"stored without redis":  {rabbit("url: amqp://h\nbody: key") + "    source: stored\n    of: c", `f.yaml:8: bridges[0].of: no bridge has the name "c"; add a bridge to Redis`},
		"stored picture":        {stored("of: cache", ""), "f.yaml:4: bridges[1].rabbitmq.body: picture cannot be made of source stored; write key or metadata"},
		"stored status":         {stored("of: cache", "body: status"), "f.yaml:4: bridges[1].rabbitmq.body: status cannot be made of source stored"},
		"stored to redis":       {cache("url: redis://h") + "  - {name: c, redis: {url: 'redis://h'}, of: b,\n     source: stored}", "f.yaml:7: bridges[1].source: stored is read for RabbitMQ alone; write source: frames"},
		"stored of other sites": {stored("of: cache\ncameras: [porto.a]", "body: key"), `f.yaml:8: bridges[1].cameras[0]: "porto.a" is of another site`},
		"key of pictures":       {rabbit("url: amqp://h\nbody: key"), "f.yaml:6: bridges[0].rabbitmq.body: key needs to know where Redis holds the picture; write source: stored and of"},
		"metadata of pictures":  {rabbit("url: amqp://h\nbody: metadata"), "f.yaml:6: bridges[0].rabbitmq.body: metadata needs to know where"},
		"status of pictures":    {rabbit("url: amqp://h\nbody: status"), "f.yaml:6: bridges[0].rabbitmq.body: status needs the states of cameras; write source: events"},
		"body unknown":          {rabbit("url: amqp://h\nbody: keys"), `f.yaml:6: bridges[0].rabbitmq.body: "keys" is not known here; did you mean key?`},
		"picture of events":     {rabbit("url: amqp://h\nrouting_key: x") + "    source: events", "f.yaml:4: bridges[0].rabbitmq.body: picture cannot be made of source events; write status"},
		"events newest first":   {status("routing_key: x") + "    order: newest", "f.yaml:9: bridges[0].order: newest has states arrive that are no longer true"},
		"events thinned":        {status("routing_key: x") + "    fps: 1", "f.yaml:9: bridges[0].fps: would leave out states; remove it"},
		"events shared":         {status("routing_key: x") + "    workers: shared", "f.yaml:9: bridges[0].workers: shared has states arrive in any order, and the last has to come last; write standby"},
		"events with overrides": {status("routing_key: x\noverrides: [{camera: a, exchange: y}]"), "f.yaml:8: bridges[0].rabbitmq.overrides: have no use with body status"},
		"events by camera":      {status("routing_key: '{camera}'"), "f.yaml:7: bridges[0].rabbitmq.routing_key: has fields of frames, and a status is none; leave them out"},
		"events with long key":  {status("routing_key: " + strings.Repeat("x", 250)), "f.yaml:7: bridges[0].rabbitmq.routing_key: can become more than 255 bytes long"},
		"events of other sites": {status("routing_key: x") + "    cameras: [porto.a]", `f.yaml:9: bridges[0].cameras[0]: "porto.a" is of another site`},

		// masks, transport, further arguments
		"mask with copy":           {cam("mode: copy\nmasks: [{x: 0, y: 0, width: 1, height: 0.1}]"), "f.yaml:5: cameras[0].masks: mode copy stores the camera's own encoding, in which nothing can be masked; write mode: jpeg or keyframes"},
		"mask with copy inherited": {"capture: {mode: copy}\n" + cam("masks: [{x: 0, y: 0, width: 1, height: 0.1}]"), "f.yaml:5: cameras[0].masks: mode copy"},
		"mask beyond the picture":  {cam("masks: [{x: 0.5, y: 0, width: 0.6, height: 1}]"), "f.yaml:4: cameras[0].masks[0].width: x + width is 1.1, beyond the picture; make"},
		"mask beside the picture":  {cam("masks: [{x: 0, y: 1, width: 1, height: 1}]"), "f.yaml:4: cameras[0].masks[0].y: 1 is not from 0 to below 1"},
		"mask negative":            {cam("masks: [{x: -0.1, y: 0, width: 1, height: 1}]"), "f.yaml:4: cameras[0].masks[0].x: -0.1 is not from 0"},
		"mask without height":      {cam("masks: [{x: 0, y: 0, width: 1}]"), "f.yaml:4: cameras[0].masks[0].height: 0 is not above 0"},
		"mask not a number":        {cam("masks: [{x: 0, y: 0, width: 1, height: .nan}]"), `f.yaml:4: cameras[0].masks[0].height: ".nan" is not a number`},
		"mask misspelt":            {cam("masks: [{x: 0, y: 0, width: 1, height: 1, colour: 1}]"), "f.yaml:4: cameras[0].masks[0].colour: unknown key; known here: x y width height"},
		"mask not a list":          {cam("masks: {x: 0}"), "f.yaml:4: cameras[0].masks: is a mapping where a list is expected"},
		"transport":                {cam("rtsp_transport: tpc"), `f.yaml:4: cameras[0].rtsp_transport: "tpc" is not known here; did you mean tcp?`},
		"transport of capture":     {"capture: {rtsp_transport: srt}\n" + oneCamera, `f.yaml:1: capture.rtsp_transport: "srt" is not known here`},
		"argument for input":       {cam("input_args: ['-i', x]"), "f.yaml:4: cameras[0].input_args[0]: -i is what this program itself tells FFmpeg; remove it"},
		"argument for format":      {cam("input_args: ['-rtbufsize', '1', '-f', x]"), "f.yaml:4: cameras[0].input_args[2]: -f is what"},
		"argument for overwriting": {cam("output_args: ['-y']"), "f.yaml:4: cameras[0].output_args[0]: -y is what"},
		"argument for filters":     {cam("output_args: ['-filter:v', 'hflip']"), "f.yaml:4: cameras[0].output_args[0]: -filter is what"},
		"argument for codec":       {cam("output_args: ['-c:v:0', 'png']"), "f.yaml:4: cameras[0].output_args[0]: -c is what"},
		"argument as output":       {cam("output_args: ['-bf', '0', 'out.mp4']"), `f.yaml:4: cameras[0].output_args[2]: "out.mp4" would be an output of FFmpeg`},
		"argument first":           {cam("input_args: ['out.mp4']"), `f.yaml:4: cameras[0].input_args[0]: "out.mp4" would be an output`},
		"argument behind a flag":   {cam("input_args: ['-an', 'out.mp4']"), `f.yaml:4: cameras[0].input_args[1]: "out.mp4" would be an output`},
		"argument for the pipe":    {cam("output_args: ['-passlogfile', 'pipe:1']"), `f.yaml:4: cameras[0].output_args[1]: "pipe:1" would write into FFmpeg's output`},
		"arguments as text":        {cam("input_args: -an"), "f.yaml:4: cameras[0].input_args: is text where a list is expected"},

		// log
		"log level":  {"log:\n  level: warning", `f.yaml:2: log.level: "warning" is not known here; write one of debug info warn error`},
		"log format": {"log:\n  format: jsn", `f.yaml:2: log.format: "jsn" is not known here; did you mean json?`},
	}
}

func TestParse_RefusesWithLineKeyAndRemedy(t *testing.T) {
	secret := write(t, filepath.Join(t.TempDir(), "secret"), "hunter2\n")
	for name, c := range refused() {
		t.Run(name, func(t *testing.T) {
			got := problems(t, c[0], "SECRET_FILE", secret)
			if len(got) != 1 || !strings.HasPrefix(got[0], c[1]) {
				t.Errorf("got:\n%s\nwant one that begins:\n%s", strings.Join(got, "\n"), c[1])
			}
			if !strings.Contains(got[0], "; ") {
				t.Errorf("got %s, want a remedy", got[0])
			}
		})
	}
}

func TestParse_ReportsAllProblemsByLine(t *testing.T) {
	got := problems(t, `log: {level: loud}
site: A
stream:
  max_age: 6
  max_bites: 10
cameras:
  - id: a.b
    url: gopher://h/x
    fps: -1
  - id: c
    url: ${CAMERA_URL}
    username: ${USER_A}${USER_B}
bridges:
  - name: b
    redis: {url: "redis://h", key: "{camera}", ttl: 1}
node: B
`)
	for i, line := range got {
		parts := strings.SplitN(line, ": ", 3)
		got[i] = strings.Join(parts[:2], " ")
	}
	want := []string{
		"f.yaml:1 log.level", "f.yaml:2 site", "f.yaml:4 stream.max_age", "f.yaml:5 stream.max_bites", "f.yaml:7 cameras[0].id",
		"f.yaml:8 cameras[0].url", "f.yaml:9 cameras[0].fps", "f.yaml:11 cameras[1].url", "f.yaml:12 cameras[1].username",
		"f.yaml:12 cameras[1].username", "f.yaml:15 bridges[0].redis.ttl", "f.yaml:15 bridges[0].redis.key", "f.yaml:16 node",
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("-got +want:\n%s", d)
	}
}

func TestParse_CreatesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	parse(t, oneCamera+"data_dir: data\nnats: {config: none.conf}\n")
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want an empty directory", left, err)
	}
}

func TestParse_AcceptsWhatIsAllowed(t *testing.T) {
	for _, text := range []string{
		"nats: {listen: ''}\nhttp: {listen: ''}",
		"nats: {listen: 'localhost:0'}\nhttp: {listen: '[::1]:0'}",
		"nats: {listen: '0.0.0.0:4222', config: nats.conf, leaf: {listen: ':7422'}, cluster: {name: a, listen: ':6222'}}\nstream: {replicas: 3}",
		"nats: {listen: '10.0.0.1:80', insecure: true}\nhttp: {listen: '10.0.0.2:80', insecure: true}",
		"stream: {sync: always}", "stream: {sync: async}", "capture: {fps: 0.2}", "capture: {fps: 240, width: 16384, quality: 31}",
		"cameras: [{id: a, url: 'udp://@239.0.0.1:1234'}, {id: b, url: 'srt://:9000?mode=listener'}, {id: c, url: 'v4l2:/dev/video0'}]",
		"cameras: [{id: a, url: 'lavfi:testsrc2=size=640x360:rate=10'}, {id: b, url: 'file:/path/clip.mp4'}]",
		"cameras: [{id: a, url: 'rtsp://[fe80::1]:554/x', username: u}]",
		mqtt("url: mqtts://u:p@h:8883/\ntopic: '{site}/{prefix}{camera}'\nretain: true\nclient_id: gate"),
		cache("url: unix:///run/redis.sock"), cache("url: rediss://u:pw@h\ncluster: true\naddresses: ['g:6380', i]"),
		cache("url: redis://:pw@h/2\nttl: adaptive\nsentinel: {master: m, username: u, password: pw}\naddresses: ['g:26379']"),
		cache("url: rediss://:pw@h/0\nkey: '{site}:{camera}:{epoch}:{seq:05d}'"),
		rabbit("url: amqps://u:p@h/%2F\nrouting_key: '{vhost}.{site}.{camera}'"),
		cam("masks: [{x: 0.1, y: 0.9, width: 0.9, height: 0.1}, {x: 0, y: 0, width: 1, height: 1}]\nrtsp_transport: udp_multicast"),
		cam("input_args: ['-an', '-itsoffset', '-1', '-headers', 'A: b']\noutput_args: ['-bf', '-1.5', '-huffman', default]"),
		cache("url: redis://h") + "    cameras: [a, porto.a]\n    start: newest\n",
		stored("of: cache\norder: newest\nfps: 1\nmax_age: 1m\ncameras: [a]", "body: metadata"), stored("of: cache", "body: key"),
		status("routing_key: '{site}.{vhost}.{prefix}'\nprefix: x") + "    max_age: 10h\n    cameras: [local.a]\n",
	} {
		parse(t, text)
	}
}
