package esdbtest_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

// The expected revisions that are not numbers.
const (
	none   = -1
	anyOne = -2
	exists = -4
)

var nothing = &shared.Empty{}

// wire is a client that hides nothing: generated stubs, and answers as text.
type wire struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // of the test
	streams.StreamsClient
	conn *grpc.ClientConn
}

func dial(t testing.TB, s *esdbtest.Server, opts ...grpc.DialOption) wire {
	t.Helper()
	if len(opts) == 0 {
		opts = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	}
	conn, err := grpc.NewClient(s.Addr(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return wire{t: t, ctx: context.Background(), StreamsClient: streams.NewStreamsClient(conn), conn: conn}
}

// in is the same client for a subtest.
func (w wire) in(t testing.TB) wire { //nolint:thelper // it makes a client
	w.t = t
	return w
}

func (w wire) with(pairs ...string) wire {
	w.ctx = metadata.AppendToOutgoingContext(w.ctx, pairs...)
	return w
}

func (w wire) bounded(ctx context.Context) wire {
	w.ctx = ctx
	return w
}

// event makes an event of type "type-<name>" whose ID and data come from its
// name.
func event(name string) esdbtest.Event {
	return esdbtest.Event{
		ID: uuid.NewSHA1(uuid.Nil, []byte(name)), Type: "type-" + name, JSON: true,
		Data: []byte(`{"name":"` + name + `"}`), Meta: []byte(`{}`),
	}
}

func named(names string) (events []esdbtest.Event) {
	for n := range strings.FieldsSeq(names) {
		events = append(events, event(n))
	}
	return events
}

func wireID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:8])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}

func identify(stream string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(stream)}
}

func appendOptions(stream string, expected int64) *streams.AppendReq {
	o := &streams.AppendReq_Options{StreamIdentifier: identify(stream)}
	switch expected {
	case none:
		o.ExpectedStreamRevision = &streams.AppendReq_Options_NoStream{NoStream: nothing}
	case anyOne:
		o.ExpectedStreamRevision = &streams.AppendReq_Options_Any{Any: nothing}
	case exists:
		o.ExpectedStreamRevision = &streams.AppendReq_Options_StreamExists{StreamExists: nothing}
	default:
		o.ExpectedStreamRevision = &streams.AppendReq_Options_Revision{Revision: uint64(expected)}
	}
	return &streams.AppendReq{Content: &streams.AppendReq_Options_{Options: o}}
}

func proposed(e esdbtest.Event) *streams.AppendReq {
	contentType := "application/octet-stream"
	if e.JSON {
		contentType = "application/json"
	}
	return &streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{
		ProposedMessage: &streams.AppendReq_ProposedMessage{
			Id: wireID(e.ID), Data: e.Data, CustomMetadata: e.Meta,
			Metadata: map[string]string{"type": e.Type, "content-type": contentType},
		},
	}}
}

// tryAppend returns what came of an append, with the trailer's words.
func (w wire) tryAppend(stream string, expected int64, events ...esdbtest.Event) (*streams.AppendResp, error) {
	call, err := w.Append(w.ctx)
	if err != nil {
		return nil, explain(err, nil)
	}
	err = call.Send(appendOptions(stream, expected))
	for i := 0; i < len(events) && err == nil; i++ {
		err = call.Send(proposed(events[i]))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	resp, err := call.CloseAndRecv()
	return resp, explain(err, call.Trailer())
}

// append tells what came of an append: "ok <last>", "wrong <actual>" or the
// refusal.
func (w wire) append(stream string, expected int64, events ...esdbtest.Event) string {
	w.t.Helper()
	resp, err := w.tryAppend(stream, expected, events...)
	if err != nil {
		return err.Error()
	}
	if wrong := resp.GetWrongExpectedVersion(); wrong != nil {
		if wrong.GetCurrentNoStream() != nil {
			return "wrong none"
		}
		return fmt.Sprintf("wrong %d", wrong.GetCurrentRevision())
	}
	if resp.GetSuccess().GetNoStream() != nil {
		return "ok none"
	}
	return fmt.Sprintf("ok %d", resp.GetSuccess().GetCurrentRevision())
}

func (w wire) must(got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("got %q, want %q", got, want)
	}
}

// delete deletes softly, whatever the revision.
func (w wire) delete(stream string) string {
	var trailer metadata.MD
	_, err := w.Delete(w.ctx, &streams.DeleteReq{Options: &streams.DeleteReq_Options{
		StreamIdentifier:       identify(stream),
		ExpectedStreamRevision: &streams.DeleteReq_Options_Any{Any: nothing},
	}}, grpc.Trailer(&trailer))
	return done(explain(err, trailer))
}

func (w wire) tombstone(stream string) string {
	var trailer metadata.MD
	_, err := w.Tombstone(w.ctx, &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
		StreamIdentifier:       identify(stream),
		ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: nothing},
	}}, grpc.Trailer(&trailer))
	return done(explain(err, trailer))
}

