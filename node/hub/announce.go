package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/edge-video/edge-video/schema"
)

// announceWait is how long answers of nodes are waited for.
const announceWait = time.Second

// announced asks who is there: nodes that share the hub's account, over leaf node links without credentials, answer with their site.
func (h *Hub) announced(ctx context.Context) ([]string, error) {
	subject, err := micro.ControlSubject(micro.InfoVerb, schema.NodeService, "")
	if err != nil {
		return nil, fmt.Errorf("asking for nodes: %w", err)
	}
	over := time.Now().Add(announceWait)
	var sites []string
	err = h.gather(ctx, subject, func() time.Duration { return time.Until(over) }, func(data []byte) error {
		var info micro.Info
		if err := json.Unmarshal(data, &info); err != nil {
			return err
		}
		sites = append(sites, info.Metadata["site"])
		return nil
	})
	if err != nil {
		return sites, fmt.Errorf("asking for nodes: %w", err)
	}
	return sites, nil
}

// gather puts a question that any number may answer, and takes what comes until nothing has for as long as wait says then. It ends with the
// first answer that take cannot read.
func (h *Hub) gather(ctx context.Context, subject string, wait func() time.Duration, take func(data []byte) error) error {
	inbox := h.nc.NewRespInbox()
	answers, err := h.nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	// A subscription that cannot be ended ends with the connection.
	defer func() { _ = answers.Unsubscribe() }()
	if err := h.nc.PublishRequest(subject, inbox, nil); err != nil {
		return err
	}
	for {
		waiting, cancel := context.WithTimeout(ctx, wait())
		m, err := answers.NextMsgWithContext(waiting)
		cancel()
		if err != nil {
			return nil // the time is over, or nobody is there to answer
		}
		if err := take(m.Data); err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
	}
}
