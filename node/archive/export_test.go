package archive

import "time"

// SetMargin makes the archive look for quiet parts of tests' size.
func (a *Archive) SetMargin(d time.Duration) { a.margin = d }
