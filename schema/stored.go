package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Kept is where a sink keeps a frame's picture.
type Kept struct {
	Key   string        // under which it is found
	TTL   time.Duration // from its storing on, in whole milliseconds; 0 is for ever
	Bytes int           // size of the picture
}

// stored is the body of a message in [StreamStored], as JSON: a frame without its picture.
type stored struct {
	Schema      int       `json:"schema"` // [Version]
	Key         string    `json:"key"`
	TTL         int64     `json:"ttl_ms,omitempty"` // 0 is for ever
	Bytes       int       `json:"bytes"`
	Site        string    `json:"site"`
	Camera      string    `json:"camera"`
	Node        string    `json:"node"`
	Epoch       int64     `json:"epoch"`
	Seq         uint64    `json:"seq"`
	Captured    time.Time `json:"captured"`
	PTS         *int64    `json:"pts,omitempty"`
	ContentType string    `json:"content_type"`
	Width       int       `json:"width"`
	Height      int       `json:"height"`
	Keyframe    bool      `json:"keyframe,omitempty"`
	Replayed    bool      `json:"replayed,omitempty"`
}

// EncodeStored is the body that tells where the frame is kept. The frame has Kept.
func EncodeStored(f *Frame) ([]byte, error) {
	s := stored{Schema: Version, Key: f.Kept.Key, TTL: f.Kept.TTL.Milliseconds(), Bytes: f.Kept.Bytes,
		Site: f.Site, Camera: f.Camera, Node: f.Node, Epoch: f.Epoch, Seq: f.Seq, Captured: f.Captured.UTC(),
		ContentType: f.ContentType, Width: f.Width, Height: f.Height, Keyframe: f.Keyframe, Replayed: f.Replayed}
	if f.HasPTS {
		s.PTS = &f.PTS
	}
	body, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encoding where frame %s is kept: %w", f.ID(), err)
	}
	return body, nil
}

// DecodeStored is the inverse of [EncodeStored]: the frame has Kept and no Data. Errors are those of [Decode]; unknown fields are ignored.
func DecodeStored(body []byte) (*Frame, error) {
	var s stored
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("%w: the body is not that of a message in %s: %w", ErrFrame, StreamStored, err)
	}
	switch {
	case s.Schema != Version:
		return nil, fmt.Errorf("%w %d: this program knows %d", ErrVersion, s.Schema, Version)
	case s.TTL > math.MaxInt64/int64(time.Millisecond):
		return nil, fmt.Errorf("%w: ttl_ms %d is beyond all time", ErrFrame, s.TTL)
	}
	f := &Frame{Site: s.Site, Camera: s.Camera, Node: s.Node, Epoch: s.Epoch, Seq: s.Seq, Captured: s.Captured.UTC(), ContentType: s.ContentType,
		Width: s.Width, Height: s.Height, Keyframe: s.Keyframe, Replayed: s.Replayed,
		Kept: &Kept{Key: s.Key, TTL: time.Duration(s.TTL) * time.Millisecond, Bytes: s.Bytes}}
	if s.PTS != nil {
		f.PTS, f.HasPTS = *s.PTS, true
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	return f, nil
}

// validate reports what is wrong with where a frame is kept.
func (k *Kept) validate() error {
	switch {
	case k.Key == "":
		return fieldError("key", "", "is empty")
	case k.TTL < 0:
		return fieldError("ttl", k.TTL.String(), "is below 0")
	case k.Bytes < 1:
		return fmt.Errorf("%w: a picture of %d bytes", ErrFrame, k.Bytes)
	}
	return nil
}
