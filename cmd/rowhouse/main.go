// Rowhouse is a CRM backend that keeps the data of many clients under one roof
// and behind a wall between each two: `rowhouse serve` runs it, and the other
// commands look after it. See `rowhouse help`.
//
// This is the only place that knows which engine keeps the log, where the
// configuration comes from, what time it is and where log lines go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/rowhouse/rowhouse/access"
)

// Version is set when a release is built: -ldflags "-X main.Version=v1.2.3".
var Version = "dev"

// cli is what can be asked of the binary. Every flag can also be given as an
// environment variable; help tells its name.
type cli struct {
	LogFormat   string `enum:"text,json" default:"text" env:"ROWHOUSE_LOG_FORMAT" help:"How log lines look: text or json."`
	ShowVersion bool   `name:"version" help:"Print the version."`

	Serve       serveCmd       `cmd:"" help:"Run the server."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database to the current schema, and stop."`
	Doctor      doctorCmd      `cmd:"" help:"Check that the wall between tenants stands, and say what is wrong."`
	Projections projectionsCmd `cmd:"" help:"Look at the read models, or build them again from the log."`
	Claims      claimsCmd      `cmd:"" help:"Renew what keeps things unique, after an upgrade that compares them in another form."`
	Log         logCmd         `cmd:"" help:"Look after the logs of tenants: where they are kept, and move them."`
	Bus         busCmd         `cmd:"" help:"Look at what is published to brokers, and at what they do not take."`
	Jobs        jobsCmd        `cmd:"" help:"Look at what the server does later by itself, and at what failed."`
	Import      importCmd      `cmd:"" help:"Import a CSV file through the API of a running server."`
	Demo        demoCmd        `cmd:"" help:"Load a believable data set into a running server."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
	Help        helpCmd        `cmd:"" help:"Explain a command." hidden:""`
}

// env is what commands get from outside.
type env struct {
	stdout, stderr io.Writer
	log            *slog.Logger
	passwords      access.Argon2 // what it costs to check one; zero for [access.DefaultArgon2]
}

// printf prints what somebody asked for. If there is nobody to read it any more,
// there is nobody to tell either.
func (e *env) printf(format string, args ...any) { _, _ = fmt.Fprintf(e.stdout, format, args...) }

// An exitCode is an error that has said all there is to say, and only ends the
// process.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

func main() { start(access.Argon2{}) }

// start is main with what it costs to check a password: tests with many log-ins pay
// less. It ends the process if something is wrong.
func start(passwords access.Argon2) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := execute(ctx, os.Args[1:], &env{stdout: os.Stdout, stderr: os.Stderr, passwords: passwords})
	stop()
	if code, ok := errors.AsType[exitCode](err); ok {
		os.Exit(int(code))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rowhouse:", err)
		os.Exit(1)
	}
}

// run is main without the globals, so that a test can run it too.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	return execute(ctx, args, &env{stdout: stdout, stderr: stderr})
}

// execute runs the command in the arguments.
func execute(ctx context.Context, args []string, e *env) error {
	var c cli
	helped := false
	k, err := kong.New(&c,
		kong.Name("rowhouse"),
		kong.Description("An event-sourced, multi-tenant CRM backend."),
		kong.UsageOnError(),
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(func(int) { helped = true }), // it prints help, and leaves ending to main
		kong.ValueFormatter(describe),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if args[0] == "help" {
		args = append(args[1:], "--help")
	}
	if asksFor(args, "--version") && !asksFor(args, "--help", "-h") {
		return versionCmd{}.Run(e) // whatever command it is of
	}
	command, err := k.Parse(args)
	if helped {
		return nil // whatever else the command would have needed
	}
	if err != nil {
		return err
	}
	lines := withoutRepeats(handler(c.LogFormat, e.stderr))
	defer lines.flush() //nolint:contextcheck // what was counted is told when the context has ended as well
	e.log = slog.New(lines)
	return command.Run(e)
}

// asksFor reports whether a flag is among the arguments.
func asksFor(args []string, flags ...string) bool {
	for _, a := range args {
		if slices.Contains(flags, a) {
			return true
		}
		if a == "--" {
			return false
		}
	}
	return false
}

// describe adds to what help says of a flag the default, which kong leaves out
// if it has a placeholder to show instead.
func describe(v *kong.Value) string {
	text := kong.DefaultHelpValueFormatter(v)
	if v.Flag == nil || v.Flag.PlaceHolder == "" || v.Default == "" {
		return text
	}
	return strings.TrimSuffix(text, ".") + ". Default: " + v.Default + "."
}

func handler(format string, w io.Writer) slog.Handler {
	if format == "json" {
		return slog.NewJSONHandler(w, nil)
	}
	return slog.NewTextHandler(w, nil)
}

type helpCmd struct{}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(e *env) error {
	e.printf("rowhouse %s\n", Version)
	return nil
}
