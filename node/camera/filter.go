package camera

import (
	"fmt"
	"strconv"
	"strings"
)

// filters chooses pictures ahead of all that costs (the way out of the hardware's memory, the conversion), then makes of them what the
// JPEG encoder takes: full range 4:2:0. The colour matrix stays the camera's.
func filters(c Config, s source, f FFmpeg, accel accelerator) string {
	var chain []string
	if !s.paced {
		chain = append(chain, distinct)
	}
	switch {
	case c.Mode == ModeJPEG:
		if s.scheme != "lavfi" { // nothing damages made-up pictures
			chain = append(chain, keyframeNotice)
		}
		chain = append(chain, pace(c.FPS, s.paced))
	case accel.input != nil: // not every decoder of this kind knows -skip_frame
		chain = append(chain, "select=key")
	}
	if accel.download {
		chain = append(chain, "hwdownload", "format=nv12")
	}
	for _, m := range c.Masks {
		chain = append(chain, m.filter())
	}
	chain = append(chain, convert(c.Width, f.Zscale && s.scheme != "lavfi")) // made-up pictures may be RGB, which zscale refuses
	return strings.Join(append(chain, "format=yuvj420p"), ",")
}

// convert is the filter that makes full range of whatever comes, and scales to width where that is given. Both scalers do so with the
// same cubic.
func convert(width int, zscale bool) string {
	size, cubic := "w=iw:h=ih", ""
	if width > 0 {
		size, cubic = "w="+strconv.Itoa(width)+":h=-2", ":filter=bicubic:param_a=0:param_b=0.6"
	}
	if zscale {
		return "zscale=" + size + cubic + ":range=full"
	}
	return "scale=" + size + ":out_range=full"
}

// distinct is a filter that keeps two pictures from having the same time, with which the encoder would give up. FFmpeg notes arrival
// times in a stream's own unit, which is 40 ms for JPEG pictures over HTTP.
const distinct = "settb=AVTB,setpts='if(isnan(PREV_OUTPTS),PTS,max(PTS,PREV_OUTPTS+1))'"

// pace is a filter that keeps fps pictures a second. Variable 0 is when the next one is due: half a period early will do, so that a
// camera whose own rate is fps loses none to jitter; after a pause the due time restarts one period back, so that a burst that was
// held up is not let through; and a camera slower than fps is passed as it is.
//
// FFmpeg has no arrival time for the first picture of some live streams, and gives 0: that one is left to the next picture.
func pace(fps float64, paced bool) string {
	period := strconv.FormatFloat(1/fps, 'f', 9, 64)
	due := fmt.Sprintf("gte(t,ld(0)-%s/2)", period)
	if !paced {
		due += "*gt(t,0)"
	}
	return fmt.Sprintf("select='if(%s,st(0,if(ld(0),max(ld(0),t-%s),t)+%s),0)'", due, period, period)
}

// filter blackens the mask, its edges rounded outwards to whole pixels. It stands ahead of any scaling, which would mix what is under
// the mask into the pixels beside it. A colour sample that belongs to a masked and an unmasked pixel is masked.
func (m Mask) filter() string {
	span := func(size string, at, length float64) (from, width string) {
		from = "floor(" + size + "*" + number(at) + ")"
		return from, "ceil(" + size + "*" + number(min(1, at+length)) + ")-" + from
	}
	x, w := span("iw", m.X, m.Width)
	y, h := span("ih", m.Y, m.Height)
	return fmt.Sprintf("drawbox=x=%s:y=%s:w=%s:h=%s:color=black:t=fill", x, y, w, h)
}

// number writes a fraction without an exponent, which FFmpeg would read as the constant E.
func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
