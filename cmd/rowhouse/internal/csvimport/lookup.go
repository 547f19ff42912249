package csvimport

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sync/errgroup"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/client"
	"github.com/rowhouse/rowhouse/domain"
)

// How an import asks for the records that rows name: for many at once, by what
// the server has an index of.

// What a question may be about at most.
const (
	maxValues    = 500 // in the list of a condition
	spelledAlike = 8   // names that are looked for however they are spelled
	maxSplits    = 8   // places where a name is divided into first and last name
	fullNames    = 4   // of people

	// manyRecords is how many records an answer may have about several names, and
	// enough how many about one: so many begin with the same words.
	manyRecords = 500
	enough      = 2000

	questionsAtOnce = 4

	// maxSlow is how many questions about a few names there may be, until it is quicker to
	// read all records.
	maxSlow = 200
)

// filter is a condition in the JSON form of the grammar of lists.
type filter map[string]any

func where(field, op string, value any) filter {
	return filter{"field": field, "op": op, "value": value}
}

// sought is a key that is asked for, and how the file writes it.
type sought struct {
	key  key
	text string
}

// question asks for the records that some keys are of.
type question struct {
	about  []sought
	filter func([]sought) filter
	most   int // records of an answer about several; 0 is as many as there are
}

// learn asks for what rows refer to, as far as it is not known, so that it can be found.
func (dir *directory) learn(ctx context.Context, refs []reference) error {
	if dir == nil || dir.whole {
		return nil
	}
	if dir.slow > maxSlow {
		if err := dir.read(ctx, math.MaxInt); err != nil {
			return err
		}
	}
	if !dir.whole && len(dir.known) > maxAnswers {
		dir.known, dir.older = map[key]reply{}, dir.known
	}
	for {
		var open []sought
		asked := map[key]bool{}
		dir.mu.Lock()
		refs = slices.DeleteFunc(slices.Clone(refs), func(r reference) bool {
			_, _, missing := dir.look(r)
			for _, w := range missing {
				if !asked[w.key] {
					asked[w.key] = true
					open = append(open, w)
				}
			}
			return len(missing) == 0
		})
		dir.mu.Unlock()
		if len(refs) == 0 {
			return nil
		}
		if err := dir.ask(ctx, open); err != nil {
			return err
		}
	}
}

// ask asks for keys. All of them have an answer then.
func (dir *directory) ask(ctx context.Context, open []sought) error {
	of := map[keyKind][]sought{}
	for _, w := range open {
		of[w.key.kind] = append(of[w.key.kind], w)
	}
	questions := slices.Concat(
		parts(of[anID], maxValues/2, func(some []sought) filter { return where("external_ids", "any", externalValues(dir.source, some)) }),
		parts(of[anAddress], maxValues, func(some []sought) filter {
			return where("emails", "any", texts(some, func(w sought) []string { return []string{w.key.text} }))
		}),
	)
	if dir.people {
		about := fullNameQuestions(of[aName])
		dir.slow += len(about)
		questions = append(questions, about...)
	} else {
		questions = append(questions, parts(of[aName], maxValues/maxSpellings, func(some []sought) filter { return where("name", "in", texts(some, spellings)) })...)
	}
	if err := dir.put(ctx, questions); err != nil {
		return err
	}
	if !dir.people {
		// Names that nobody has in one of the usual spellings.
		rest := slices.DeleteFunc(of[aName], func(w sought) bool { _, ok := dir.known[w.key]; return ok })
		questions = parts(rest, spelledAlike, func(some []sought) filter {
			all := make([]filter, len(some))
			for i, w := range some {
				all[i] = where("name", "starts_with", w.text)
			}
			return filter{"or": all}
		})
		for i := range questions {
			questions[i].most = manyRecords
		}
		dir.slow += len(questions)
		if err := dir.put(ctx, questions); err != nil {
			return err
		}
	}
	for _, w := range open {
		if _, ok := dir.known[w.key]; !ok {
			dir.known[w.key] = reply{} // there is none
		}
	}
	return nil
}

// put asks questions, some at a time, and takes note of the answers.
func (dir *directory) put(ctx context.Context, questions []question) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(questionsAtOnce)
	for _, q := range questions {
		g.Go(func() error {
			asked := map[key]bool{}
			for _, w := range q.about {
				asked[w.key] = true
			}
			return ask(ctx, dir.tenant, dir.collection, dir.fields, q, func(r named) {
				dir.mu.Lock()
				defer dir.mu.Unlock()
				for _, k := range r.keys() {
					if asked[k] {
						dir.call(dir.known, k, r)
					}
				}
			})
		})
	}
	return g.Wait()
}

