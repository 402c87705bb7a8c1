package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/problem"
)

// loadOptions is what the flags of `drover load` say.
type loadOptions struct {
	load.Options
	Env      Env
	Headers  []string
	Body     string
	BodyFile string
	Rate     string
	Statuses []int
	Expect   string
	NoReuse  bool
	NoGzip   bool
	Record   string
	JSON     bool
}

func newLoad(env Env, run func(context.Context, loadOptions) error) *cobra.Command {
	o := loadOptions{Env: env}
	cmd := &cobra.Command{
		Use:   "load [flags] URL",
		Short: "Send HTTP load and account for every request",
		Long: `Send HTTP requests as hey does and report rate, latency, status codes and errors.
Without --rate it is a closed loop: each connection sends one request after the
other. With --rate it is steady, and latency counts from the scheduled send, so
that a stall cannot hide itself. Every request is an expected answer or a failure
with time and cause; the exit code is 7 if there was a failure. Ctrl-C ends the
load and still reports. See docs/load.md.`,
		Example: `  drover load -n 50000 -c 100 --host apps.example.com http://$LB/echoserver
  drover load --rate 200/s -z 5m --expect-body 'Hostname: echoserver-' http://$LB/echoserver`,
		Args:        cobra.ExactArgs(1),
		Annotations: exits(problem.Lost),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.URL = args[0]
			if o.Duration > 0 && !cmd.Flags().Changed("requests") {
				o.Requests = 0
			}
			if err := o.complete(); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.IntVarP(&o.Requests, "requests", "n", 200, "number of requests; 0: until -z or Ctrl-C")
	f.IntVarP(&o.Connections, "connections", "c", 50, "connections of the closed loop")
	f.Float64VarP(&o.PerConn, "per-connection", "q", 0, "requests per second for each connection; 0: as fast as they go")
	f.StringVar(&o.Rate, "rate", "", "steady `rate` for all together, as in 200/s")
	f.DurationVarP(&o.Duration, "duration", "z", 0, "how long to send; -n counts no more if it is not given too")
	f.StringVarP(&o.Method, "method", "m", http.MethodGet, "HTTP `method`")
	f.StringArrayVarP(&o.Headers, "header", "H", nil, "a `header`, as in 'Accept: text/html'; may be repeated")
	f.StringVarP(&o.Body, "data", "d", "", "request `body`")
	f.StringVarP(&o.BodyFile, "data-file", "D", "", "request body from a `file`")
	f.DurationVarP(&o.Timeout, "timeout", "t", load.DefaultTimeout, "limit for one request; 0: none")
	f.StringVar(&o.Host, "host", "", "`Host` header")
	f.BoolVar(&o.NoReuse, "disable-keepalive", false, "a new connection for each request")
	f.BoolVar(&o.NoGzip, "disable-compression", false, "accept no compressed answers")
	f.IntSliceVar(&o.Statuses, "expect-status", []int{http.StatusOK}, "expected statuses")
	f.StringVar(&o.Expect, "expect-body", "", "`regexp` that every answer must match: another application's answer is a failure")
	f.StringVar(&o.Record, "record", "", "write one CSV line a request to `file`")
	f.BoolVar(&o.JSON, "json", false, "print the result as JSON")
	return cmd
}

func runLoad(ctx context.Context, o loadOptions) error {
	if o.Record != "" {
		file, err := beside(o.Record)
		if err != nil {
			return &problem.Error{Kind: problem.Usage, Op: "--record", Err: err, Fix: "name a file in a folder that is there"}
		}
		defer func() { _ = file.Close() }() // Run has flushed and checked every write
		o.Options.Record = file
	}
	result, err := load.Run(ctx, o.Options, event.Discard)
	if err != nil {
		return err
	}
	if o.JSON {
		err = writeJSON(o.Env.Stdout, result)
	} else {
		err = result.Print(o.Env.Stdout)
	}
	if err != nil {
		return err
	}
	if result.Failed > 0 {
		return &problem.Error{
			Kind: problem.Lost, Err: fmt.Errorf("%d of %d requests failed", result.Failed, result.Sent),
			Fix: "see the causes above; --record keeps every request",
		}
	}
	return nil
}

// complete turns the texts of the flags into the generator's options.
func (o *loadOptions) complete() (err error) {
	o.ExpectStatus = o.Statuses
	o.Gzip = !o.NoGzip
	if o.NoReuse {
		o.FreshEvery = 1
	}
	if o.Header, err = headers("--header", o.Headers); err != nil {
		return err
	}
	if o.Options.Body, err = o.body(); err != nil {
		return err
	}
	if o.Rate != "" {
		if o.Options.Rate, err = parseRate(o.Rate); err != nil {
			return badFlag("--rate", err, "write it as requests per second: 200/s")
		}
	}
	if o.Expect != "" {
		if o.ExpectBody, err = regexp.Compile(o.Expect); err != nil {
			return badFlag("--expect-body", err, "see https://pkg.go.dev/regexp/syntax")
		}
	}
	return nil
}

// headers reads those of a flag.
func headers(flag string, lines []string) (http.Header, error) {
	header := http.Header{}
	for _, h := range lines {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, badFlag(flag, fmt.Errorf("%q has no colon", h), "write it as 'Name: value'")
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header, nil
}

func (o *loadOptions) body() ([]byte, error) {
	switch {
	case o.Body != "" && o.BodyFile != "":
		return nil, badFlag("--data", errors.New("-d and -D are both given"), "give one of them")
	case o.BodyFile != "":
		body, err := os.ReadFile(o.BodyFile)
		if err != nil {
			return nil, badFlag("--data-file", err, "name a file that can be read")
		}
		return body, nil
	}
	return []byte(o.Body), nil
}

// parseRate reads 200/s, 200 or 1200/m as requests per second.
func parseRate(s string) (float64, error) {
	count, unit, _ := strings.Cut(s, "/")
	rate, err := strconv.ParseFloat(count, 64)
	if err != nil || rate <= 0 {
		return 0, fmt.Errorf("%q is not a rate above 0", s)
	}
	switch unit {
	case "", "s":
		return rate, nil
	case "m":
		return rate / time.Minute.Seconds(), nil
	}
	return 0, fmt.Errorf("%q: the unit is s or m", s)
}

func badFlag(flag string, err error, fix string) error {
	return &problem.Error{Kind: problem.Usage, Op: flag, Err: err, Fix: fix}
}
