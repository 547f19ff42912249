// Package csvimport imports CSV files through the public API of a running
// server: files as other CRMs and spreadsheets export them, whatever their
// encoding, their separators, the names of their columns and the form of their
// values.
//
// It reads a file as a stream, and keeps going whatever is wrong with a row:
// the others are imported, and a file of errors says of each bad one what is
// wrong with it. Nothing is imported twice and nothing is left out, however often
// and wherever the importer or the server is killed, because the ID of a record
// follows from what is in its row.
//
// It is a client like any other. It knows the shapes of records, and no rule
// that the server does not state.
package csvimport

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
)

// Options are what a person may want to be otherwise. The zero value is what
// most people want, except for Object. The tags are those of kong.
type Options struct {
	Object        string        `required:"" enum:"contacts,companies,deals,tasks" placeholder:"KIND" help:"What the rows are: contacts, companies, deals or tasks."`
	Map           []string      `sep:"none" placeholder:"COLUMN=FIELD" help:"What a column holds, if its name does not say: \"CSV column=field\", or \"CSV column=-\" to leave it out. May be repeated."`
	DryRun        bool          `help:"Read the whole file, say how it is understood and what would become of its rows, and write nothing."`
	Strict        bool          `help:"Refuse a file with columns that are not imported."`
	Source        string        `placeholder:"NAME" help:"Whose IDs the file has: hubspot, salesforce, or any name. They become external_ids. Found out by default."`
	Encoding      string        `default:"auto" placeholder:"NAME" help:"Encoding of the file, by any name that WHATWG or IANA has for it, such as windows-1250, cp852 or shift_jis. Found out by default, by all that is in the file."`
	Delimiter     string        `default:"auto" help:"What separates cells: a character, or tab. Found out by default."`
	DateOrder     string        `enum:"auto,mdy,dmy,ymd" default:"auto" help:"How to read 03/04/2026, or 26/03/04 (${enum}). Found out by default; if nothing in the file tells, it has to be said."`
	TimeZone      string        `placeholder:"ZONE" help:"The zone of times that name none, such as Europe/Berlin. UTC by default."`
	Decimal       string        `enum:"auto,point,comma" default:"auto" help:"What stands before decimals in amounts such as 1.250 (${enum}). Found out by default."`
	Currency      string        `placeholder:"CODE" help:"The currency of amounts that name none (ISO 4217). USD by default, and with --update the one that a record has."`
	Country       string        `placeholder:"CODE" help:"The country of telephone numbers without a country code, if the row names none (ISO 3166)."`
	Pipeline      string        `placeholder:"NAME" help:"The pipeline of deals that name none."`
	Won           []string      `sep:"none" placeholder:"STAGE" help:"A stage of a new pipeline that is for deals that are won, if its name does not say so. May be repeated."`
	Lost          []string      `sep:"none" placeholder:"STAGE" help:"A stage of a new pipeline that is for deals that are lost. May be repeated."`
	Open          []string      `sep:"none" placeholder:"STAGE" help:"A stage of a new pipeline that is for open deals, whatever its name says. May be repeated."`
	LinkCompanies string        `enum:"create,existing,off" default:"create" help:"Link contacts, deals and tasks to the company that their row names: create it if there is none, link to existing ones only, or off."`
	Update        bool          `help:"Give records that are there already the values of the file. Nothing is taken away: lists keep what else they have, and empty cells change nothing."`
	Replace       []string      `placeholder:"LIST" help:"With --update: lists that become what the file has (emails, phones, addresses, domains, tags, related), separated by commas."`
	ClearEmpty    bool          `help:"With --update: an empty cell takes the value of the record away."`
	Again         bool          `help:"Import rows once more that were imported before."`
	BatchSize     int           `default:"500" help:"Rows per request."`
	InFlight      int           `default:"4" help:"Requests at a time."`
	Wait          time.Duration `default:"2m" help:"How long to wait for a server that is away."`
}

// Config says what to import, and where.
type Config struct {
	Server string // URL
	Key    string // an API key of the tenant
	Tenant string // ID; that of the key if empty
	File   string
	Options

	Out      io.Writer // progress and the summary; nowhere if nil
	Terminal bool      // Out can show a line that changes
}

// Summary says what became of the rows.
type Summary struct {
	Tally
	Total      int           // rows that the file has
	ErrorsFile string        // empty if there is nothing in it
	StateFile  string        // that the import can be resumed from; empty if it is through
	Took       time.Duration // of this run
}

