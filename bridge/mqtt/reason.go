package mqtt

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/eclipse/paho.golang/packets"

	"github.com/edge-video/edge-video/bridge"
)

// failure is the first reason code that is not a success.
const failure = 0x80

// noSubscribers is a success: the broker has taken the message and given it to nobody.
const noSubscribers = packets.PubackNoMatchingSubscribers

// errTooLarge says that the broker ended the connection over the size of a packet.
var errTooLarge = errors.New("a packet is larger than the broker takes")

// refused is the broker's answer to our login.
func refused(answer *packets.Connack) error {
	err := reason("the broker refuses the login", answer.ReasonCode, answer.Properties.ReasonString)
	switch answer.ReasonCode {
	case packets.ConnackNotAuthorized: // as some brokers say also of a wrong password
		return &bridge.SinkFault{Fault: bridge.FaultCredentials, Err: err}
	case packets.ConnackUnsupportedProtocolVersion:
		err = fmt.Errorf("%w: %w", errOldVersion, err)
	}
	return &bridge.SinkFault{Fault: fault(answer.ReasonCode), Err: err}
}

// answered is what the broker's answer to a message means for its frame.
func answered(a ack) error {
	if a.code < failure {
		return nil
	}
	err := reason("the broker does not take a message", a.code, a.text)
	switch a.code {
	case packets.PubackTopicNameInvalid, packets.PubackPayloadFormatInvalid, packets.DisconnectPacketTooLarge:
		return fmt.Errorf("%w: %w", bridge.ErrRejected, err)
	}
	return &bridge.SinkFault{Fault: fault(a.code), Err: err}
}

// disconnected is why the broker ended the connection.
func disconnected(d *packets.Disconnect) error {
	err := reason("the broker ended the connection", d.ReasonCode, d.Properties.ReasonString)
	if d.ReasonCode == packets.DisconnectPacketTooLarge {
		err = fmt.Errorf("%w: %w", errTooLarge, err)
	}
	return &bridge.SinkFault{Fault: fault(d.ReasonCode), Err: err}
}

// reason puts a code, and what the broker adds to it, into words.
func reason(what string, code byte, text string) error {
	meaning := cmp.Or((&packets.Disconnect{ReasonCode: code}).Reason(), (&packets.Connack{ReasonCode: code}).Reason(), "unknown reason")
	meaning, _, _ = strings.Cut(meaning, " - ") // the library's short name of it
	if text != "" {
		meaning += ", " + text
	}
	return fmt.Errorf("%s: %s (reason code 0x%02x)", what, meaning, code)
}

// fault is the class of a reason code, which means the same in every packet.
func fault(code byte) bridge.Fault {
	switch code {
	case packets.ConnackBadUsernameOrPassword, packets.ConnackBadAuthenticationMethod:
		return bridge.FaultCredentials
	case packets.ConnackNotAuthorized, packets.ConnackBanned, packets.DisconnectAdministrativeAction:
		return bridge.FaultPermission
	case packets.ConnackServerUnavailable, packets.ConnackServerBusy, packets.ConnackConnectionRateExceeded, packets.DisconnectMessageRateTooHigh:
		return bridge.FaultBlocked
	case packets.ConnackQuotaExceeded:
		return bridge.FaultFull
	case packets.DisconnectSessionTakenOver:
		return bridge.FaultConflict
	case packets.DisconnectKeepAliveTimeout:
		return bridge.FaultTimeout
	case packets.DisconnectNormalDisconnection, packets.DisconnectServerShuttingDown, packets.DisconnectMaximumConnectTime:
		return bridge.FaultLost
	}
	return bridge.FaultOther
}
