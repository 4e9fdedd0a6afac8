// Package onvif finds cameras that speak ONVIF, and asks them for the addresses of their streams. It speaks the few words that takes:
// WS-Discovery over UDP, and SOAP over HTTP with GetServices or GetCapabilities, GetProfiles and GetStreamUri, the latter two of either media
// service.
//
// What devices answer is not trusted: answers are bounded in bytes, depth and number, addresses are taken apart before they are used, and
// credentials go only to the device that was asked, as a digest.
package onvif

import "errors"

// Bounds of what devices answer.
const (
	maxDatagram = 64 << 10
	maxAnswer   = 1 << 20 // bytes of a SOAP answer
	maxDepth    = 64      // of its elements
	maxDevices  = 1024
	maxProfiles = 64
	maxText     = 1024 // bytes of a name or address
)

var (
	// ErrAnswer says that a device's answer is not what was asked for.
	ErrAnswer = errors.New("not an ONVIF answer")
	// ErrCredentials says that a device wants credentials, or others.
	ErrCredentials = errors.New("the device wants other credentials")
)

// Device is what answers to a probe.
type Device struct {
	ID       string   // of the device, the same at every time and address
	Services []string // URLs of its device service, checked
	Name     string   // by its scopes, "" where they do not say, as of Hardware
	Hardware string
}

// Profile is one stream of a device.
type Profile struct {
	Token  string  `json:"token"`
	Name   string  `json:"name"`
	Codec  string  `json:"codec,omitempty"` // as the device calls it
	Width  int     `json:"width,omitempty"`
	Height int     `json:"height,omitempty"`
	FPS    float64 `json:"fps,omitempty"` // at most
	URL    string  `json:"url"`           // of the stream, without credentials
}
