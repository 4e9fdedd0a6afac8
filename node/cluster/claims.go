package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// readTimeout bounds each reading of a claim. Any replica may be asked, also one that hangs: then another is the next time.
	readTimeout = 300 * time.Millisecond
	// claimTimeout bounds each writing. Without a leader there is no answer.
	claimTimeout = time.Second
)

// claims are the bucket of who may read what.
type claims struct {
	site   string
	bucket jetstream.KeyValue
}

// record is a claim as it was read.
type record struct {
	schema.Lease
	revision uint64    // 0 where nobody has ever claimed the camera
	read     time.Time // when reading began
}

// openClaims finds the bucket, which the server has made.
func openClaims(ctx context.Context, js jetstream.JetStream, site string) (*claims, error) {
	bucket, err := js.KeyValue(ctx, schema.BucketLeases)
	if err != nil {
		return nil, fmt.Errorf("finding the bucket %s: %w", schema.BucketLeases, err)
	}
	return &claims{site: site, bucket: bucket}, nil
}

// read reads the claim of a camera from any replica: one that is behind costs a try, since nothing can be written over it.
func (c *claims) read(ctx context.Context, camera string) (record, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	r := record{read: time.Now()}
	entry, err := c.bucket.Get(ctx, schema.StatusKey(c.site, camera))
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return r, nil
	case err != nil:
		return r, fmt.Errorf("reading the lease of camera %s: %w", camera, err)
	}
	if err := json.Unmarshal(entry.Value(), &r.Lease); err != nil {
		return r, fmt.Errorf("reading the lease of camera %s: %w", camera, err)
	}
	r.revision = entry.Revision()
	return r, nil
}

// write claims a camera if its record is still the one that was read. After an error it may have been claimed all the same.
func (c *claims) write(ctx context.Context, camera string, r record, l schema.Lease) (revision uint64, err error) {
	body, err := json.Marshal(l)
	if err != nil {
		return 0, fmt.Errorf("claiming camera %s: %w", camera, err)
	}
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	if revision, err = c.bucket.Update(ctx, schema.StatusKey(c.site, camera), body, r.revision); err != nil {
		return 0, fmt.Errorf("claiming camera %s: %w", camera, err)
	}
	return revision, nil
}
