package schema

import "time"

// CameraState is where a camera's capture stands.
type CameraState string

// States of a camera.
const (
	CameraStarting CameraState = "starting" // FFmpeg is starting; no picture yet
	CameraUp       CameraState = "up"       // pictures arrive
	CameraStalled  CameraState = "stalled"  // pictures stopped coming; FFmpeg is being replaced
	CameraBackoff  CameraState = "backoff"  // the last try failed; waiting for the next
	CameraDown     CameraState = "down"     // the node has stopped reading it
)

// CameraStatus is the value of a key in [BucketCameras], as JSON.
type CameraStatus struct {
	State   CameraState  `json:"state"`
	Breaker BreakerState `json:"breaker,omitempty"` // open: the camera has failed again and again, and is tried at growing intervals
	Since   time.Time    `json:"since"`
	FPS     float64      `json:"fps"` // frames acknowledged by the stream, a second, over the last period
	Epoch   int64        `json:"epoch"`
	LastSeq uint64       `json:"last_seq"` // the last frame acknowledged by the stream
	Error   string       `json:"error,omitempty"`
	Look    string       `json:"look,omitempty"`   // what pictures that arrive and show nothing are: frozen, black, green, grey, flat
	Paused  bool         `json:"paused,omitempty"` // by an operator: the camera is left alone
	Node    string       `json:"node"`
	Decoder string       `json:"decoder,omitempty"` // "software", the name of an accelerator, or "none" in mode copy
	Mode    string       `json:"mode,omitempty"`    // jpeg, keyframes or copy
	Width   int          `json:"width,omitempty"`   // of the newest picture, as the height
	Height  int          `json:"height,omitempty"`
}

// BreakerState is where the circuit breaker of a camera or a bridge stands.
type BreakerState string

// States of a breaker.
const (
	BreakerClosed   BreakerState = "closed"
	BreakerHalfOpen BreakerState = "half-open"
	BreakerOpen     BreakerState = "open"
)

// Number is the state as metrics have it: 0 closed, 1 half-open, 2 open.
func (s BreakerState) Number() float64 {
	switch s {
	case BreakerOpen:
		return 2
	case BreakerHalfOpen:
		return 1
	}
	return 0
}

// BridgeStatus is the value of a key in [BucketBridges], as JSON.
type BridgeStatus struct {
	State     BreakerState `json:"state"`
	Since     time.Time    `json:"since"`
	Pending   uint64       `json:"pending"`   // frames in the stream that the sink has not confirmed
	Delivered uint64       `json:"delivered"` // frames confirmed since the bridge started
	Error     string       `json:"error,omitempty"`
	Fault     string       `json:"fault,omitempty"` // the class of Error, one word, equal to the label in metrics
	Node      string       `json:"node"`
}

// Pause is the value of a key in [BucketPauses], as JSON: the camera is not read for as long as the key is there.
type Pause struct {
	Since time.Time `json:"since"`
	Node  string    `json:"node"` // that was asked for it
}

// StatusKey is the key of a camera or bridge in its bucket.
func StatusKey(site, name string) string { return site + "." + name }

// Lease is the value of a key in [BucketLeases], as JSON: the last node that has claimed the camera. It is at work only while its beats
// say so.
type Lease struct {
	Node  string    `json:"node"`
	Run   string    `json:"run"`  // of the node: another one after each start
	Beat  uint64    `json:"beat"` // the last of that run from before the claim
	Since time.Time `json:"since"`
}
