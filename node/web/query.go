package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// query reads the parameters of a request, and keeps the first fault.
type query struct {
	values url.Values
	err    error
}

// queryOf reads a query that may have the given parameters.
func queryOf(r *request, known ...string) *query {
	q := &query{}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		q.refuse("the query cannot be read: %v; write it as in ?a=1&b=2, special characters as %%XX", err)
		return q
	}
	q.values = values
	for name, all := range values {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			q.refuse("the parameter %.60q is not known here; there are none", name)
		case !slices.Contains(known, name):
			q.refuse("the parameter %.60q is not known here; known are %s", name, strings.Join(known, " "))
		case len(all) > 1:
			q.refuse("the parameter %s is given %d times; give it once", name, len(all))
		}
	}
	return q
}

func (q *query) refuse(format string, args ...any) {
	if q.err == nil {
		q.err = refusef(http.StatusBadRequest, format, args...)
	}
}

func (q *query) text(name string) string { return q.values.Get(name) }

// moment is a time, the zero one where none is given.
func (q *query) moment(name string) time.Time {
	text := q.text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		q.refuse("%s is %.60q, not a time as in 2026-11-23T07:44:05Z, with a + of a time zone written as %%2B", name, text)
		return time.Time{}
	}
	return t
}

// span is a time from and to, of which either may be missing.
func (q *query) span() (from, to time.Time) {
	from, to = q.moment("from"), q.moment("to")
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		q.refuse("to is before from: %s and %s; exchange them", to.UTC().Format(time.RFC3339), from.UTC().Format(time.RFC3339))
	}
	return from, to
}

// number is a whole number between bounds.
func (q *query) number(name string, missing, least, most int) int {
	text := q.text(name)
	if text == "" {
		return missing
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		q.refuse("%s is %.60q, not a whole number from %d to %d", name, text, least, most)
		return missing
	}
	return n
}

// word is one of some, or none.
func (q *query) word(name string, valid func(string) bool, form string) string {
	text := q.text(name)
	if text != "" && !valid(text) {
		q.refuse("%s is %.60q; %s", name, text, form)
		return ""
	}
	return text
}
