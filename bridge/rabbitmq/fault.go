package rabbitmq

import (
	"errors"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
)

// loginFault is what kept a connection from being opened, encrypted or not.
func loginFault(err error, secure bool) error {
	told := (*amqp.Error)(nil)
	if errors.As(err, &told) && told.Code == amqp.AccessRefused {
		if told.Server {
			return &bridge.SinkFault{Fault: bridge.FaultCredentials, Err: err}
		}
		// the client's guess where the broker has only hung up
		return &bridge.SinkFault{Fault: bridge.FaultLost, Err: errors.New("the broker ended the connection during login")}
	}
	why := error(known(err))
	if secure {
		return bridge.AfterHandshake(why)
	}
	return why
}

// known gives an error its class, unless it has one.
func known(err error) *bridge.SinkFault {
	classed, told := (*bridge.SinkFault)(nil), (*amqp.Error)(nil)
	switch {
	case errors.As(err, &classed):
		return classed
	case errors.As(err, &told):
		return &bridge.SinkFault{Fault: faultOf(told), Err: err}
	}
	return &bridge.SinkFault{Fault: bridge.FaultOf(err), Err: err}
}

// faultOf is the class of what the broker, or the client in its place, gives as the end of a channel or connection. Where a code has
// several meanings the broker's text tells them apart.
func faultOf(e *amqp.Error) bridge.Fault {
	switch e.Code {
	case amqp.AccessRefused:
		return bridge.FaultPermission
	case amqp.NotAllowed: // at the virtual host, or a limit of the user's or the host's connections
		if strings.Contains(e.Reason, "not found") {
			return bridge.FaultMissing
		}
		return bridge.FaultPermission
	case amqp.NotFound:
		return bridge.FaultMissing
	case amqp.PreconditionFailed:
		if strings.Contains(e.Reason, "inequivalent arg") {
			return bridge.FaultConflict
		}
	case amqp.ResourceError:
		return bridge.FaultFull
	case amqp.FrameError: // how the client tells of a read that failed, by its text alone
		if strings.Contains(e.Reason, "tls: ") {
			return bridge.FaultTLS
		}
		return bridge.FaultLost
	case amqp.ConnectionForced, amqp.ChannelError:
		return bridge.FaultLost
	}
	return bridge.FaultOther
}
