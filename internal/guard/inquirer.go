package guard

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/sleep"
	"github.com/droverhq/drover/problem"
)

const (
	// askEvery is the pause between two questions. Prometheus itself looks at
	// its targets every 15 to 60 s, so asking more often tells nothing new.
	askEvery = time.Second

	// blindAfter is how long Prometheus may not answer until that is told. It is
	// no breach: Prometheus may be among what is moved.
	blindAfter = 10 * time.Second

	// answerLimit bounds what is read of an answer.
	answerLimit = 1 << 20
)

// inquirer watches by a query of Prometheus.
type inquirer struct {
	*alarm
	client http.Client
	before string // what the query said before the move

	beyond int       // answers in a row that are out of bounds
	blind  time.Time // since when there is no answer; zero: there is
	told   bool      // that it is blind
}

func newInquirer(a *alarm) (*inquirer, error) {
	q := &inquirer{alarm: a}
	q.client.Timeout = cmp.Or(a.guard.Timeout, probeTimeout)
	if a.guard.Max == nil && a.guard.Min == nil {
		return nil, q.problem(problem.Usage, errors.New("it has neither max nor min"), "add max: 0.01, min: 1, or both")
	}
	return q, nil
}

// try asks once; a query that answers nothing cannot judge.
func (q *inquirer) try(ctx context.Context) error {
	values, err := q.ask(ctx)
	if err != nil {
		return q.problem(problem.Outside, err, "check the query and its url, and that Prometheus can be reached from here; "+wayOn)
	}
	if len(values) == 0 {
		return q.problem(problem.Refused, errors.New("the query has no result, so it cannot judge a move"),
			`correct the query, or append "or vector(0)" if nothing is what it normally finds; `+wayOn)
	}
	if out, yes := q.outOfBounds(values); yes {
		return q.problem(problem.Refused, fmt.Errorf("is %s before anything was moved", out), "mend the application, or correct max and min; "+wayOn)
	}
	q.before = number(values[0])
	return nil
}

// run asks until ctx ends.
func (q *inquirer) run(ctx context.Context) {
	for sleep.For(ctx, askEvery) == nil {
		values, err := q.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		q.judge(values, err, time.Now())
	}
}

// judge takes two answers in a row to be a trend.
func (q *inquirer) judge(values []float64, err error, now time.Time) {
	if err != nil || len(values) == 0 {
		q.unanswered(err, now)
		return
	}
	q.blind, q.told = time.Time{}, false
	out, yes := q.outOfBounds(values)
	if !yes {
		q.beyond = 0
		return
	}
	if q.beyond++; q.beyond > 1 {
		q.breach(fmt.Sprintf("is %s (before the move: %s)", out, q.before))
	}
}

func (q *inquirer) unanswered(err error, now time.Time) {
	if q.blind.IsZero() {
		q.blind = now
	}
	if q.told || now.Sub(q.blind) < blindAfter {
		return
	}
	q.told = true
	why := "has no result"
	if err != nil {
		why = "is not answered: " + err.Error()
	}
	q.tell(event.Warning, "for "+seconds(blindAfter)+" the query "+why+"; this guard sees nothing")
}

// outOfBounds names the first value that is.
func (q *inquirer) outOfBounds(values []float64) (out string, yes bool) {
	for _, v := range values {
		if q.guard.Max != nil && v > *q.guard.Max {
			return number(v) + ", over " + number(*q.guard.Max), true
		}
		if q.guard.Min != nil && v < *q.guard.Min {
			return number(v) + ", under " + number(*q.guard.Min), true
		}
	}
	return "", false
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// known: an inquirer's bounds are absolute, and the first answer was the baseline.
func (q *inquirer) known() bool { return true }

func (q *inquirer) settle(time.Duration) { q.tell(event.Note, "before the move: "+q.before) }

func (q *inquirer) resume(before kept) {
	q.before = before.Value
	q.tell(event.Note, "before the move, as an earlier run saw it: "+q.before)
}

func (q *inquirer) keep() kept {
	return kept{Of: q.identity(), At: time.Now(), Value: q.before}
}

// ask sends the query: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries.
func (q *inquirer) ask(ctx context.Context) ([]float64, error) {
	form := url.Values{"query": {q.guard.Query}}.Encode()
	address := strings.TrimSuffix(q.guard.URL, "/") + "/api/v1/query"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range q.guard.Headers {
		req.Header.Set(name, value)
	}
	resp, err := q.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return nil, err
	}
	return parseAnswer(resp.StatusCode, body)
}

// parseAnswer reads the values of a vector or a scalar.
func parseAnswer(status int, body []byte) ([]float64, error) {
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("status %d, and no answer of Prometheus: %w", status, err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("status %d: %s", status, answer.Error)
	}
	samples := make([]sample, 1)
	var err error
	switch answer.Data.ResultType {
	case "scalar":
		err = json.Unmarshal(answer.Data.Result, &samples[0].Value)
	case "vector":
		err = json.Unmarshal(answer.Data.Result, &samples)
	default:
		return nil, fmt.Errorf("the result is a %s; ask for a vector or a scalar", answer.Data.ResultType)
	}
	if err != nil {
		return nil, fmt.Errorf("read the result: %w", err)
	}
	return numbers(samples)
}

// sample is one element of a vector: [time, "value"].
type sample struct{ Value [2]any }

// numbers leaves out NaN: 0/0 is how a ratio says that there was no traffic.
func numbers(samples []sample) ([]float64, error) {
	var values []float64
	for _, s := range samples {
		text, _ := s.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("read the result: %w", err)
		}
		if !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	return values, nil
}
