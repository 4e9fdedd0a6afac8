package rabbitmq

import amqp "github.com/rabbitmq/amqp091-go"

// login is the client's own plain login, of a client that wants to be told when it is refused. Without that wish the broker waits for
// three seconds and hangs up, like one that ends. The client writes its wishes into properties just before it asks for the response,
// and has no other way to add one.
type login struct {
	*amqp.PlainAuth
	properties amqp.Table
}

func (l *login) Response() string {
	if wishes, ok := l.properties["capabilities"].(amqp.Table); ok {
		wishes["authentication_failure_close"] = true
	}
	return l.PlainAuth.Response()
}

// mechanisms is how to log in: nil leaves it to what the URL says.
func mechanisms(u *amqp.URI, properties amqp.Table) []amqp.Authentication {
	if len(u.AuthMechanism) > 0 {
		return nil
	}
	return []amqp.Authentication{&login{PlainAuth: u.PlainAuth(), properties: properties}}
}
