package redis_test

import (
	"testing"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

func TestTLS_CertificatesAreAskedFor(t *testing.T) {
	c := harness.MakeCertificates(t)
	r := harness.StartRedis(t, harness.RedisOptions{TLS: c})
	sinktest.RunTLS(t, r.TLSAddr(), c, func(t testing.TB, addr string, proofs bridge.TLS) bridge.Sink {
		return newSink(t, redis.Config{URL: "rediss://" + addr, Key: template(t, "k:{seq}"), TTL: time.Minute, TLS: proofs})
	})
}