func done(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

// explain turns an error into "<code>[ <exception>]".
func explain(err error, trailer metadata.MD) error {
	if err == nil {
		return nil
	}
	text := status.Code(err).String()
	if e := trailer.Get("exception"); len(e) > 0 {
		text += " " + e[0]
	}
	return errors.New(text)
}

// query builds a read of a stream ("$all" for everything).
func query(stream string, count int, adjust ...func(*streams.ReadReq_Options)) *streams.ReadReq {
	o := &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_Stream{Stream: &streams.ReadReq_Options_StreamOptions{
			StreamIdentifier: identify(stream),
			RevisionOption:   &streams.ReadReq_Options_StreamOptions_Start{Start: nothing},
		}},
		CountOption:  &streams.ReadReq_Options_Count{Count: uint64(count)},
		FilterOption: &streams.ReadReq_Options_NoFilter{NoFilter: nothing},
		UuidOption: &streams.ReadReq_Options_UUIDOption{
			Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: nothing},
		},
	}
	if stream == "$all" {
		o.StreamOption = &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
			AllOption: &streams.ReadReq_Options_AllOptions_Start{Start: nothing},
		}}
	}
	for _, a := range adjust {
		a(o)
	}
	return &streams.ReadReq{Options: o}
}

func backwards(o *streams.ReadReq_Options) { o.ReadDirection = streams.ReadReq_Options_Backwards }

func live(o *streams.ReadReq_Options) {
	o.CountOption = &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}}
}

func fromEnd(o *streams.ReadReq_Options) {
	if all := o.GetAll(); all != nil {
		all.AllOption = &streams.ReadReq_Options_AllOptions_End{End: nothing}
		return
	}
	o.GetStream().RevisionOption = &streams.ReadReq_Options_StreamOptions_End{End: nothing}
}

func fromRevision(n uint64) func(*streams.ReadReq_Options) {
	return func(o *streams.ReadReq_Options) {
		o.GetStream().RevisionOption = &streams.ReadReq_Options_StreamOptions_Revision{Revision: n}
	}
}

func fromPosition(commit, prepare uint64) func(*streams.ReadReq_Options) {
	return func(o *streams.ReadReq_Options) {
		o.GetAll().AllOption = &streams.ReadReq_Options_AllOptions_Position{
			Position: &streams.ReadReq_Options_Position{CommitPosition: commit, PreparePosition: prepare},
		}
	}
}

type expression = streams.ReadReq_Options_FilterOptions_Expression

func filtered(window, multiplier uint32, byType bool, e *expression) func(*streams.ReadReq_Options) {
	f := &streams.ReadReq_Options_FilterOptions{
		Filter:                       &streams.ReadReq_Options_FilterOptions_StreamIdentifier{StreamIdentifier: e},
		Window:                       &streams.ReadReq_Options_FilterOptions_Max{Max: window},
		CheckpointIntervalMultiplier: multiplier,
	}
	if byType {
		f.Filter = &streams.ReadReq_Options_FilterOptions_EventType{EventType: e}
	}
	return func(o *streams.ReadReq_Options) { o.FilterOption = &streams.ReadReq_Options_Filter{Filter: f} }
}

// open begins a read or a subscription that ends with the test.
func (w wire) open(req *streams.ReadReq) streams.Streams_ReadClient {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	w.t.Cleanup(cancel)
	call, err := w.Read(ctx, req)
	if err != nil {
		w.t.Fatal(err)
	}
	return call
}

// read tells all messages of a read, and its error at the end.
func (w wire) read(req *streams.ReadReq) string {
	w.t.Helper()
	call := w.open(req)
	var all []string
	for {
		m := receive(call)
		if m == "EOF" {
			return strings.Join(all, " ")
		}
		all = append(all, m)
		if strings.HasPrefix(m, "error") {
			return strings.Join(all, " ")
		}
	}
}

// receive tells the next message: an event as stream/number, or what else it is.
func receive(call streams.Streams_ReadClient) string {
	r, err := call.Recv()
	if errors.Is(err, io.EOF) {
		return "EOF"
	}
	if err != nil {
		return "error: " + explain(err, call.Trailer()).Error()
	}
	switch c := r.GetContent().(type) {
	case *streams.ReadResp_Event:
		e := c.Event.GetEvent()
		return fmt.Sprintf("%s/%d", e.GetStreamIdentifier().GetStreamName(), e.GetStreamRevision())
	case *streams.ReadResp_Confirmation:
		return "confirmed"
	case *streams.ReadResp_Checkpoint_:
		return "checkpoint"
	case *streams.ReadResp_CaughtUp_:
		return "caught-up"
	case *streams.ReadResp_StreamNotFound_:
		return "not-found"
	default:
		return fmt.Sprintf("%T", c)
	}
}

// receives tells the next n messages.
func receives(call streams.Streams_ReadClient, n int) string {
	var all []string
	for range n {
		all = append(all, receive(call))
	}
	return strings.Join(all, " ")
}
