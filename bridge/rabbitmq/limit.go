package rabbitmq

import (
	"regexp"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"
)

// learn remembers, for the next connection, the largest message the broker takes. The broker tells it only by closing the channel
// over a larger one, and with it the confirms of those before: so that frame is tried once, and refused on the next connection.
func (s *Sink) learn(reason *amqp.Error) {
	if reason.Code != amqp.PreconditionFailed {
		return
	}
	// "message size 2097152 is larger than configured max size 1048576"
	m := regexp.MustCompile(`message size \d+ \D*(\d+)`).FindStringSubmatch(reason.Reason)
	if m == nil {
		return
	}
	if limit, err := strconv.ParseInt(m[1], 10, 64); err == nil {
		s.maxBody.Store(limit)
	}
}
