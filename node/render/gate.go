package render

import "context"

// gate lets a few in at once, and a few more wait.
type gate struct {
	places chan struct{} // a token for each that is in or waits
	inside chan struct{} // a token for each that is in
}

func newGate(inside, waiting int) *gate {
	return &gate{places: make(chan struct{}, inside+waiting), inside: make(chan struct{}, inside)}
}

// enter returns when there is room, or with [ErrBusy] where not even waiting is possible. Who is in calls leave.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	select {
	case g.places <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case g.inside <- struct{}{}:
		return func() { <-g.inside; <-g.places }, nil
	case <-ctx.Done():
		<-g.places
		return nil, context.Cause(ctx)
	}
}
