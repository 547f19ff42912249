package esdbtest_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/eventstore/kurrent/esdbtest"
)

// The vendor's own client is the witness that the double is honest.
func TestStockClient(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"one node":    esdbtest.Start(t).URL(),
		"a cluster":   esdbtest.StartCluster(t, 3).URL(),
		"with TLS":    esdbtest.Start(t, esdbtest.WithTLS(esdbtest.Account{Name: "ops", Password: "a b@c", Admin: true})).URL(),
		"old version": esdbtest.Start(t, esdbtest.WithVersion("23.10.8")).URL(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := esdb.ParseConnectionString(url)
			if err != nil {
				t.Fatal(err)
			}
			config.Logger = func(esdb.LogLevel, string, ...any) {}
			client, err := esdb.NewClient(config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			useStockClient(t, client)
		})
	}
}

func useStockClient(t *testing.T, client *esdb.Client) {
	t.Helper()
	ctx := t.Context()
	write := func(expected esdb.ExpectedRevision, ids ...uuid.UUID) (uint64, error) {
		var events []esdb.EventData
		for _, id := range ids {
			events = append(events, esdb.EventData{EventID: id, EventType: "opened", ContentType: esdb.ContentTypeJson, Data: []byte(`{}`)})
		}
		result, err := client.AppendToStream(ctx, "t-deal-1", esdb.AppendToStreamOptions{ExpectedRevision: expected}, events...)
		if err != nil {
			return 0, err
		}
		return result.NextExpectedVersion, nil
	}
	a, b, c := uuid.New(), uuid.New(), uuid.New()
	for range 2 {
		if last, err := write(esdb.NoStream{}, a, b); err != nil || last != 1 {
			t.Fatalf("append: %d, %v", last, err)
		}
	}
	_, err := write(esdb.NoStream{}, c)
	wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	if last, err := write(esdb.Revision(1), c); err != nil || last != 2 {
		t.Fatalf("append: %d, %v", last, err)
	}
	if got := readAll(t, client); len(got) != 3 || got[0].EventID != a || got[2].EventNumber != 2 || got[2].CreatedDate.IsZero() {
		t.Errorf("read %v", got)
	}

	subscription, err := client.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{
		From:   esdb.Start{},
		Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"t-"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = subscription.Close() }()
	var events, checkpoints int
	for caughtUp := false; !caughtUp; {
		switch e := subscription.Recv(); {
		case e.EventAppeared != nil:
			events++
		case e.CheckPointReached != nil:
			checkpoints++
		case e.CaughtUp != nil:
			caughtUp = true
		case e.SubscriptionDropped != nil:
			t.Fatal(e.SubscriptionDropped.Error)
		}
	}
	if events != 3 || checkpoints != 1 {
		t.Errorf("%d events, %d checkpoints", events, checkpoints)
	}
	if _, err := write(esdb.Revision(2), uuid.New()); err != nil {
		t.Fatal(err)
	}
	if e := subscription.Recv(); e.EventAppeared == nil || e.EventAppeared.OriginalEvent().EventNumber != 3 {
		t.Errorf("live: %v", e)
	}

	if _, err := client.DeleteStream(ctx, "t-deal-1", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(3)}); err != nil {
		t.Fatal(err)
	}
	gone, err := client.ReadStream(ctx, "t-deal-1", esdb.ReadStreamOptions{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	_, err = gone.Recv() // not before
	wantCode(t, err, esdb.ErrorCodeResourceNotFound)
	if last, err := write(esdb.NoStream{}, uuid.New()); err != nil || last != 4 {
		t.Fatalf("revive: %d, %v", last, err)
	}
	if _, err := client.TombstoneStream(ctx, "t-deal-1", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
		t.Fatal(err)
	}
	_, err = write(esdb.Any{}, uuid.New())
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
}

func readAll(t *testing.T, client *esdb.Client) (all []*esdb.RecordedEvent) {
	t.Helper()
	stream, err := client.ReadStream(context.Background(), "t-deal-1", esdb.ReadStreamOptions{From: esdb.Start{}}, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for {
		e, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Event)
	}
}

func wantCode(t *testing.T, err error, code esdb.ErrorCode) {
	t.Helper()
	if e, ok := errors.AsType[*esdb.Error](err); !ok || e.Code() != code {
		t.Errorf("got %v, want code %d", err, code)
	}
}
