// Package mqtt is the sink that publishes frames to an MQTT 5 broker with quality of service 1: a frame counts as delivered once the
// broker has acknowledged it. The body of a message is the picture alone; what else is known of a frame travels as the content type and
// as user properties, which subscribers of older protocol versions do not see.
//
// Of the client library only the packets are used. Its publish either waits for each message in turn, or lets several wait side by
// side, which loses their order, or tells nothing of the acknowledgement.
package mqtt
