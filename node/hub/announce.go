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
	inbox := h.nc.NewRespInbox()
	answers, err := h.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("asking for nodes: %w", err)
	}
	// A subscription that cannot be ended ends with the connection.
	defer func() { _ = answers.Unsubscribe() }()
	if err := h.nc.PublishRequest(subject, inbox, nil); err != nil {
		return nil, fmt.Errorf("asking for nodes: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, announceWait)
	defer cancel()
	var sites []string
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return sites, nil // the time is over
		}
		var info micro.Info
		if err := json.Unmarshal(m.Data, &info); err != nil {
			return sites, fmt.Errorf("reading a node's answer: %w", err)
		}
		sites = append(sites, info.Metadata["site"])
	}
}
