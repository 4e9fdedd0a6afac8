package rabbitmq

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// The JSON that earlier versions of edge-video sent beside pictures.

// frameMessage tells where a picture is.
type frameMessage struct {
	EventType string    `json:"event_type"` // frame
	CameraID  string    `json:"camera_id"`
	Timestamp time.Time `json:"timestamp"` // of capture
	RedisKey  string    `json:"redis_key"`
	Width     int       `json:"width"`
	Height    int       `json:"height"`
	Encoding  string    `json:"encoding"`
	SizeBytes int       `json:"size_bytes"`
}

func metadata(f *schema.Frame) ([]byte, error) {
	return json.Marshal(frameMessage{EventType: "frame", CameraID: f.Camera, Timestamp: f.Captured.UTC(), RedisKey: f.Kept.Key,
		Width: f.Width, Height: f.Height, Encoding: encoding(f), SizeBytes: f.Kept.Bytes})
}

// cameraMessage tells how a camera is.
type cameraMessage struct {
	EventType           string    `json:"event_type"` // camera_status
	CameraID            string    `json:"camera_id"`
	Timestamp           time.Time `json:"timestamp"`
	State               string    `json:"state"` // active, inactive or offline
	ConsecutiveFailures uint64    `json:"consecutive_failures,omitempty"`
	LastError           string    `json:"last_error,omitempty"`
	Message             string    `json:"message,omitempty"`
}

// systemMessage tells how many cameras of a node deliver.
type systemMessage struct {
	EventType       string    `json:"event_type"` // system_status
	Timestamp       time.Time `json:"timestamp"`
	TotalCameras    int       `json:"total_cameras"`
	ActiveCameras   int       `json:"active_cameras"`
	InactiveCameras int       `json:"inactive_cameras"`
	Message         string    `json:"message"`
}

// status is the message of an event, and what its routing key ends in.
func status(event []byte) (body []byte, suffix string, err error) {
	e, err := schema.DecodeEvent(event)
	switch {
	case err != nil:
		return nil, "", err
	case e.Class == schema.ClassCamera && e.Kind == schema.KindState:
		state, says := cameraState(schema.CameraState(e.State))
		body, err = json.Marshal(cameraMessage{EventType: "camera_status", CameraID: e.Name, Timestamp: e.Time.UTC(), State: state,
			ConsecutiveFailures: e.Count, LastError: e.Message, Message: says})
		return body, ".status", err
	case e.Class == schema.ClassNode && e.Kind == schema.KindCameras:
		body, err = json.Marshal(systemMessage{EventType: "system_status", Timestamp: e.Time.UTC(), TotalCameras: e.Cameras,
			ActiveCameras: e.Active, InactiveCameras: e.Cameras - e.Active, Message: fmt.Sprintf("%d of %d cameras deliver pictures", e.Active, e.Cameras)})
		return body, ".system", err
	}
	return nil, "", fmt.Errorf("an event of %s %s is no status", e.Class, e.Kind)
}

// cameraState is a state in the words of earlier versions, and for people.
func cameraState(s schema.CameraState) (state, says string) {
	switch s {
	case schema.CameraUp:
		return "active", "the camera delivers pictures"
	case schema.CameraDown:
		return "offline", "the node does not read the camera any more"
	case schema.CameraStalled:
		return "inactive", "the camera has stopped delivering pictures"
	}
	return "inactive", "the camera delivers no pictures"
}
