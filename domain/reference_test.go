package domain_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
)

// A node of a chain, and a command that needs the whole of it.
type node struct {
	next domain.ID
	dead bool
}

func (n *node) Live() bool { return !n.dead }

type walk struct {
	from domain.ID
	dead bool
}

func (w walk) ref(id domain.ID) domain.Ref {
	return domain.Ref{Kind: "node", ID: id, Pointer: "/from", Dead: w.dead}
}

func (w walk) References(_ node, o domain.Origin) (refs []domain.Ref) {
	for id := w.from; !id.IsZero(); {
		refs = append(refs, w.ref(id))
		n, err := domain.Find[*node](o, w.ref(id))
		if err != nil {
			break
		}
		id = n.next
	}
	return refs
}

func (walk) Decide(_ node, o domain.Origin) ([]domain.Event[node], error) {
	if len(o.Found) != 3 {
		return nil, errors.New("not everything was found")
	}
	return nil, nil
}

var walkers = domain.NewAggregate[node]("node", "nod")

func TestReferencesAreAskedForUntilThereAreNoMore(t *testing.T) {
	t.Parallel()
	id := func(n byte) domain.ID { return domain.ID{Prefix: "nod", UUID: uuid.UUID{n}} }
	nodes := map[domain.ID]*node{id(1): {next: id(2)}, id(2): {next: id(3)}, id(3): {}, id(4): {next: id(5)}, id(6): {next: id(7)}, id(7): {dead: true, next: id(3)}}
	fault := errors.New("disk on fire")
	find := func(r domain.Ref) (any, error) {
		if r.ID == id(9) {
			return nil, fault
		}
		if n, ok := nodes[r.ID]; ok {
			return n, nil
		}
		return nil, nil
	}
	for _, c := range []struct {
		name string
		cmd  walk
		want string
	}{
		{"all are there", walk{from: id(1)}, ""},
		{"the second is not there", walk{from: id(4)}, "/from reference_not_found"},
		{"the second is dead", walk{from: id(6)}, "/from reference_not_found"},
		{"dead will do", walk{from: id(6), dead: true}, ""},
	} {
		if _, _, err := walkers.Decide(c.cmd, node{}, domain.Origin{}, find); complaints(err) != c.want || (err != nil) != (c.want != "") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, _, err := walkers.Decide(walk{from: id(9)}, node{}, domain.Origin{}, find); !errors.Is(err, fault) {
		t.Errorf("a fault is %v", err)
	}
}
