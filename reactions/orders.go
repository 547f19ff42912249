package reactions

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/viewer"
)

// Order is what a process wants to be done. It is made by [Give], [Do], [WakeAt],
// [WakeBy] and [CallOff], and can be compared.
type Order struct {
	kind     string // see the constants below
	name     string // of the command or the work
	key      string // of the wake-up
	at       time.Time
	earliest bool
	off      bool
	args     any
}

// The kinds of jobs that orders become.
const (
	kindCommand = "command"
	kindWork    = "work"
	kindWake    = "wake"
)

// Give orders that a command is given to a record, as soon as possible, by the
// server on behalf of whoever has caused the event. It is given once. A refusal
// parks the job; if there is no such record any more, there is nothing to be done.
// The command must be in [Commands].
func Give[S any](p *commands.Policy[S], record uuid.UUID, cmd domain.Command[S]) Order {
	return Order{kind: kindCommand, name: commandName(p.Kind(), cmd), args: given{domain.ID{Prefix: p.Prefix(), UUID: record}, cmd}}
}

// given is a command to a record.
type given struct {
	ID   domain.ID `json:"id"`
	Data any       `json:"data"`
}

// Do orders that work is done as soon as possible. The arguments become JSON.
func (w Work[A]) Do(args A) Order { return Order{kind: kindWork, name: w.name, args: args} }

// WakeAt orders that the process is woken, for the same subject, when a time has
// come. There is one wake-up with a key at most: a later order takes its place.
func WakeAt(key string, at time.Time) Order {
	return Order{kind: kindWake, name: key, key: key, at: at}
}

// WakeBy is WakeAt, but that a wake-up which is there already is kept if it comes
// earlier.
func WakeBy(key string, at time.Time) Order {
	return Order{kind: kindWake, name: key, key: key, at: at, earliest: true}
}

// CallOff orders that the process is not woken, if a wake-up with the key is there.
func CallOff(key string) Order { return Order{kind: kindWake, name: key, key: key, off: true} }

// place makes orders into those of jobs, which are about what of says. Their IDs
// follow from their source and their place in the list.
func place(orders []Order, of jobs.Job, source uuid.UUID) ([]jobs.Order, error) {
	list := make([]jobs.Order, len(orders))
	for i, o := range orders {
		args, err := domain.Marshal(o.args)
		if err != nil {
			return nil, fmt.Errorf("encode the arguments of %s: %w", o.name, err)
		}
		j := of
		j.ID = uuid.NewSHA1(source, []byte(of.Process+"\x00"+strconv.Itoa(i)))
		j.Kind, j.Name, j.Key, j.Args, j.DueAt = o.kind, o.name, o.key, args, o.at
		if o.kind == kindWake {
			j.Name = of.Process + "." + o.name
		}
		list[i] = jobs.Order{Job: j, Earliest: o.earliest, Off: o.off}
	}
	return list, nil
}

// Command is a command that processes may give.
type Command struct {
	name       string
	permission domain.Permission
	prepare    func(to commands.Target, data json.RawMessage) (commands.Operation, error)
}

// give lets processes give a command. It panics if the policy does not know it.
func give[S any, C domain.Command[S]](p *commands.Policy[S], example C) Command {
	permission, ok := p.Permission(example)
	if !ok {
		panic(fmt.Sprintf("reactions: %T is not in the policy of %s", example, p.Kind()))
	}
	return Command{
		name: commandName(p.Kind(), example), permission: permission,
		prepare: func(to commands.Target, data json.RawMessage) (commands.Operation, error) {
			var cmd C
			if err := domain.UnmarshalStored(data, &cmd); err != nil {
				return nil, fmt.Errorf("data of a command: %w", err)
			}
			return p.Prepare(to, cmd), nil
		},
	}
}

