package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/csvimport"
)

type importCmd struct {
	Server string `default:"http://127.0.0.1:8080" env:"ROWHOUSE_SERVER" placeholder:"URL" help:"The server to import into."`
	Key    string `required:"" env:"ROWHOUSE_KEY" help:"An API key of the tenant."`
	Tenant string `env:"ROWHOUSE_TENANT" placeholder:"ID" help:"The tenant; that of the key, if left out."`

	csvimport.Options

	File string `arg:"" help:"The CSV file."`
}

// Run imports a file. It ends with 0 if all rows were imported, with 1 if some
// were not, and with 2 if nothing could be done.
func (c importCmd) Run(ctx context.Context, e *env) error {
	out, isFile := e.stderr.(*os.File)
	s, err := csvimport.Run(ctx, csvimport.Config{
		Server: c.Server, Key: c.Key, Tenant: c.Tenant, File: c.File, Options: c.Options,
		Out: e.stderr, Terminal: isFile && term.IsTerminal(int(out.Fd())),
	})
	if err != nil && !errors.Is(err, csvimport.ErrInterrupted) {
		_, _ = fmt.Fprintln(e.stderr, "rowhouse:", err)
	}
	if code := csvimport.ExitCode(s, err); code != 0 {
		return exitCode(code)
	}
	return nil
}
