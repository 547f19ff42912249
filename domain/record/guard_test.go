package record_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/record"
)

// A ledger is a kind of record that changes no more once it is closed, but for its
// tags. It exists here only.
type ledger struct {
	record.Base[page]

	asked *[]string // which commands the guard was asked about
}

type page struct {
	record.Common

	Sum    int  `json:"sum"`
	Closed bool `json:"closed"`
}

func (page) KindName() string { return "ledger" }

func (l *ledger) Guard(cmd any, to page, _ domain.Origin) error {
	if l.asked != nil {
		*l.asked = append(*l.asked, record.CommandName(cmd))
	}
	if _, tagging := cmd.(record.AddTags[ledger, page, *ledger]); l.Fields.Closed && !tagging || to.Sum < 0 {
		return domain.StateConflict("closed", record.CommandName(cmd))
	}
	return nil
}

// A closeLedger is a command of its own, which says nothing about fields.
type closeLedger struct{}

func (closeLedger) Decide(l ledger, _ domain.Origin) ([]domain.Event[ledger], error) {
	return nil, l.MustBeLive()
}

// restoreTwice has another name than its type.
type restoreTwice = record.RestoreDuplicate[ledger, page, *ledger]

var ledgers = record.Describe[ledger, page]("led", record.Created[ledger, page, *ledger]{})

// TestGuard gives commands to a record that is closed, and to one that is not: the
// guard is asked about each, whether it changes anything or not.
func TestGuard(t *testing.T) {
	t.Parallel()
	var asked []string
	open := domain.Fold[ledger](record.Created[ledger, page, *ledger]{Fields: page{Sum: 1}})
	closed := domain.Fold[ledger](record.Created[ledger, page, *ledger]{Fields: page{Sum: 1, Closed: true}})
	inBin := closed
	record.Deleted[ledger, page, *ledger]{}.Apply(&inBin)
	for _, c := range []struct {
		state   ledger
		cmd     domain.Command[ledger]
		name    string
		refused bool
	}{
		{open, record.Update[ledger, page, *ledger]{Patch: map[string]json.RawMessage{"sum": json.RawMessage("2")}}, "update", false},
		{open, record.Update[ledger, page, *ledger]{Patch: map[string]json.RawMessage{"sum": json.RawMessage("-1")}}, "update", true},
		{open, record.Update[ledger, page, *ledger]{}, "update", false},
		{open, closeLedger{}, "close_ledger", false},
		{open, record.Delete[ledger, page, *ledger]{}, "delete", false},
		{open, restoreTwice{}, "restore", false},
		{closed, record.Update[ledger, page, *ledger]{Patch: map[string]json.RawMessage{"sum": json.RawMessage("2")}}, "update", true},
		{closed, record.Update[ledger, page, *ledger]{}, "update", true},
		{closed, record.AddTags[ledger, page, *ledger]{Tags: []string{"x"}}, "add_tags", false},
		{closed, record.RemoveTags[ledger, page, *ledger]{Tags: []string{"x"}}, "remove_tags", true},
		{closed, record.AssignOwner[ledger, page, *ledger]{}, "assign_owner", true},
		{closed, closeLedger{}, "close_ledger", true},
		{closed, record.Delete[ledger, page, *ledger]{}, "delete", true},
		{inBin, record.Restore[ledger, page, *ledger]{}, "restore", true},
		{inBin, record.Purge[ledger, page, *ledger]{}, "purge", true},
	} {
		asked, c.state.asked = nil, &asked
		events, _, err := ledgers.Decide(c.cmd, c.state, domain.Origin{}, nil)
		if diff := cmp.Diff([]string{c.name}, asked); diff != "" {
			t.Errorf("%T: asked about (-want +got):\n%s", c.cmd, diff)
		}
		e, _ := errors.AsType[*domain.Error](err)
		if refused := e != nil && e.Code == "state_conflict" && e.Data["command"] == c.name; refused != c.refused || refused && events != nil {
			t.Errorf("%T: %v, %v", c.cmd, events, err)
		}
	}
}
