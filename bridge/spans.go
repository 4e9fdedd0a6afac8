package bridge

import (
	"fmt"
	"strconv"
	"strings"
)

// span is a run of stream sequences, with both ends.
type span struct{ first, last uint64 }

// spans are runs in rising order that do not touch.
type spans []span

// parseSpans reads what String wrote.
func parseSpans(text string) (spans, error) {
	var all spans
	for word := range strings.FieldsSeq(text) {
		a, b, ok := strings.Cut(word, "-")
		first, err1 := strconv.ParseUint(a, 10, 64)
		last, err2 := strconv.ParseUint(b, 10, 64)
		if !ok || err1 != nil || err2 != nil || first == 0 || first > last || len(all) > 0 && first <= all[len(all)-1].last {
			return nil, fmt.Errorf("%q is no list of stream sequences such as 10-19 30-39", text)
		}
		all = all.add(span{first, last})
	}
	return all, nil
}

func (s spans) String() string {
	var words []string
	for _, sp := range s {
		words = append(words, fmt.Sprintf("%d-%d", sp.first, sp.last))
	}
	return strings.Join(words, " ")
}

// add is s with one more run behind the others, joined to the last where they touch.
func (s spans) add(sp span) spans {
	n := len(s)
	if n == 0 || sp.first > s[n-1].last+1 {
		return append(s[:n:n], sp)
	}
	joined := span{s[n-1].first, max(s[n-1].last, sp.last)}
	return append(s[:n-1:n-1], joined)
}

// after is what of s lies behind a sequence.
func (s spans) after(seq uint64) spans {
	for i, sp := range s {
		if sp.last > seq {
			rest := append(spans(nil), s[i:]...)
			rest[0].first = max(sp.first, seq+1)
			return rest
		}
	}
	return nil
}

// holding is the run that a sequence is part of.
func (s spans) holding(seq uint64) (span, bool) {
	for _, sp := range s {
		if sp.first <= seq && seq <= sp.last {
			return sp, true
		}
	}
	return span{}, false
}

// count is how many sequences there are.
func (s spans) count() (n uint64) {
	for _, sp := range s {
		n += sp.last - sp.first + 1
	}
	return n
}
