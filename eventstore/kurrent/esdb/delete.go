package esdb

import (
	"context"
	"errors"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Tombstone deletes a stream for good, whatever is in it: nothing can be read
// from it or appended to it any more, and its name cannot be used again. A
// stream that is deleted for good already is no error, and one that never was
// is closed before it begins. The events leave the disks with the next scavenge
// of every node.
func (c *Client) Tombstone(ctx context.Context, stream string) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	err := c.write(ctx, func(ctx context.Context, n *node) error {
		var trailer metadata.MD
		_, err := n.streams.Tombstone(ctx, &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
			StreamIdentifier:       identifier(stream),
			ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}},
		}}, grpc.Trailer(&trailer))
		return translate(err, trailer)
	})
	if errors.Is(err, ErrDeleted) {
		return nil
	}
	return err
}

// Delete hides what is in a stream. An append revives it, and goes on counting
// where it was. The last event stays on the disks for ever, and so do the
// metadata of the stream not: use [Client.Tombstone] to erase. It returns
// [ErrNotFound] if there is no such stream.
func (c *Client) Delete(ctx context.Context, stream string) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	err := c.write(ctx, func(ctx context.Context, n *node) error {
		var trailer metadata.MD
		_, err := n.streams.Delete(ctx, &streams.DeleteReq{Options: &streams.DeleteReq_Options{
			StreamIdentifier:       identifier(stream),
			ExpectedStreamRevision: &streams.DeleteReq_Options_Any{Any: &shared.Empty{}},
		}}, grpc.Trailer(&trailer))
		return translate(err, trailer)
	})
	if _, ok := errors.AsType[*Conflict](err); ok { // with any revision there is only one that is wrong
		return ErrNotFound
	}
	return err
}
