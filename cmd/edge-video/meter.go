package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/edge-video/edge-video/bridge"
)

// meterPeriod is how often a line is printed where there is no terminal to draw on.
const meterPeriod = 5 * time.Second

// newMeter shows progress on w: a bar on a terminal, a line now and then elsewhere. end takes the bar away.
func newMeter(w io.Writer, what string) (show func(bridge.Progress), end func()) {
	if !terminal(w) {
		var last time.Time
		return func(p bridge.Progress) {
			if time.Since(last) < meterPeriod {
				return
			}
			last = time.Now()
			fmt.Fprintf(w, "%s: %s\n", what, describe(p))
		}, func() {}
	}
	bar := progressbar.NewOptions64(1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("frames"), progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish())
	return func(p bridge.Progress) {
		bar.ChangeMax64(int64(max(p.Total, p.Seen(), 1)))
		if p.Waits != "" {
			bar.Describe(what + " waits: " + p.Waits)
		} else {
			bar.Describe(what)
		}
		// What cannot be drawn is of no consequence.
		_ = bar.Set64(int64(p.Seen()))
	}, func() { _ = bar.Finish() }
}

// describe is progress in words.
func describe(p bridge.Progress) string {
	text := fmt.Sprintf("%d of about %d frames, %d confirmed", p.Seen(), max(p.Total, p.Seen()), p.Delivered)
	if p.Refused > 0 {
		text += fmt.Sprintf(", %d refused", p.Refused)
	}
	if p.Waits != "" {
		text += "; waits: " + p.Waits
	}
	return text
}