// ask asks a question and hands over the records that are the answer, some of them
// perhaps twice. If the server refuses a value, or if the answer is too long, it asks
// for half as much. What it refuses alone no record can have.
func ask[R any](ctx context.Context, t client.Tenant, collection, fields string, q question, each func(R)) error {
	most := q.most
	if len(q.about) == 1 {
		most = min(most, 1) * enough
	}
	n := 0
	for doc, err := range t.Query(ctx, collection, q.filter(q.about), fields) {
		if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusUnprocessableEntity {
			return askHalves(ctx, t, collection, fields, q, each)
		}
		if err != nil {
			return err
		}
		if n++; most > 0 && n > most {
			return askHalves(ctx, t, collection, fields, q, each)
		}
		var r R
		if err := json.Unmarshal(doc, &r); err != nil {
			return err
		}
		each(r)
	}
	return nil
}

func askHalves[R any](ctx context.Context, t client.Tenant, collection, fields string, q question, each func(R)) error {
	if len(q.about) == 1 {
		return nil
	}
	half := len(q.about) / 2
	for _, about := range [][]sought{q.about[:half], q.about[half:]} {
		if err := ask(ctx, t, collection, fields, question{about, q.filter, q.most}, each); err != nil {
			return err
		}
	}
	return nil
}

// parts makes questions about some keys each.
func parts(all []sought, most int, f func([]sought) filter) (questions []question) {
	for some := range slices.Chunk(all, most) {
		questions = append(questions, question{about: some, filter: f})
	}
	return questions
}

func texts(some []sought, of func(sought) []string) (all []string) {
	for _, w := range some {
		all = append(all, of(w)...)
	}
	return all
}

// externalValues returns IDs as filters write them. Those of Salesforce are looked for in
// both forms.
func externalValues(source string, some []sought) []string {
	return texts(some, func(w sought) []string {
		_, id, _ := strings.Cut(w.key.text, "\x00")
		values := []string{source + ":" + w.text}
		if source == "salesforce" && len(id) == shortID {
			values = []string{source + ":" + id, source + ":" + id + checksum(id)}
		}
		return values
	})
}

// checksum returns the last three characters of an ID of Salesforce: which of the others
// are capitals, five in each.
func checksum(id string) string {
	const signs, each = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", 5
	var sum []byte
	for part := range slices.Chunk([]byte(id), each) {
		n := 0
		for i, c := range part {
			if c >= 'A' && c <= 'Z' {
				n |= 1 << i
			}
		}
		sum = append(sum, signs[n])
	}
	return string(sum)
}

// maxSpellings is how many spellings of a name there are at most.
const maxSpellings = 10

// spellings returns the usual ways to write a name, of which records may have one.
func spellings(w sought) (all []string) {
	line := domain.Line(w.text)
	for _, text := range []string{line, strings.Join(strings.Fields(line), " ")} {
		lower := strings.ToLower(text)
		for _, s := range []string{text, lower, strings.ToUpper(text), capitalized(lower), capital(lower)} {
			if s != "" && !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// capitalized returns a text with capitals in front of its words, and capital with one in
// front.
func capitalized(text string) string {
	words := strings.Split(text, " ")
	for i, w := range words {
		words[i] = capital(w)
	}
	return strings.Join(words, " ")
}

func capital(text string) string {
	runes := []rune(text)
	if len(runes) > 0 {
		runes[0] = unicode.ToTitle(runes[0])
	}
	return string(runes)
}

// fullNameQuestions asks for people by their names. Nobody knows where the first name ends.
func fullNameQuestions(all []sought) []question {
	var words, lines []sought // names of one word, and of several
	for _, w := range all {
		if strings.Contains(w.key.text, " ") {
			lines = append(lines, w)
		} else {
			words = append(words, w)
		}
	}
	questions := parts(lines, fullNames, func(some []sought) filter {
		var choices []filter
		for _, w := range some {
			choices = append(choices, divided(w.text)...)
		}
		return filter{"or": choices}
	})
	for i := range questions {
		questions[i].most = manyRecords
	}
	for _, one := range [][2]string{{"last_name", "first_name"}, {"first_name", "last_name"}} {
		questions = append(questions, parts(words, maxValues/maxSpellings, func(some []sought) filter {
			return filter{"and": []filter{where(one[0], "in", texts(some, spellings)), where(one[1], "is_null", true)}}
		})...)
	}
	return questions
}

// divided returns conditions of which those meet one who have the name.
func divided(name string) (choices []filter) {
	words := strings.Fields(name)
	for i := range min(len(words), maxSplits) + 1 {
		first, last := strings.Join(words[:i], " "), strings.Join(words[i:], " ")
		var both []filter
		for _, part := range [][2]string{{"first_name", first}, {"last_name", last}} {
			if part[1] == "" {
				both = append(both, where(part[0], "is_null", true))
			} else {
				both = append(both, where(part[0], "starts_with", part[1]))
			}
		}
		choices = append(choices, filter{"and": both})
	}
	return choices
}
