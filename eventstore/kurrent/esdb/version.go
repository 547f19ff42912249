package esdb

import (
	"context"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// ServerVersion returns what the server says its version is, for people to
// read: builds of one's own say things like 26.1.0-prerelease. It is empty if
// the server does not say.
func (c *Client) ServerVersion(ctx context.Context) (string, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	version := ""
	err := c.call(ctx, func(ctx context.Context, n *node) error {
		var trailer metadata.MD
		resp, err := serverfeatures.NewServerFeaturesClient(n.conn).GetSupportedMethods(ctx, &shared.Empty{}, grpc.Trailer(&trailer))
		if code := status.Code(err); code == codes.Unimplemented || code == codes.NotFound && first(trailer, "exception") == "" {
			return nil
		}
		version = resp.GetEventStoreServerVersion()
		return translate(err, trailer)
	})
	return version, err
}
