package guard

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/problem"
)

// prometheus answers every query with the same text.
func prometheus(t *testing.T, status int, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/query" || r.FormValue("query") != "errors" || r.Header.Get("Authorization") != "Bearer t" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func vector(values ...string) string {
	samples := make([]string, len(values))
	for i, v := range values {
		samples[i] = `{"metric":{"pod":"a"},"value":[1435781451.781,"` + v + `"]}`
	}
	return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(samples, ",") + `]}}`
}

func query(url string) graph.Guard {
	limit := 0.5
	return graph.Guard{URL: url, Query: "errors", Max: &limit, Headers: map[string]string{"Authorization": "Bearer t"}}
}

// Before a move the query must have a result within its bounds.
func TestPrometheusBefore(t *testing.T) {
	for _, c := range []struct {
		status int
		text   string
		kind   problem.Kind // 0: it can judge
		want   string
	}{
		{200, vector("0", "0.5"), 0, ""},
		{200, `{"status":"success","data":{"resultType":"scalar","result":[1,"0.25"]}}`, 0, ""},
		{200, vector("0", "NaN"), 0, ""},
		{200, vector("0", "0.51"), problem.Refused, "is 0.51, over 0.5 before anything was moved"},
		{200, vector("NaN"), problem.Refused, "no result"},
		{200, vector(), problem.Refused, "no result"},
		{200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`, problem.Outside, "ask for a vector or a scalar"},
		{400, `{"status":"error","errorType":"bad_data","error":"parse error"}`, problem.Outside, "status 400: parse error"},
		{502, `<html>`, problem.Outside, "status 502, and no answer of Prometheus"},
	} {
		problems := Guard{}.Check(t.Context(), []graph.Guard{query(prometheus(t, c.status, c.text))})
		if c.kind == 0 {
			if len(problems) > 0 {
				t.Errorf("%s: %v", c.text, problems)
			}
			continue
		}
		if len(problems) != 1 || problems[0].Kind != c.kind || !strings.Contains(problems[0].Error(), c.want) {
			t.Errorf("%s: %v", c.text, problems)
		}
	}
}

// Two answers in a row beyond a bound are a breach, one is not; no answer is
// told and is none.
func TestPrometheusJudges(t *testing.T) {
	f := &facts{}
	q, err := newInquirer(&alarm{guard: query("http://prometheus.example.com"), events: f})
	if err != nil {
		t.Fatal(err)
	}
	now := began
	tell := func(err error, values ...float64) {
		now = now.Add(askEvery)
		q.judge(values, err, now)
	}
	for range 5 {
		tell(nil, 0, 9)
		tell(nil, 0, 0)
	}
	for range 30 {
		tell(errors.New("gone"))
	}
	if reason, _ := q.alarmed(); reason != "" {
		t.Fatal(reason)
	}
	if told := f.told(); strings.Count(told, "\n") != 1 || !strings.Contains(told, "warning: guard errors: for 10 s the query is not answered: gone") {
		t.Error(told)
	}
	tell(nil, 0, 9)
	tell(nil, 7)
	if reason, _ := q.alarmed(); !strings.Contains(reason, "is 7, over 0.5") {
		t.Error(reason)
	}
}

// A watch asks all along.
func TestPrometheusWatch(t *testing.T) {
	var value atomic.Value
	value.Store("0")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(vector(value.Load().(string))))
	}))
	t.Cleanup(server.Close)
	q, err := newInquirer(&alarm{guard: query(server.URL), events: &facts{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.try(t.Context()); err != nil {
		t.Fatal(err)
	}
	value.Store("3")
	done := make(chan struct{})
	go func() { q.run(t.Context()); close(done) }()
	for reason := ""; reason == ""; reason, _ = q.alarmed() {
		select {
		case <-done:
			t.Fatal("it ended")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if reason, _ := q.alarmed(); reason != "is 3, over 0.5 (before the move: 0)" {
		t.Error(reason)
	}
}
