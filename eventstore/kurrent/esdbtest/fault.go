package esdbtest

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// Method is what a client may call. Reads and subscriptions share an RPC, but
// not a Method.
type Method string

// The methods.
const (
	Append    Method = "append"
	Read      Method = "read"
	Subscribe Method = "subscribe"
	Delete    Method = "delete"
	Tombstone Method = "tombstone"
	Gossip    Method = "gossip"
	Features  Method = "features"
)

// Call is a call that has arrived.
type Call struct {
	Method   Method
	Stream   string      // "$all" for reads and subscriptions of everything
	Metadata metadata.MD // what the client sent along
	Number   int         // how manieth of its method on this node, from 1
}

func (c Call) writes() bool {
	return c.Method == Append || c.Method == Delete || c.Method == Tombstone
}

// Fault is what befalls a call. The values and functions of this package make
// them, AfterWrite and AfterMessages move them; a Fault may be used many times.
type Fault struct {
	refusal  func(*Server) *refusal // nil: none, the call goes on
	drop     bool
	delay    time.Duration
	gate     *Gate
	written  bool
	messages int
}

// Faults that answer, with nothing done.
var (
	Unavailable       = answer(refuse(codes.Unavailable, "Server Is Not Ready", ""))
	Aborted           = answer(refuse(codes.Aborted, "Operation timed out: Prepare phase timeout.", ""))
	ResourceExhausted = answer(refuse(codes.ResourceExhausted, "Received message exceeds the maximum configured message size.", ""))
	Deny              = answer(accessDenied())
	Unauthenticate    = answer(unauthenticated())
	// NotLeader names the leader of the cluster; a node on its own names itself.
	NotLeader = Fault{refusal: func(s *Server) *refusal { return notLeader(s.leader()) }}
	// Drop cuts the client's connection, with every other call on it.
	Drop = Fault{drop: true}
)

func answer(r *refusal) Fault { return Fault{refusal: func(*Server) *refusal { return r }} }

// Answer makes a fault of any status; trailer are its keys and values.
func Answer(code codes.Code, message string, trailer ...string) Fault {
	return answer(&refusal{code: code, message: message, trailer: metadata.Pairs(trailer...)})
}

// Delay lets the call go on after d.
func Delay(d time.Duration) Fault { return Fault{delay: d} }

// AfterWrite is the ambiguous outcome: the call is done, and its answer is the
// fault. It changes nothing for calls that do not write.
func (f Fault) AfterWrite() Fault {
	f.written = true
	return f
}

// AfterMessages lets n messages of a read or a subscription pass first. The
// confirmation of a subscription is a message, and so are its checkpoints. Drop
// takes messages along that are still in flight. It changes nothing for writes.
func (f Fault) AfterMessages(n int) Fault {
	f.messages = n
	return f
}

// Gate holds calls until it opens. A call that is given up, or whose node is
// stopped, leaves it.
type Gate struct {
	entered chan Call
	open    chan struct{}
	once    sync.Once
}

// NewGate returns a gate that is closed.
func NewGate() *Gate { return &Gate{entered: make(chan Call, 1024), open: make(chan struct{})} }

// Hold is the fault of having to wait at the gate.
func (g *Gate) Hold() Fault { return Fault{gate: g} }

// Entered tells of each call that has come to the gate, 1024 at most.
func (g *Gate) Entered() <-chan Call { return g.entered }

// Open lets all calls pass, those to come too.
func (g *Gate) Open() { g.once.Do(func() { close(g.open) }) }

func (g *Gate) wait(ctx context.Context, call Call) error {
	select {
	case g.entered <- call:
	default:
	}
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// Faults are the orders of a node. Use it from any goroutine.
type Faults struct {
	mu     sync.Mutex
	queued map[Method][]Fault
	rules  []*rule
}

type rule struct{ applies func(Call) (Fault, bool) }

// Next orders the faults of the next calls of m, one each.
func (f *Faults) Next(m Method, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.queued == nil {
		f.queued = map[Method][]Fault{}
	}
	f.queued[m] = append(f.queued[m], faults...)
}

// When asks applies about every call for which nothing is queued, rules in the
// order of their coming, until end is called. Calls come in parallel; applies
// is asked about one at a time.
func (f *Faults) When(applies func(Call) (Fault, bool)) (end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	added := &rule{applies}
	f.rules = append(f.rules, added)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		kept := f.rules[:0:0]
		for _, r := range f.rules {
			if r != added {
				kept = append(kept, r)
			}
		}
		f.rules = kept
	}
}

// Always lets fault befall every call of m until end is called.
func (f *Faults) Always(m Method, fault Fault) (end func()) {
	return f.When(func(c Call) (Fault, bool) { return fault, c.Method == m })
}

// Clear forgets all orders.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queued, f.rules = nil, nil
}

// Pending counts the faults that are queued and have befallen nobody yet.
func (f *Faults) Pending() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.queued {
		n += len(q)
	}
	return n
}

func (f *Faults) next(c Call) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if q := f.queued[c.Method]; len(q) > 0 {
		f.queued[c.Method] = q[1:]
		return q[0]
	}
	for _, r := range f.rules {
		if fault, ok := r.applies(c); ok {
			return fault
		}
	}
	return Fault{}
}
