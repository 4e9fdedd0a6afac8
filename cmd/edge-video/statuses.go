package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// statuses are the values of a bucket of states, by their keys.
func statuses[T any](ctx context.Context, nc *nats.Conn, bucket string) (map[string]T, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("reaching JetStream: %w", err)
	}
	kv, err := js.KeyValue(ctx, bucket)
	if err != nil {
		return nil, fmt.Errorf("opening bucket %s: %w", bucket, err)
	}
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("reading bucket %s: %w", bucket, err)
	}
	defer func() { _ = w.Stop() }() // fails only with the connection
	all := map[string]T{}
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("reading bucket %s: %w", bucket, ctx.Err())
		case entry, ok := <-w.Updates():
			if !ok {
				return nil, fmt.Errorf("reading bucket %s: %w", bucket, errors.New("the connection ended"))
			}
			if entry == nil {
				return all, nil
			}
			var v T
			if err := json.Unmarshal(entry.Value(), &v); err != nil {
				return nil, fmt.Errorf("reading %s of bucket %s: %w", entry.Key(), bucket, err)
			}
			all[entry.Key()] = v
		}
	}
}