// ErrInterrupted says that the import was asked to stop before its end. The
// same command goes on.
var ErrInterrupted = errors.New("interrupted")

// ExitCode returns what a process should end with: 0 if all rows were imported,
// 1 if some were not, 2 if nothing could be done.
func ExitCode(s Summary, err error) int {
	switch {
	case err != nil && s.Imported+s.Present+s.Updated == 0:
		return 2
	case err != nil || s.Refused > 0:
		return 1
	}
	return 0
}

// defaults fills in what a caller left out who is not a command line.
func (o *Options) defaults() {
	if o.LinkCompanies == "" {
		o.LinkCompanies = "create"
	}
	if o.BatchSize <= 0 {
		o.BatchSize = 500
	}
	o.BatchSize = min(o.BatchSize, client.MaxBatch-maxOrders)
	if o.InFlight <= 0 {
		o.InFlight = 4
	}
	o.InFlight = min(o.InFlight, 16)
}

// maxOrders is how many commands can follow the making of one record.
const maxOrders = 1

// Run imports a file. When ctx ends, it waits a little for what is on its way,
// saves how far it has come, and returns [ErrInterrupted]. The summary counts
// what was done before, too, if it goes on with an import that was broken off.
func Run(ctx context.Context, cfg Config) (Summary, error) {
	cfg.defaults()
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	im := &importer{cfg: cfg, began: time.Now(), progress: newProgress(cfg.Out, cfg.Terminal, 0, 0)}
	if err := im.prepare(ctx); err != nil {
		im.progress.end()
		if ctx.Err() != nil {
			err = errors.Join(ErrInterrupted, err)
		}
		return im.summary(), err
	}
	if im.cfg.DryRun {
		return im.dry(ctx)
	}
	err := im.run(ctx)
	s := im.summary()
	rate := float64(s.Rows-im.resumed) / max(time.Since(im.progress.start).Seconds(), 0.001)
	behind := err == nil && !im.visible(ctx)
	im.progress.end()
	im.tell(s, rate, err)
	if behind {
		im.progress.say("lists do not show all of it yet")
	}
	return s, err
}

// visible waits a little until lists show what was imported, and reports whether
// they do.
func (im *importer) visible(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	head, err := im.sender.tenant.Head(ctx)
	if err != nil {
		return false
	}
	for _, err := range im.sender.tenant.Since(head).List(ctx, im.sender.collection, url.Values{"limit": {"1"}}) {
		return err == nil
	}
	return true
}

// patience is how long to wait for lists to catch up.
const patience = 10 * time.Second

// importer is one import on its way.
type importer struct {
	cfg      Config
	began    time.Time
	plan     *plan
	state    state
	resumed  int // rows that an earlier run did
	sender   *sender
	report   *report
	progress *progress
	rows     int // in the file
	saved    time.Time
}

func (im *importer) summary() Summary {
	s := Summary{Tally: im.state.Tally, Total: im.rows, Took: time.Since(im.began)}
	if im.state.ErrorsSize > 0 {
		s.ErrorsFile = ErrorsPath(im.cfg.File)
	}
	if im.plan != nil && !im.state.Finished {
		s.StateFile = statePath(im.cfg.File)
	}
	return s
}

// prepare finds out all that there is to know before the first row is sent.
// Whatever is wrong with the file as a whole is said before the server is asked.
func (im *importer) prepare(ctx context.Context) error {
	o := objectNamed(im.cfg.Object)
	if o == nil {
		return fmt.Errorf("%q cannot be imported; there are: %v", im.cfg.Object, Objects())
	}
	if err := checkReplace(o, im.cfg.Replace); err != nil {
		return err
	}
	im.progress.hint("looking through " + im.cfg.File + " …")
	f, err := examine(im.cfg.File, im.cfg.Options)
	if err != nil {
		return fmt.Errorf("%s: %w", im.cfg.File, err)
	}
	m, err := newMapping(o, f.names, im.cfg.Map)
	if err != nil {
		return fmt.Errorf("%s: %w", im.cfg.File, err)
	}
	p, w, err := makePlan(ctx, f, m, im.cfg.Options)
	if err != nil {
		return fmt.Errorf("%s: %w", im.cfg.File, err)
	}
	tenant, err := im.connect(ctx)
	if err != nil {
		return err
	}
	if err := im.recall(p, tenant); err != nil {
		return err
	}
	if err := p.resolve(ctx, tenant, w); err != nil {
		return err
	}
	im.plan, im.rows, im.state.Readings = p, p.rows, p.readings()
	im.sender = &sender{
		tenant: tenant, collection: o.collection, update: im.cfg.Update, replaces: im.cfg.Replace, clears: im.cfg.ClearEmpty, wait: im.cfg.Wait,
		run: im.state.Run, process: rand.Text(),
	}
	p.brief(im.progress.say)
	if im.cfg.DryRun {
		return nil
	}
	return im.begin(ctx)
}

