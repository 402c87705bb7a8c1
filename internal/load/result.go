package load

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Result is what a Run came to. Sent = OK + Failed; Sent = the sum of Statuses
// + NoStatus; Failed = the sum of Causes. In JSON durations are nanoseconds.
type Result struct {
	Source      string        `json:"source"`
	URL         string        `json:"url"`
	Took        time.Duration `json:"took"`
	Sent        int           `json:"sent"`
	OK          int           `json:"ok"`
	Failed      int           `json:"failed"`
	Retried     int           `json:"retried"` // sent again on a new connection after a reused one closed; counted once above
	Late        int           `json:"late"`    // steady: sent more than 100 ms after they were due
	Missed      int           `json:"missed"`  // steady: due, but never sent because all workers were waiting; not in Sent
	Rate        float64       `json:"rate"`    // requests per second
	Bytes       int64         `json:"bytes"`   // of bodies
	Fastest     time.Duration `json:"fastest"`
	Slowest     time.Duration `json:"slowest"`
	Average     time.Duration `json:"average"`
	Percentiles []Percentile  `json:"percentiles"`
	Histogram   []Bucket      `json:"histogram"`
	Statuses    map[int]int   `json:"statuses"`
	NoStatus    int           `json:"noStatus"` // requests without any status line
	Causes      map[Cause]int `json:"causes"`
	Failures    []Record      `json:"failures"` // the first 1,000
}

// Percentile is a latency that Percent of the requests did not exceed.
type Percentile struct {
	Percent float64       `json:"percent"`
	Latency time.Duration `json:"latency"`
}

// Bucket counts the requests above the previous bucket's mark, up to UpTo.
type Bucket struct {
	UpTo  time.Duration `json:"upTo"`
	Count int           `json:"count"`
}

// percentiles are hey's, and the ones beyond that a migration is judged by.
var percentiles = []float64{10, 25, 50, 75, 90, 95, 99, 99.9}

// histogram spreads the latencies over hey's eleven marks, from the fastest to
// the slowest request in equal steps.
func histogram(l *Latencies, fastest, slowest time.Duration) []Bucket {
	const steps = 10
	buckets := make([]Bucket, steps+1)
	for i := range buckets {
		buckets[i].UpTo = fastest + (slowest-fastest)*time.Duration(i)/steps
	}
	l.each(func(d time.Duration, count int) {
		at := min(max(d, fastest), slowest)
		i, _ := slices.BinarySearchFunc(buckets, at, func(b Bucket, t time.Duration) int { return cmp.Compare(b.UpTo, t) })
		buckets[min(i, steps)].Count += count
	})
	return buckets
}

// listedFailures is how many failures the report lists one by one.
const listedFailures = 20

// Print writes the report in hey's form, and below it what hey does not tell.
func (r Result) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nSummary:\n")
	fmt.Fprintf(&b, "  Total:\t%.4f secs\n", r.Took.Seconds())
	fmt.Fprintf(&b, "  Slowest:\t%.4f secs\n", r.Slowest.Seconds())
	fmt.Fprintf(&b, "  Fastest:\t%.4f secs\n", r.Fastest.Seconds())
	fmt.Fprintf(&b, "  Average:\t%.4f secs\n", r.Average.Seconds())
	fmt.Fprintf(&b, "  Requests/sec:\t%.4f\n", r.Rate)
	if r.Sent > 0 {
		fmt.Fprintf(&b, "\n  Total data:\t%d bytes\n  Size/request:\t%d bytes\n", r.Bytes, r.Bytes/int64(r.Sent))
	}
	r.printLatency(&b)
	r.printOutcome(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Result) printLatency(b *strings.Builder) {
	if r.Sent == 0 {
		return
	}
	fmt.Fprintf(b, "\nResponse time histogram:\n")
	tallest := slices.MaxFunc(r.Histogram, func(a, b Bucket) int { return a.Count - b.Count }).Count
	for _, h := range r.Histogram {
		bar := (h.Count*40 + tallest/2) / tallest // 40: hey's longest bar
		fmt.Fprintf(b, "  %.3f [%d]\t|%s\n", h.UpTo.Seconds(), h.Count, strings.Repeat("■", bar))
	}
	fmt.Fprintf(b, "\nLatency distribution:\n")
	for _, p := range r.Percentiles {
		fmt.Fprintf(b, "  %v%% in %.4f secs\n", p.Percent, p.Latency.Seconds())
	}
}

func (r Result) printOutcome(b *strings.Builder) {
	fmt.Fprintf(b, "\nStatus code distribution:\n")
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		fmt.Fprintf(b, "  [%d]\t%d responses\n", status, r.Statuses[status])
	}
	if r.Failed > 0 {
		fmt.Fprintf(b, "\nError distribution:\n")
		for _, cause := range slices.Sorted(maps.Keys(r.Causes)) {
			fmt.Fprintf(b, "  [%d]\t%s\n", r.Causes[cause], cause)
		}
		fmt.Fprintf(b, "\nFailed requests (%d of %d):\n", min(len(r.Failures), listedFailures), r.Failed)
		for _, f := range r.Failures[:min(len(r.Failures), listedFailures)] {
			fmt.Fprintf(b, "  %s  after %.4f secs  %s\n", f.Start.UTC().Format("15:04:05.000Z"), f.Latency.Seconds(), f.Cause)
		}
	}
	fmt.Fprintf(b, "\nAccount:\n  %d sent = %d as expected + %d failed\n", r.Sent, r.OK, r.Failed)
	for _, line := range []struct {
		n    int
		what string
	}{
		{r.Retried, "sent again on a new connection, because the server had closed the reused one"},
		{r.Late, "sent more than 100 ms after they were due"},
		{r.Missed, "due but never sent: all workers were waiting for answers"},
	} {
		if line.n > 0 {
			fmt.Fprintf(b, "  %d %s\n", line.n, line.what)
		}
	}
}
