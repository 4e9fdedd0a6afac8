// Package rabbitmq is the sink that publishes frames to a topic exchange of RabbitMQ, with publisher confirms: a frame counts as
// delivered once the broker has taken it over.
//
// What a message holds is a [Body]: the picture, or what earlier versions of edge-video sent beside or in place of it.
package rabbitmq
