// Command edge-video captures cameras into an embedded NATS JetStream and bridges the frames to RabbitMQ, Redis and MQTT.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

// Exit codes.
const (
	exitFailed = 1 // the world's fault
	exitUsage  = 2 // wrong usage or configuration
)

// commands are what the program does; each has a file of its own.
type commands struct {
	Run      runCommand      `cmd:"" help:"Run a node as its configuration says."`
	Demo     demoCommand     `cmd:"" help:"Run a node with four made-up cameras, without a configuration."`
	Bridge   bridgeCommand   `cmd:"" help:"Run bridges alone, beside a node that runs already."`
	Cameras  camerasCommand  `cmd:"" help:"Show how all cameras are, in a table that stays live on a terminal."`
	Kick     kickCommand     `cmd:"" help:"Have a camera that waits for its next try be tried now."`
	Pause    pauseCommand    `cmd:"" help:"Have a camera left alone until it is resumed."`
	Resume   resumeCommand   `cmd:"" help:"Have a paused camera read again."`
	Snapshot snapshotCommand `cmd:"" help:"Write a camera's newest picture, or that of a moment, to a file."`
	Drill    drillCommand    `cmd:"" help:"Hold a bridge's breaker open for a while, and report what an outage of its sink comes to."`
	Replay   replayCommand   `cmd:"" help:"Deliver a span of the stream to a bridge's sink again."`
	Requeue  requeueCommand  `cmd:"" help:"Deliver what a bridge's sink has refused, and DEAD holds, once more."`
	Check    checkCommand    `cmd:"" help:"Check a configuration and show what it comes to."`
	Doctor   doctorCommand   `cmd:"" help:"Look at everything that a node needs, and say what to do about what is wrong."`
	Describe describeCommand `cmd:"" help:"Say what pictures are, also as the --translate command of the nats CLI."`
	Discover discoverCommand `cmd:"" help:"Find ONVIF cameras, and print configuration for them."`
	Migrate  migrateCommand  `cmd:"" help:"Turn a configuration of the old edge-video into one of this program."`
	User     userCommand     `cmd:"" help:"Make an entry of the configuration for someone who may use the page and the API."`
	Site     siteCommand     `cmd:"" help:"Admit sites to this hub."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
}

// console is what commands print to.
type console struct {
	out, err io.Writer
}

// json prints what a program asked for.
func (c console) json(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	if _, err := c.out.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// hangups are signals to read the configuration again.
type hangups <-chan os.Signal

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	hangup := make(chan os.Signal, 1) // more signals than one mean the same
	signal.Notify(hangup, syscall.SIGHUP)
	code := run(ctx, hangup, os.Args[1:], console{out: os.Stdout, err: os.Stderr})
	stop() // not before: whoever signals twice, as timeout(1) does, must not cut the clean stop short
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, hangup hangups, args []string, c console) int {
	exited := -1
	parser, err := kong.New(&commands{}, kong.Name("edge-video"), kong.Writers(c.out, c.err),
		kong.Description("Captures IP cameras into an embedded NATS JetStream, and republishes every frame to RabbitMQ, Redis and MQTT."),
		kong.Exit(func(code int) { exited = code }), kong.WithHyphenPrefixedParameters(true), // --from -2h
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(c, hangup))
	if err != nil {
		fmt.Fprintln(c.err, "edge-video:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited // help has been printed
	}
	if err != nil {
		fmt.Fprintf(c.err, "edge-video: %v; see edge-video --help\n", err)
		return exitUsage
	}
	if err := command.Run(); err != nil {
		return report(c, err)
	}
	return 0
}

// report prints what failed and chooses the exit code.
func report(c console, err error) int {
	if bad := new(config.Error); errors.As(err, &bad) {
		fmt.Fprintln(c.err, bad)
		return exitUsage
	}
	fmt.Fprintln(c.err, "edge-video:", err)
	if wrongUsage(err) {
		return exitUsage
	}
	return exitFailed
}
