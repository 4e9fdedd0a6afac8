package camera

import "testing"

func TestConfig_IsEqualWhereWhatItsModeUsesIs(t *testing.T) {
	for name, c := range map[string]struct {
		mode   Mode
		change func(*Config)
		want   bool
	}{
		"same":                  {ModeJPEG, func(*Config) {}, true},
		"fps of jpeg":           {ModeJPEG, func(c *Config) { c.FPS++ }, false},
		"fps of keyframes":      {ModeKeyframes, func(c *Config) { c.FPS++ }, true},
		"quality of keyframes":  {ModeKeyframes, func(c *Config) { c.Quality++ }, false},
		"quality of copy":       {ModeCopy, func(c *Config) { c.Quality, c.Width, c.HWAccel = 2, 640, "auto" }, true},
		"mode":                  {ModeCopy, func(c *Config) { c.Mode = ModeJPEG }, false},
		"password":              {ModeCopy, func(c *Config) { c.Password = "other" }, false},
		"a mask":                {ModeJPEG, func(c *Config) { c.Masks = []Mask{{Width: 0.5, Height: 0.5}} }, false},
		"no masks in two forms": {ModeJPEG, func(c *Config) { c.Masks, c.InputArgs, c.OutputArgs = []Mask{}, []string{}, []string{} }, true},
		"a further argument":    {ModeCopy, func(c *Config) { c.InputArgs = []string{"-an"} }, false},
		"patience":              {ModeCopy, func(c *Config) { c.StallTimeout++ }, false},
		"the largest picture":   {ModeCopy, func(c *Config) { c.MaxFrame++ }, false},
		"transport":             {ModeCopy, func(c *Config) { c.RTSPTransport = "udp" }, false},
	} {
		a := testConfig("rtsp://cam/1", c.mode)
		b := a
		c.change(&b)
		if got := a.Equal(b); got != c.want {
			t.Errorf("%s: equal %v, want %v", name, got, c.want)
		}
	}
}
