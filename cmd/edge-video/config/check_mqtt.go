package config

import (
	"fmt"
	"strings"
)

// maxTopic is the longest topic in bytes that MQTT can carry.
const maxTopic = 65_535

func (k *checker) mqtt(path string, m *MQTT) {
	k.network(path+".url", m.URL, "mqtt", "mqtts")
	k.tls(path+".tls", m.TLS, m.URL, "mqtts")
	k.plain(path+".url", m.URL, "write url_file, or ${VAR}")
	if u, ok := m.URL.parse(); ok && (strings.Trim(u.Path, "/") != "" || u.RawQuery != "") {
		k.fail(path+".url", "has more than user, password, host and port", "write topics into topic, as in {prefix}{camera}")
	}
	switch m.QoS {
	case 1:
	case 0:
		k.fail(path+".qos", "0 has the broker confirm nothing, so frames would be lost unseen", "write 1")
	default:
		k.fail(path+".qos", fmt.Sprintf("%d is not used here", m.QoS), "write 1; a frame that comes again has the same Nats-Msg-Id among its user properties")
	}
	t := k.template(path+".topic", m.Topic, m.Constants())
	if t == nil {
		return
	}
	topic := t.Expand(longestFrame())
	switch {
	case topic == "":
		k.fail(path+".prefix", "is empty, and topic has nothing else", "give it, or write topic as in {prefix}{camera}")
	case strings.ContainsAny(topic, "#+\x00"):
		k.fail(path+".topic", "holds # or +, which stand for topics of any name and are in none", "leave them out, here and in prefix")
	case strings.HasPrefix(topic, "$"):
		k.fail(path+".topic", "begins with $, which brokers keep for themselves", "begin with another character, here or in prefix")
	case len(topic) > maxTopic:
		k.fail(path+".topic", fmt.Sprintf("can become %d bytes long", len(topic)), "shorten it; MQTT takes at most 65535")
	case m.Retain && !t.Has("camera"):
		k.warn(path+".retain", "keeps one frame for all cameras, since topic has no {camera}", "add {camera} to topic")
	}
}

// String is the broker's address without its secrets.
func (m *MQTT) String() string { return m.URL.String() }

// Constants are the fields of Topic that are the same for all frames.
func (m *MQTT) Constants() map[string]string { return map[string]string{"prefix": m.Prefix} }
