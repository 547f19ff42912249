package main

import (
	"context"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/demo"
)

type demoCmd struct {
	Server string `default:"http://127.0.0.1:8080" env:"ROWHOUSE_SERVER" placeholder:"URL" help:"The server to fill."`
	Data   string `env:"ROWHOUSE_DATA" placeholder:"DIR" help:"The data directory of the server, to read its setup token from. Default: as for serve."`

	demo.Options
}

// Run makes the demo, or what is missing of it.
func (c demoCmd) Run(ctx context.Context, e *env) error {
	dir, err := databaseFlags{Data: c.Data}.dir()
	if err != nil {
		return err
	}
	_, err = demo.Run(ctx, demo.Config{Server: c.Server, Data: dir, Options: c.Options, Out: e.stdout})
	return err
}
