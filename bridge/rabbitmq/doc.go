// Package rabbitmq is the sink that publishes frames to a topic exchange of RabbitMQ, with publisher confirms: a frame counts as
// delivered once the broker has taken it over.
package rabbitmq
