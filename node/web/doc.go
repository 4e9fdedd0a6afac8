// Package web is what people and programs see of a node over HTTP: the API under /api/v1, the page that lives on it, metrics and health.
//
// It reads what the node has stored and published in JetStream, and asks for changes through the NATS services that every node offers, so
// that it serves a cluster or a hub as well as a single node. A [Server] is made before there is any JetStream: health is served from the
// beginning, and the API answers 503 until Run has a connection.
//
// Every request passes, in this order: the connection's place among others (crowd), the Host and Origin headers, credentials ([Access]),
// the caller's role, and its rate. Errors are problem documents of RFC 9457 whose detail names the culprit and what to do.
//
// Bounds, and what happens when they are reached: 1024 connections, 256 of one address (whoever has said nothing for longest is put out,
// else the new one); 512 streams without an end, 128 of one client (429); requests per client and kind (429 with Retry-After). A viewer
// that reads slowly gets fewer pictures, the newest each; one that takes nothing for ten seconds is put out. Of clips two are made at once,
// and whoever takes nothing of his for as long gives his place back. [Server.Update] ends streams to users and tokens that have gone.
package web