// commandName returns the name of a command: task.become_overdue.
func commandName(kind string, cmd any) string {
	name, _, _ := strings.Cut(reflect.TypeOf(cmd).Name(), "[")
	var b strings.Builder
	b.WriteString(kind + ".")
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// command is the [jobs.Work] that gives commands.
func (in Services) command(ctx context.Context, j jobs.Job) ([]jobs.Order, error) {
	for _, c := range Commands {
		if c.name == j.Name {
			return nil, in.give(ctx, c, j)
		}
	}
	return nil, fmt.Errorf("this build does not give the command %s", j.Name)
}

func (in Services) give(ctx context.Context, c Command, j jobs.Job) error {
	var g struct {
		ID   domain.ID       `json:"id"`
		Data json.RawMessage `json:"data"`
	}
	if err := domain.UnmarshalStored(j.Args, &g); err != nil {
		return fmt.Errorf("arguments of %s: %w", j.Name, err)
	}
	hash := sha256.Sum256([]byte(j.Name + "\x00" + string(j.Args)))
	op, err := c.prepare(commands.Target{ID: g.ID.UUID, Command: j.ID, Hash: hash[:]}, g.Data)
	if err != nil {
		return err
	}
	res := in.carryOut(ctx, j, c.permission, []commands.Operation{op})[0]
	if errors.Is(res.Err, domain.NotFound) {
		return nil
	}
	return res.Err
}

// carryOut gives commands because of a job. What takes longer than a job may take is
// because the log is away: deciding takes no time.
func (in Services) carryOut(ctx context.Context, j jobs.Job, may domain.Permission, ops []commands.Operation) []commands.Result {
	results := in.Commands.All(ctx, in.originOfJob(j, may), ops)
	for i, res := range results {
		if res.Err != nil && ctx.Err() != nil {
			results[i].Err = errors.Join(eventstore.ErrUnavailable, res.Err)
		}
	}
	return results
}

// originOfJob says that the server acts because of a job, with one permission, on
// behalf of whoever has caused what the job follows from.
func (in Services) originOfJob(j jobs.Job, may domain.Permission) viewer.Caller {
	server := viewer.Server(j.Tenant, domain.Actor{Kind: "system", OnBehalfOf: j.Cause.Actor}, may)
	o := server.As(domain.Origin{Time: in.Now(), Correlation: j.Cause.Correlation})
	if j.Cause.Event != uuid.Nil {
		o.Causation = domain.ID{Prefix: "evt", UUID: j.Cause.Event}.String()
	}
	return o
}

// Work is a kind of job that processes can order: something that takes longer or
// needs more than a process has. It may be done again although it was done, so
// doing it twice must be the same as doing it once.
type Work[A any] struct {
	name string
	do   func(ctx context.Context, in Services, j jobs.Job, args A) ([]Order, error)
}

// NewWork describes work. Its name is for good. What it returns is ordered when it
// is done; wake-ups are those of the process that ordered the work, for the same
// subject.
func NewWork[A any](name string, do func(ctx context.Context, in Services, j jobs.Job, args A) ([]Order, error)) Work[A] {
	return Work[A]{name, do}
}

// AnyWork is a [Work] with whatever arguments.
type AnyWork interface {
	workName() string
	work(ctx context.Context, in Services, j jobs.Job) ([]Order, error)
}

func (w Work[A]) workName() string { return w.name }

func (w Work[A]) work(ctx context.Context, in Services, j jobs.Job) ([]Order, error) {
	var args A
	if err := domain.UnmarshalStored(j.Args, &args); err != nil {
		return nil, fmt.Errorf("arguments of %s: %w", w.name, err)
	}
	return w.do(ctx, in, j, args)
}

// Handlers returns who does the jobs that processes order.
func (in Services) Handlers(processes []Process, works []AnyWork) jobs.Handlers {
	return jobs.Handlers{
		Work: map[string]jobs.Work{
			kindCommand: in.command,
			kindWork: func(ctx context.Context, j jobs.Job) ([]jobs.Order, error) {
				for _, w := range works {
					if w.workName() == j.Name {
						orders, err := w.work(ctx, in, j)
						if err != nil {
							return nil, err
						}
						return place(orders, jobs.Job{Process: j.Process, Subject: j.Subject, Cause: j.Cause}, j.ID)
					}
				}
				return nil, fmt.Errorf("this build does not know the work %s", j.Name)
			},
		},
		Step: map[string]jobs.Step{kindWake: wake(processes)},
	}
}
