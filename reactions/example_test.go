package reactions_test

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/commands"
	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/domain/deal"
	"github.com/rowhouse/rowhouse/domain/task"
	"github.com/rowhouse/rowhouse/eventstore"
	"github.com/rowhouse/rowhouse/jobs"
	"github.com/rowhouse/rowhouse/reactions"
)

// A process looks after deals that stand still: when nothing has happened to a deal for
// 30 days, somebody is told, and a second time after 60 days. To run, it has to be a
// line in reactions.Processes, and its work one in reactions.Works.
func ExampleNewProcess() {
	// What it remembers of each deal.
	type still struct {
		Times int `json:"times,omitzero"` // that somebody was told
	}
	const aMonth = 30 * 24 * time.Hour

	tell := reactions.NewWork("tell_of_still_deal",
		func(_ context.Context, _ reactions.Services, j jobs.Job, times int) ([]reactions.Order, error) {
			fmt.Println(j.Subject, "stands still, for the time number", times)
			return nil, nil
		})

	process := reactions.NewProcess("still_deals",
		reactions.On(func(s still, e reactions.Event[deal.Opened]) (still, []reactions.Order) {
			return s, []reactions.Order{reactions.WakeAt("still", e.Time.Add(aMonth))}
		}),
		reactions.On(func(_ still, e reactions.Event[deal.StageChanged]) (still, []reactions.Order) {
			return still{}, []reactions.Order{reactions.WakeAt("still", e.Time.Add(aMonth))} // in the place of the other
		}),
		reactions.On(func(_ still, _ reactions.Event[deal.Won]) (still, []reactions.Order) {
			return still{}, []reactions.Order{reactions.CallOff("still")}
		}),
		reactions.Woken(func(s still, w reactions.Wakeup) (still, []reactions.Order) {
			s.Times++
			orders := []reactions.Order{tell.Do(s.Times)}
			if s.Times < 2 {
				orders = append(orders, reactions.WakeAt("still", w.Time.Add(aMonth)))
			}
			return s, orders
		}),
	)

	// The same on paper.
	play := reactions.Play{Process: process}
	roof := domain.ID{Prefix: "deal", UUID: uuid.UUID{15: 7}}
	march := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	fmt.Println(play.Event(roof, march, deal.Opened{}))
	for range 2 {
		march = march.Add(aMonth)
		fmt.Println(play.Wake(reactions.Wakeup{Subject: roof.String(), Key: "still", Time: march}))
	}
	fmt.Println(play.Event(roof, march, deal.Won{}))
	// Output:
	// [wake at 2026-03-31 09:00:00: still]
	// [do tell_of_still_deal 1 wake at 2026-04-30 09:00:00: still]
	// [do tell_of_still_deal 2]
	// [call off still]
}

// A process can order that a command is given, which then has its effect once. To run,
// the command has to be a line in reactions.Commands.
func ExampleGive() {
	process := reactions.NewProcess("impatience",
		reactions.On(func(none struct{}, e reactions.Event[task.Reopened]) (struct{}, []reactions.Order) {
			return none, []reactions.Order{reactions.Give(commands.Tasks, e.Record.UUID, task.BecomeOverdue{})}
		}),
	)

	play := reactions.Play{Process: process}
	call := domain.ID{Prefix: "task", UUID: uuid.UUID{15: 1}}
	fmt.Println(play.Event(call, time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), task.Reopened{}))
	// Output: [give task.become_overdue to task_00000000000000000000000001]
}

// A reaction does what it does while it reads the log. It may be given the same
// events more than once.
func ExampleReaction() {
	watch := reactions.Reaction{
		Name: "watch", Linger: time.Second,
		React: func(_ context.Context, _ reactions.Services, b eventstore.Batch) error {
			fmt.Println("the log is read up to", b.To())
			return nil
		},
	}

	b := eventstore.Batch{Events: []eventstore.Recorded{{Position: 41}, {Position: 42}}}
	if err := watch.React(context.Background(), reactions.Services{}, b); err != nil {
		fmt.Println(err)
	}
	// Output: the log is read up to 42
}
