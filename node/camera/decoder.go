package camera

import (
	"strings"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// Decoders by the name that [State] shows; others are those of accelerators.
const (
	decoderSoftware = "software"
	decoderNone     = "none" // mode copy decodes nothing
)

// decoding is what a reader decodes with. A reader begins with what its camera is configured for. When hardware fails it goes on in
// software, for good once it is clear that the hardware was the trouble: FFmpeg has said so, or a run in software delivers where the
// one before did not. Used by the reader's goroutine alone.
type decoding struct {
	accelerator string // still in use or on trial; noAccel for software
	trial       bool   // the run in software shows whether the hardware is the trouble
	said        string // FFmpeg's words about the run that failed
	shown       string // in states
	reason      string // why it is not the one that was configured
}

// reporting adds the decoder to every state of its reader.
type reporting struct {
	Output
	reader *Reader
}

// State implements [Output].
func (o reporting) State(s State) {
	d := &o.reader.decoding
	if d.trial && s.State == schema.CameraUp {
		d.giveUp("no picture came from " + d.accelerator + ", and software delivers: " + d.said)
	}
	s.Decoder, s.DecoderReason = d.shown, d.reason
	o.Output.State(s)
}

// newDecoding makes out which decoder a camera begins with.
func newDecoding(c Config, f FFmpeg) decoding {
	d := decoding{accelerator: f.accelerator(c)}
	switch {
	case c.Mode == ModeCopy:
		d.shown = decoderNone
	case d.accelerator == noAccel:
		d.shown = decoderSoftware
	default:
		d.shown = d.accelerator
	}
	return d
}

// earlyEnd is how soon after its start a run must end for the hardware to be suspected.
const earlyEnd = 10 * time.Second

// after draws the conclusion from how a run ended and returns what the next one uses.
func (d *decoding) after(fault Fault, stderr string, took time.Duration, delivered bool) (hwaccel string) {
	switch {
	case d.accelerator == noAccel:
	case d.trial: // nothing came from software either: it is not the hardware
		d.trial = false
	case delivered:
	case blamesHardware(stderr):
		d.giveUp(stderr)
	case took < earlyEnd && (fault == FaultProcess || fault == FaultBadData || fault == FaultEnded):
		d.trial, d.said = true, stderr
		return noAccel
	}
	return d.accelerator
}

func (d *decoding) giveUp(reason string) {
	d.accelerator, d.trial = noAccel, false
	d.shown, d.reason = decoderSoftware, reason
}

// blamesHardware reports whether FFmpeg's last words are about an accelerator. They are its messages of a device that cannot be
// opened, of a codec that the device does not take, and of pictures that are not where the filters expect them.
func blamesHardware(stderr string) bool {
	if strings.Contains(stderr, "zscale") { // which the reader does without the next time
		return false
	}
	for _, words := range []string{"hwaccel", "Device creation failed", "No device available for decoder", "hwdownload",
		"Impossible to convert between the formats", "Error reinitializing filters", "Could not find a valid device", "Failed setup for format", "Unknown decoder"} {
		if strings.Contains(stderr, words) {
			return true
		}
	}
	return false
}
