package csvimport

import (
	"context"
	"errors"
	"time"
)

// grace is how long what is on its way may take once the import is asked to
// stop.
const grace = 10 * time.Second

// saveEvery is how often the state is saved. What is lost with it is found again
// in the tenant; it only takes time.
const saveEvery = 250 * time.Millisecond

// run sends the rows. One goroutine reads, one for each batch sends, and this
// one takes the answers in the order of the file.
func (im *importer) run(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	sending, drop := context.WithCancel(context.WithoutCancel(ctx))
	defer drop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, drop) })()

	batches := make(chan *batch, im.cfg.InFlight-1) // one more is with the reader
	var readErr error
	go func() {
		defer close(batches)
		readErr = im.read(reading, func(b *batch) bool {
			select {
			case batches <- b:
			case <-reading.Done():
				return false
			}
			go func() {
				defer close(b.done)
				b.err = im.sender.send(sending, b)
			}()
			return true
		})
	}()
	var failed error
	for b := range batches {
		<-b.done
		if failed == nil {
			failed = b.err
		}
		if failed == nil {
			failed = im.account(b)
		}
		if failed != nil {
			stop()
			drop()
		}
	}
	switch {
	case ctx.Err() != nil && failed == nil && readErr != nil, ctx.Err() != nil && errors.Is(failed, context.Canceled):
		failed = ErrInterrupted
	case failed == nil:
		failed = readErr
	}
	im.state.Finished = failed == nil
	return errors.Join(failed, im.save(), im.report.close())
}

// read reads rows and makes batches of them, until emit wants no more.
func (im *importer) read(ctx context.Context, emit func(*batch) bool) error {
	var sent window
	b := newBatch()
	err := im.walkKnown(ctx, im.resumed, func(r row, id string) error {
		im.add(b, r, id)
		if !b.full(im.cfg.BatchSize) {
			return nil
		}
		if sent.before(b); !emit(b) {
			return context.Cause(ctx)
		}
		b = newBatch()
		return nil
	})
	if err != nil || len(b.entries) == 0 {
		return err
	}
	if sent.before(b); !emit(b) {
		return context.Cause(ctx)
	}
	return nil
}

func (im *importer) add(b *batch, r row, id string) {
	if r.fault != nil {
		b.addBad(r, []fault{*r.fault})
		return
	}
	d := im.plan.draft(r.cells)
	if len(d.faults) > 0 {
		// Companies that the row would have made are left to the next one.
		for _, c := range d.news {
			im.plan.companies.forget(c)
		}
		b.addBad(r, d.faults)
		return
	}
	b.add(r, d, id)
}

// window holds the batches that may still be on their way.
type window struct{ batches []*batch }

// before makes a batch wait for those that have rows which want the same: of
// several, it is the first in the file that gets it.
func (w *window) before(b *batch) {
	on := w.batches[:0]
	for _, other := range w.batches {
		select {
		case <-other.done:
			continue
		default:
		}
		on = append(on, other)
		for key := range b.claims {
			if other.claims[key] {
				b.waits = append(b.waits, other.done)
				break
			}
		}
	}
	w.batches = append(on, b)
}

// account counts a batch that was answered and reports its bad rows. Batches
// come in the order of the file.
func (im *importer) account(b *batch) error {
	t := &im.state.Tally
	for _, e := range b.entries {
		t.Rows++
		switch e.status {
		case imported:
			t.Imported++
		case present:
			t.Present++
		case updated:
			t.Updated++
		default:
			t.Refused++
		}
		result, faults := notAllImported, e.losses
		if e.status == refused {
			result, faults = notImported, e.faults
		} else {
			im.state.count(e.row.line, e.changes())
			if len(faults) > 0 {
				t.Partial++
			}
		}
		if len(faults) > 0 {
			if err := im.report.add(e.row, result, faults); err != nil {
				return err
			}
		}
	}
	im.progress.update(*t)
	if time.Since(im.saved) < saveEvery {
		return nil
	}
	return im.save()
}

func (im *importer) save() error {
	size, err := im.report.flush()
	if err != nil {
		return err
	}
	im.saved = time.Now()
	im.state.ErrorsSize, im.state.Saved = size, im.saved.UTC()
	return im.state.save(statePath(im.cfg.File))
}