// begin makes what the first row needs.
func (im *importer) begin(ctx context.Context) (err error) {
	p := im.plan
	if im.report, err = openReport(ErrorsPath(p.path), p.header, p.comma, im.state.ErrorsSize); err != nil {
		return err
	}
	if err := im.save(); err != nil { // before anything is sent
		return err
	}
	if p.funnels != nil {
		if err := p.funnels.make(ctx, im.sender.tenant); err != nil {
			return err
		}
	}
	if im.resumed > 0 {
		im.progress.say("going on after row %s", grouped(im.resumed))
	}
	im.progress.total, im.progress.begin, im.progress.start = p.rows, im.resumed, time.Now()
	return nil
}

// dry says what would happen.
func (im *importer) dry(ctx context.Context) (Summary, error) {
	im.progress.hint("checking all rows …")
	f, err := im.foretell(ctx)
	im.progress.end()
	if err != nil {
		return Summary{Total: im.rows, Took: time.Since(im.began)}, err
	}
	f.report(im.progress.say)
	return Summary{Tally: f.Tally, Total: im.rows, Took: time.Since(im.began)}, nil
}

// connect finds out which tenant the key belongs to.
func (im *importer) connect(ctx context.Context) (client.Tenant, error) {
	c, err := client.New(client.Config{
		URL: im.cfg.Server, Bearer: im.cfg.Key, Agent: "rowhouse-import",
		Wait: im.cfg.Wait, OnWait: im.progress.waitFor,
	})
	if err != nil {
		return client.Tenant{}, err
	}
	if im.cfg.Tenant != "" {
		return c.Tenant(im.cfg.Tenant), nil
	}
	me, err := c.Me(ctx)
	return c.Tenant(me.TenantID), err
}

// recall finds out what an earlier run has done.
func (im *importer) recall(p *plan, t client.Tenant) error {
	o := im.cfg.Options
	settings := hashOf(fmt.Sprint(p.fields), p.source, p.currency, p.country, o.Encoding, o.Delimiter, o.DateOrder, o.TimeZone, o.Decimal, o.Pipeline, o.LinkCompanies, strconv.FormatBool(o.Update),
		fmt.Sprint(o.Replace, o.ClearEmpty, o.Won, o.Lost, o.Open))
	like := state{
		Format: stateFormat, Server: t.Client().URL(), Tenant: t.ID, Object: p.object.collection,
		SHA256: p.sha256, Settings: hex.EncodeToString(settings[:8]),
	}
	s, found, err := loadState(statePath(p.path), like)
	if err != nil {
		return err
	}
	if found && s.Finished {
		like.Generation = s.Generation
		s, found = like, false
	}
	if !found {
		s.Run = rand.Text()
	}
	if o.Again && !found {
		s.Generation = rand.Text()
	}
	im.state, im.resumed = s, s.Rows
	return nil
}

// tell prints the summary.
func (im *importer) tell(s Summary, rate float64, err error) {
	p := im.progress
	p.last = Tally{}
	p.say("%s of %s rows in %s (%s rows/s): %s imported, %s there already, %s updated, %s refused",
		grouped(s.Rows), grouped(s.Total), s.Took.Round(10*time.Millisecond), grouped(int(rate)),
		grouped(s.Imported), grouped(s.Present), grouped(s.Updated), grouped(s.Refused))
	for _, c := range im.state.Changes {
		p.say("changed: %s", c)
	}
	if s.Partial > 0 {
		p.say("%s rows were imported without a value that could not be", grouped(s.Partial))
	}
	if s.ErrorsFile != "" {
		p.say("what was refused or left out, and why: %s (it can be corrected and imported)", s.ErrorsFile)
	}
	if err != nil && s.StateFile != "" {
		p.say("the same command goes on where this one stopped")
	}
}
